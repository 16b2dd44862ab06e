"""Decide which written queries are kept."""

from synalign.job import main
from synalign.screening.screen import screen

if __name__ == "__main__":
    main("screen", screen)
