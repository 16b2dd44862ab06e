"""What is said when a place is held by another process."""

from __future__ import annotations


class TakenError(Exception):
    """Another process holds the place.

    Args:
        who: Which, as it calls itself.
    """

    def __init__(self, who: str) -> None:
        super().__init__(who)
        self.who = who
