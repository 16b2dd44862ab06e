"""Weigh the accepted queries so that together they are distributed like the real ones."""

from synalign.steps.start import start

if __name__ == "__main__":
    start("align")
