"""Find the hard negatives of every train pair."""

from synalign.steps.start import start

if __name__ == "__main__":
    start("mine")
