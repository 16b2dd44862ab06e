"""Pick batches of real queries as demonstrations."""

from synalign.interruption import interruptible_job

if __name__ == "__main__":
    with interruptible_job():
        from synalign.demonstrations import earlier_demonstrations, sample
        from synalign.job import main

        main("sample", sample, outside=earlier_demonstrations)
