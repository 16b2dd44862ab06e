"""Show the run to people."""

from synalign.interruption import interruptible_job

if __name__ == "__main__":
    with interruptible_job():
        from synalign.job import main
        from synalign.report.step import report

        main("report", report, always=True)
