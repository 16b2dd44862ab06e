"""Register the training set in MLflow."""

from synalign.interruption import interruptible_job

if __name__ == "__main__":
    with interruptible_job():
        from synalign import job
        from synalign.release import register

        job.main("register", register, always=True)
