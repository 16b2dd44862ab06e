"""Train retrievers on real pairs and on each weighting, and choose the weights on validation queries."""

from synalign.processes.interruption import interruptible_job

if __name__ == "__main__":
    with interruptible_job():
        from synalign.steps import job

        job.main("evaluate")
