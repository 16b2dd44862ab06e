"""Decide which written queries are kept."""

from synalign.steps.start import start

if __name__ == "__main__":
    start("screen")
