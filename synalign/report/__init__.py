"""The run report: one HTML file that needs nothing else, for whoever must judge a refresh.

`material` is what a report is made from, `page` puts its sections together, every other module is one section.
"""

from synalign.report.write import write

__all__ = ["write"]
