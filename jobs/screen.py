"""Decide which written queries are kept."""

from synalign.processes.interruption import interruptible_job

if __name__ == "__main__":
    with interruptible_job():
        from synalign.steps import job

        job.main("screen")
