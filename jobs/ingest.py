"""Read the query log and the documents, clean, count and split them."""

from synalign.processes.interruption import interruptible_job

if __name__ == "__main__":
    with interruptible_job():
        from synalign.steps import job

        job.main("ingest")
