"""Train retrievers on real pairs and on each weighting, and choose the weights on validation queries."""

from synalign.steps.start import start

if __name__ == "__main__":
    start("evaluate")
