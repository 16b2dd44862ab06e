"""Train retrievers on real pairs and on each weighting, and choose the weights on validation queries."""

from synalign.evaluation.evaluate import evaluate
from synalign.job import main

if __name__ == "__main__":
    main("evaluate", evaluate)
