"""What a server that reranks costs, and its ceiling: generation's budget, with requests in the place of answers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from os import PathLike
from typing import Any

from synalign import config
from synalign.generation import budget
from synalign.generation.journal import Journal
from synalign.generation.spending import Reservation

RECORD = "teacher_spending.jsonl"
"""File of a run's folder: what the teacher has cost."""

_ADDED = 8
"""Tokens that a cross-encoder puts around a query and a document, at most."""

_PER_MILLION = 1000.0
"""Thousands of requests in a million, by which generation's budget has its prices."""


class Budget(budget.Budget):
    """What a refresh has spent on its reranker, and may spend still.

    A request is reserved before it is sent and settled when it has ended, by the rules of
    `synalign.generation.budget`. A reranker writes nothing: where those count tokens received, requests are counted.

    Args:
        settings: Prices and ceilings.
        record: File that remembers over kills what was spent and reserved; made if missing.
        journal: Has what answers cost, for tries that a kill left open.

    Raises:
        RunError: The record is damaged.
        StorageError: The record cannot be read or written.
    """

    def __init__(self, settings: config.RerankBudget, record: PathLike[str] | None, journal: Journal) -> None:
        self._ceilings = settings
        prices = config.Budget(
            input_price=settings.input_price,
            output_price=settings.request_price * _PER_MILLION,
            currency=settings.currency,
        )
        super().__init__(prices, record=record, answered=lambda key: _answered(journal, key))

    @property
    def tokens(self) -> int:
        """Return the tokens spent so far."""
        return self._in

    @property
    def requests(self) -> int:
        """Return the requests, or searches as the provider counts them, that were paid so far."""
        return self._out

    @property
    def limited(self) -> bool:
        """Return whether there is a ceiling."""
        ceilings = self._ceilings.max_money, self._ceilings.max_tokens, self._ceilings.max_requests
        return any(ceiling is not None for ceiling in ceilings)

    def _fits(self, tokens_in: int, tokens_out: int, others: Iterable[Reservation]) -> bool:
        waiting = list(others)
        tokens = self._in + tokens_in + sum(other.tokens_in for other in waiting)
        requests = self._out + tokens_out + sum(other.tokens_out for other in waiting)
        most = self._ceilings
        return (
            tokens <= (math.inf if most.max_tokens is None else most.max_tokens)
            and requests <= (math.inf if most.max_requests is None else most.max_requests)
            and budget.cost(tokens, requests, self.settings, "online")
            <= (math.inf if most.max_money is None else most.max_money)
        )


def most_tokens(query: str, documents: Iterable[str]) -> int:
    """Return a bound on the tokens of a request: a cross-encoder reads the query again with each document.

    Every token stands for at least one byte.

    >>> most_tokens("lime", ["tap", "é"])
    29
    """
    asked = _bytes(query) + _ADDED
    return sum(asked + _bytes(document) for document in documents)


def reported(answer: Any) -> tuple[int | None, int]:
    """Return the tokens that a server says a request had, None where it does not say, and the searches it bills.

    Jina, Voyage, vLLM and llama.cpp say `usage`; Cohere `meta`, with `search_units`; Text Embeddings Inference nothing.

    >>> reported({"usage": {"total_tokens": 12}}), reported({"meta": {"billed_units": {"search_units": 2}}})
    ((12, 1), (None, 2))
    """
    whole = _mapping(answer)
    usage, meta = _mapping(whole.get("usage")), _mapping(whole.get("meta"))
    units = _mapping(meta.get("billed_units"))
    counts = map(
        _count,
        (
            usage.get("total_tokens"), usage.get("prompt_tokens"),
            _mapping(meta.get("tokens")).get("input_tokens"), units.get("input_tokens"),
        ),
    )  # fmt: skip
    searches = _count(units.get("search_units"))
    return next((count for count in counts if count is not None), None), 1 if searches is None else searches


def _answered(journal: Journal, key: str) -> tuple[int, int] | None:
    entry = journal.get(key)
    return None if entry is None or entry.tokens_in is None else (entry.tokens_in, 1)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _mapping(content: Any) -> dict[str, Any]:
    return content if isinstance(content, dict) else {}


def _count(value: Any) -> int | None:
    """Return a number as a count; None where it cannot be one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return None
    return int(value)
