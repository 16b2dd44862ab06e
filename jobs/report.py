"""Show the run to people."""

from synalign.processes.interruption import interruptible_job

if __name__ == "__main__":
    with interruptible_job():
        from synalign.steps import job
        from synalign.steps.report import report

        job.main("report", report, always=True)
