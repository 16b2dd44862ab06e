"""Read an experiment out: add up exposures and outcomes, check them, and say what they show."""

from synalign.experiment.jobs import read

if __name__ == "__main__":
    read()
