"""Weigh the accepted queries so that together they are distributed like the real ones."""

from synalign import job
from synalign.weighting import align

if __name__ == "__main__":
    job.main("align", align)
