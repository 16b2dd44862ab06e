"""Have the language model name attributes and write queries."""

from synalign.processes.interruption import interruptible_job

if __name__ == "__main__":
    with interruptible_job():
        from synalign.prompts.templates import digests
        from synalign.steps import job
        from synalign.steps.generate import generate

        job.main("generate", generate, outside=lambda run: digests(run.configuration), waits=True)
