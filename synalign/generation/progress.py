"""A plain line in the log every few seconds, so that nobody wonders whether a long step still lives."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from synalign.generation import outcomes
from synalign.generation.budget import Budget
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
        if answer.outcome == outcomes.OVER_BUDGET:
            self._done["skipped"] += 1
            self._done["over_budget"] += 1
            return
        self._done["reused" if answer.reused else "asked"] += 1
        self._done["failed"] += answer.content is None

    def skip(self) -> None:
        """Count a request that will not be sent."""
        self._done["skipped"] += 1

    def line(self, budget: Budget | None = None) -> str:
        """How far it is: done of total, how fast, what it has cost, and the time left at the pace so far."""
        asked, reused = self._done["asked"], self._done["reused"]
        left = self.total - asked - reused - self._done["skipped"]
        text = f"generate: {self.total - left}/{self.total} requests done, {reused} of them from the journal"
        if self._done["failed"]:
            text += f", {self._done['failed']} failed"
        if self._done["over_budget"]:
            text += f", {self._done['over_budget']} not sent for want of budget"
        rate = asked / max(time.monotonic() - self._started, 1e-3)
        if asked:
            text += f", {rate:.1f} requests/s"
        if budget is not None and budget.tokens:
            text += f", {_spent(budget)}"
        if asked and left:
            text += f", about {left / rate:.0f} s left"
        return text

    @asynccontextmanager
    async def shown(self, budget: Budget | None = None) -> AsyncIterator[None]:
        """Log a line every `EVERY_SECONDS` meanwhile, and one at the end."""
        task = asyncio.create_task(self._show(budget))
        try:
            yield
        finally:
            task.cancel()
            log.info("%s", self.line(budget))

    async def _show(self, budget: Budget | None) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            log.info("%s", self.line(budget))


def _spent(budget: Budget) -> str:
    """Money where it has a price, and tokens; of the ceilings, where there are some."""
    settings = budget.settings
    parts = []
    if settings.input_price or settings.output_price:
        of = "" if settings.max_money is None else f" of {settings.max_money:.2f}"
        parts.append(f"{budget.money:.2f}{of} {settings.currency}")
    if settings.max_tokens is not None or not parts:
        of = "" if settings.max_tokens is None else f" of {settings.max_tokens:,}"
        parts.append(f"{budget.tokens:,}{of} tokens")
    return " and ".join(parts) + " spent"
