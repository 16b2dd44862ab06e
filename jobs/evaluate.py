"""Train retrievers on real pairs and on each weighting, and choose the weights on validation queries."""

from synalign.interruption import interruptible_job

if __name__ == "__main__":
    with interruptible_job():
        from synalign import job
        from synalign.evaluation.evaluate import evaluate

        job.main("evaluate", evaluate)
