"""Record a person's answer to a verdict `ship`: a yes lets the treatment serve, a no changes nothing."""

from synalign.processes.interruption import interruptible_job

if __name__ == "__main__":
    with interruptible_job():
        from synalign.steps.experiment import decide

        decide()
