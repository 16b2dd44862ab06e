"""Weigh the accepted queries so that together they are distributed like the real ones."""

from synalign.processes.interruption import interruptible_job

if __name__ == "__main__":
    with interruptible_job():
        from synalign.steps import job

        job.main("align")
