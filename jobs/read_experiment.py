"""Read an experiment out: add up exposures and outcomes, check them, and say what they show."""

from synalign.processes.interruption import interruptible_job

if __name__ == "__main__":
    with interruptible_job():
        from synalign.steps.experiment import read

        read()
