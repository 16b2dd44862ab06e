"""What the two refreshes measured, side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from synalign.changes.side import Side
from synalign.generation.usage import money_in_words

Kind = Literal["count", "figure", "score", "share", "p_value", "seconds", "text"]


class Figure(NamedTuple):
    """A figure of both sets.

    Attributes:
        group: What it is a figure of.
        name: What it measures.
        kind: How it is shown.
        before: Of the first set; None: not measured.
        after: Of the second.
    """

    group: str
    name: str
    kind: Kind
    before: float | str | None
    after: float | str | None


_Look = Callable[[Side], Any]

_SHOWN: tuple[tuple[str, str, Kind, _Look], ...] = (
    ("Input", "distinct queries", "count", lambda side: _rows(side, "ingest", "queries")),
    ("Input", "real pairs", "count", lambda side: _rows(side, "ingest", "pairs")),
    ("Input", "documents", "count", lambda side: _rows(side, "ingest", "documents")),
    ("Input", "rejected rows", "count", lambda side: _rows(side, "ingest", "rejected")),
    ("Writing", "model", "text", lambda side: side.metrics("generate").get("model")),
    ("Writing", "queries asked for", "count", lambda side: side.metrics("generate").get("ledger", {}).get("asked_for")),
    ("Writing", "accepted", "count", lambda side: side.metrics("screen").get("accepted")),
    ("Writing", "accepted of asked for", "share", lambda side: _accepted(side)),
    ("Writing", "uncertainty left", "figure", lambda side: side.metrics("sample").get("last_variance")),
    ("Aligned weights", "held-out MMD², unweighted", "figure", lambda side: _align(side, "mmd2_held_out_before")),
    ("Aligned weights", "held-out MMD², weighted", "figure", lambda side: _align(side, "mmd2_held_out_after")),
    ("Aligned weights", "p-value of that", "p_value", lambda side: _align(side, "mmd2_held_out_p_value")),
    ("Aligned weights", "effective share of rows", "share", lambda side: _effective(side)),
    ("Retriever", "weights chosen", "text", lambda side: side.metrics("evaluate").get("scheme")),
    ("Retriever", "nDCG@10, real pairs alone", "score", lambda side: _arm(side, "control")),
    ("Retriever", "nDCG@10, with the set", "score", lambda side: _arm(side, "treatment")),
    ("Retriever", "gate", "text", lambda side: side.metrics("evaluate").get("gate", {}).get("status")),
    ("Cost", "tokens", "count", lambda side: side.metrics("generate").get("tokens")),
    ("Cost", "money", "text", lambda side: _money(side)),
    ("Cost", "seconds of all steps", "seconds", lambda side: _seconds(side)),
)  # fmt: skip


def figures(before: Side, after: Side) -> tuple[Figure, ...]:
    """The figures that at least one of the sets has."""
    found = (Figure(group, name, kind, look(before), look(after)) for group, name, kind, look in _SHOWN)
    return tuple(figure for figure in found if (figure.before, figure.after) != (None, None))


def _rows(side: Side, step: str, table: str) -> int | None:
    rows: int | None = side.manifests.get(step, {}).get("tables", {}).get(table, {}).get("rows")
    return rows


def _align(side: Side, name: str) -> float | None:
    figure: float | None = side.metrics("align").get(name)
    return figure


def _arm(side: Side, arm: str) -> float | None:
    score: float | None = side.metrics("evaluate").get("test", {}).get(arm, {}).get("ndcg_at_10")
    return score


def _accepted(side: Side) -> float | None:
    asked = side.metrics("generate").get("ledger", {}).get("asked_for")
    accepted = side.metrics("screen").get("accepted")
    return accepted / asked if asked and accepted is not None else None


def _effective(side: Side) -> float | None:
    metrics = side.metrics("align")
    return metrics["effective_sample_size"] / metrics["synthetic"] if metrics.get("synthetic") else None


def _money(side: Side) -> str | None:
    metrics = side.metrics("generate")
    return money_in_words(metrics) if {"money", "currency"} <= metrics.keys() else None


def _seconds(side: Side) -> float:
    return float(sum(manifest["seconds"] for manifest in side.manifests.values()))
