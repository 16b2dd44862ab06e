"""Pick batches of real queries as demonstrations."""

from synalign.interruption import interruptible_job

if __name__ == "__main__":
    with interruptible_job():
        from synalign import job
        from synalign.demonstrations import earlier_demonstrations, sample

        job.main("sample", sample, outside=earlier_demonstrations)
