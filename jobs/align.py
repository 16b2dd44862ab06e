"""Weigh the accepted queries so that together they are distributed like the real ones."""

from synalign.job import main
from synalign.weighting import align

if __name__ == "__main__":
    main("align", align)
