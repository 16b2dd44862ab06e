"""Embed real queries and documents, or, with `--step embed_candidates`, the written queries."""

from synalign.processes.interruption import interruptible_job

if __name__ == "__main__":
    with interruptible_job():
        from synalign.steps import job

        job.main("embed")
