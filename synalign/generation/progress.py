"""How far the requests of the step are, with what they have cost."""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager

from synalign.generation import outcomes
from synalign.generation.budget import Budget
from synalign.generation.client import Answer
from synalign.progress import Advance, watched


class Progress:
    """Counts requests as they end.

    Args:
        advance: Shows them.
        budget: What they cost is counted there.
    """

    def __init__(self, advance: Advance, budget: Budget) -> None:
        self._advance, self._budget = advance, budget
        self._done: Counter[str] = Counter()
        # Whether the endpoint keeps from saying what it counts.
        self._silent = False

    def add(self, answer: Answer, *parts: Answer) -> None:
        """Count a request that has ended, or one that was asked in parts, with the answers to them."""
        for ended in parts or (answer,):
            over_budget = ended.outcome == outcomes.OVER_BUDGET
            self._done["over_budget"] += over_budget
            self._done["reused"] += ended.reused
            self._done["failed"] += ended.content is None and not over_budget
            self._silent = self._silent or None in (ended.tokens_in, ended.tokens_out)
        self._advance.note = self._note()
        self._advance(free=answer.reused or answer.outcome == outcomes.OVER_BUDGET)

    def skip(self, requests: int = 1) -> None:
        """Count requests that will not be sent."""
        self._advance(requests, free=True)

    def shown(self) -> AbstractContextManager[None]:
        """Show how far it is while the block runs: that nothing moves, as when requests hang, is shown too."""
        return watched(lambda: self._advance(0))

    def _note(self) -> str:
        parts = []
        if self._done["reused"]:
            parts.append(f"{self._done['reused']:,} of them from the journal")
        if self._done["failed"]:
            parts.append(f"{self._done['failed']:,} failed")
        if self._done["over_budget"]:
            parts.append(f"{self._done['over_budget']:,} not sent for want of budget")
        if self._budget.tokens:
            parts.append(("at most " if self._silent else "") + _spent(self._budget))
        return ", ".join(parts)


def _spent(budget: Budget) -> str:
    """Say what was spent in money, where it has a price, and in tokens, of the ceilings where there are some."""
    settings = budget.settings
    parts = []
    if settings.has_prices:
        of = "" if settings.max_money is None else f" of {settings.max_money:.2f}"
        parts.append(f"{budget.money:.2f}{of} {settings.currency}")
    if settings.max_tokens is not None or not parts:
        of = "" if settings.max_tokens is None else f" of {settings.max_tokens:,}"
        parts.append(f"{budget.tokens:,}{of} tokens")
    return " and ".join(parts) + " spent"
