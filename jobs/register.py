"""Register the training set in MLflow."""

from synalign.processes.interruption import interruptible_job

if __name__ == "__main__":
    with interruptible_job():
        from synalign.steps import job
        from synalign.steps.register import register

        job.main("register", register, always=True)
