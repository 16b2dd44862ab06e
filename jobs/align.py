"""Weigh the accepted queries so that together they are distributed like the real ones."""

from synalign.interruption import interruptible_job

if __name__ == "__main__":
    with interruptible_job():
        from synalign import job
        from synalign.weighting import align

        job.main("align", align)
