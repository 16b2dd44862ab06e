"""Train a retriever on its current training set, compare it with what serves, and register it."""

from synalign.processes.interruption import interruptible_job

if __name__ == "__main__":
    with interruptible_job():
        from synalign.steps.train import main

        main()
