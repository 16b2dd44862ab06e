"""Register the training set in MLflow."""

from synalign.interruption import interruptible_job

if __name__ == "__main__":
    with interruptible_job():
        from synalign.job import main
        from synalign.release import register

        main("register", register, always=True)
