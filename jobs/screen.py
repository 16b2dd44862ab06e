"""Decide which written queries are kept."""

from synalign import job
from synalign.screening.screen import screen

if __name__ == "__main__":
    job.main("screen", screen)
