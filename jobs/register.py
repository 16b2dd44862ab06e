"""Register the training set in MLflow."""

from synalign import job
from synalign.release import register

if __name__ == "__main__":
    job.main("register", register, always=True)
