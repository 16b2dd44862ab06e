"""Have the language model name attributes and write queries."""

from synalign.interruption import interruptible_job

if __name__ == "__main__":
    with interruptible_job():
        from synalign import job
        from synalign.generation.generate import generate
        from synalign.generation.templates import digests

        job.main("generate", generate, outside=lambda run: digests(run.configuration), waits=True)
