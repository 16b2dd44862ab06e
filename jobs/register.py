"""Register the training set in MLflow."""

from synalign.job import main
from synalign.release import register

if __name__ == "__main__":
    main("register", register, always=True)
