"""Show the run to people."""

from synalign.steps.start import start

if __name__ == "__main__":
    start("report")
