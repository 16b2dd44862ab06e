"""A plain line in the log every few seconds, so that nobody wonders whether a long step still lives."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from synalign.generation.client import Answer

log = logging.getLogger("synalign")

EVERY_SECONDS = 5.0


class Progress:
    """Counts requests as they end.

    Args:
        total: How many there will be.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._done: Counter[str] = Counter()
        self._started = time.monotonic()

    def add(self, answer: Answer) -> None:
        """Count a request that has ended."""
        self._done["reused" if answer.reused else "asked"] += 1
        self._done["failed"] += answer.content is None

    def skip(self) -> None:
        """Count a request that will not be sent."""
        self._done["skipped"] += 1

    def line(self) -> str:
        """How far it is: done of total, from the journal, failed, and the time left at the pace so far."""
        asked, reused = self._done["asked"], self._done["reused"]
        left = self.total - asked - reused - self._done["skipped"]
        text = f"generate: {self.total - left}/{self.total} requests done, {reused} of them from the journal"
        if self._done["failed"]:
            text += f", {self._done['failed']} failed"
        if asked and left:
            text += f", about {left * (time.monotonic() - self._started) / asked:.0f} s left"
        return text

    @asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """Log a line every `EVERY_SECONDS` meanwhile, and one at the end."""
        task = asyncio.create_task(self._show())
        try:
            yield
        finally:
            task.cancel()
            log.info("%s", self.line())

    async def _show(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            log.info("%s", self.line())
