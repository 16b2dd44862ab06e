"""Start a job, from a file of `jobs/`."""

from synalign.processes.interruption import interruptible_job


def start(name: str) -> None:
    """Run the job of a step as a command.

    Imports are left to the last moment: they take most of the time of a short job, and may be interrupted like it.
    """
    with interruptible_job():
        from synalign.steps.job import main

        main(name)
