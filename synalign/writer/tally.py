"""Counts of the embedded writer, shown under `/faults`: what was sent, and what a provider would have been paid for."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Tally:
    """Counts of one server, safe to use from its threads. A request is known by the SHA-256 of its body.

    Attributes:
        in_flight: Requests at work.
        most_in_flight: The most there ever were at once.
        tries: How often each request came.
        paid: How often each request got a good answer: what a provider would have been paid for.
        sent: What was sent, counted by the fault's kind, or `good`, or `rejected`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.in_flight = 0
        self.most_in_flight = 0
        self.tries: Counter[str] = Counter()
        self.paid: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()

    @contextmanager
    def handling(self, digest: str) -> Iterator[int]:
        """Count a request while it is at work.

        Yields:
            Which try of it this is, from 1.
        """
        with self._lock:
            self.tries[digest] += 1
            nth = self.tries[digest]
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            yield nth
        finally:
            with self._lock:
                self.in_flight -= 1

    def send(self, kind: str) -> None:
        """Count an answer that is sent."""
        with self._lock:
            self.sent[kind] += 1

    def pay(self, digest: str) -> None:
        """Count a good answer to a request. To be called before its last byte is sent: a client may look at once."""
        with self._lock:
            self.paid[digest] += 1

    def content(self) -> dict[str, Any]:
        """Return all counts."""
        with self._lock:
            return {
                "in_flight": self.in_flight,
                "most_in_flight": self.most_in_flight,
                "received": self.tries.total(),
                "sent": dict(sorted(self.sent.items())),
                "tries": dict(self.tries),
                "paid": dict(self.paid),
            }
