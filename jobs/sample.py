"""Pick batches of real queries as demonstrations."""

from synalign.processes.interruption import interruptible_job

if __name__ == "__main__":
    with interruptible_job():
        from synalign.run.memory import earlier_demonstrations
        from synalign.steps import job
        from synalign.steps.sample import sample

        job.main("sample", sample, outside=earlier_demonstrations)
