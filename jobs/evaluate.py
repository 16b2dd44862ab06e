"""Train retrievers on real pairs and on each weighting, and choose the weights on validation queries."""

from synalign import job
from synalign.evaluation.evaluate import evaluate

if __name__ == "__main__":
    job.main("evaluate", evaluate)
