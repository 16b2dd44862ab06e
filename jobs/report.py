"""Show the run to people."""

from synalign.interruption import interruptible_job

if __name__ == "__main__":
    with interruptible_job():
        from synalign import job
        from synalign.report.step import report

        job.main("report", report, always=True)
