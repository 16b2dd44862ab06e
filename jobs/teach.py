"""Have a teacher score every train pair and its hard negatives."""

from synalign.steps.start import start

if __name__ == "__main__":
    start("teach")
