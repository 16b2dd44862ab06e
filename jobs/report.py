"""Show the run to people."""

from synalign import job
from synalign.report.step import report

if __name__ == "__main__":
    job.main("report", report, always=True)
