"""Decide which written queries are kept."""

from synalign.interruption import interruptible_job

if __name__ == "__main__":
    with interruptible_job():
        from synalign import job
        from synalign.screening.screen import screen

        job.main("screen", screen)
