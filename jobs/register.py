"""Register the training set in MLflow."""

from synalign.steps.start import start

if __name__ == "__main__":
    start("register")
