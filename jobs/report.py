"""Show the run to people."""

from synalign.job import main
from synalign.report.step import report

if __name__ == "__main__":
    main("report", report, always=True)
