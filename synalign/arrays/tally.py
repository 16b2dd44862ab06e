"""How far a function on arrays is, told to whoever called it: it counts, and knows nothing of logs or terminals."""

from __future__ import annotations

import threading
from collections.abc import Callable

Report = Callable[[str, int, int | None], None]
"""Called with what is counted, how many are done, and of how many (None: nobody knows yet)."""


class Tally:
    """Counts work towards a total, from any number of threads.

    Args:
        report: Called after every addition; None: nobody listens.
        what: What is counted, in the plural: `rows compared`.
        total: How many there will be; None: nobody knows.

    Examples:
        >>> tally = Tally(print, "rows", 3)
        >>> tally.add(2), tally.add()
        rows 2 3
        rows 3 3
        (None, None)
    """

    def __init__(self, report: Report | None, what: str, total: int | None) -> None:
        self._report, self._what, self._total = report, what, total
        self._done = 0
        self._lock = threading.Lock()

    def add(self, count: int = 1) -> None:
        """Count some more."""
        if self._report is None:
            return
        # Reported within the lock, so that nobody hears of fewer after hearing of more.
        with self._lock:
            self._done += count
            self._report(self._what, self._done, self._total)


NOBODY = Tally(None, "", None)
"""Counts for nobody."""
