"""What the two refreshes measured, side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from synalign.changes.side import Side
from synalign.evaluation.measured import CLASSIFICATION, RETRIEVAL, Measured, measured
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


_SHOWN: tuple[tuple[str, str, Kind, str | Callable[[Side], float | str | None]], ...] = (
    ("Input", "distinct queries", "count", "ingest tables queries rows"),
    ("Input", "real pairs", "count", "ingest tables pairs rows"),
    ("Input", "documents", "count", "ingest tables documents rows"),
    ("Input", "rejected rows", "count", "ingest tables rejected rows"),
    ("Writing", "model", "text", "generate metrics model"),
    ("Writing", "queries asked for", "count", "generate metrics ledger asked_for"),
    ("Writing", "accepted", "count", "screen metrics accepted"),
    ("Writing", "accepted of asked for", "share", lambda side: _accepted(side)),
    ("Writing", "uncertainty left", "figure", "sample metrics last_variance"),
    ("Pool", "candidates of earlier intervals", "count", "carry metrics found"),
    ("Pool", "taken up", "count", "carry metrics carried"),
    ("Pool", "accepted again", "count", "screen metrics carried accepted"),
    ("Aligned weights", "held-out MMD², unweighted", "figure", "align metrics mmd2_held_out_before"),
    ("Aligned weights", "held-out MMD², weighted", "figure", "align metrics mmd2_held_out_after"),
    ("Aligned weights", "p-value of that", "p_value", "align metrics mmd2_held_out_p_value"),
    ("Aligned weights", "effective share of rows", "share", lambda side: _effective(side)),
    ("Retriever", "weights chosen", "text", "evaluate metrics scheme"),
    ("Retriever", "mass chosen", "figure", "evaluate metrics mass"),
    ("Retriever", "nDCG@10, real pairs alone", "score", lambda side: _score(side, "control", RETRIEVAL)),
    ("Retriever", "nDCG@10, with the set", "score", lambda side: _score(side, "treatment", RETRIEVAL)),
    ("Retriever", "accuracy, real pairs alone", "score", lambda side: _score(side, "control", CLASSIFICATION)),
    ("Retriever", "accuracy, with the set", "score", lambda side: _score(side, "treatment", CLASSIFICATION)),
    ("Retriever", "macro-F1, real pairs alone", "score", "evaluate metrics test control macro_f1"),
    ("Retriever", "macro-F1, with the set", "score", "evaluate metrics test treatment macro_f1"),
    ("Retriever", "gate", "text", "evaluate metrics gate status"),
    ("Cost", "tokens", "count", "generate metrics tokens"),
    ("Cost", "money", "text", lambda side: _money(side)),
    ("Cost", "seconds of all steps", "seconds", lambda side: _seconds(side)),
)
"""Group, name and kind of each figure, and where it stands in the manifests, or how it is computed."""


def figures(before: Side, after: Side) -> tuple[Figure, ...]:
    """Return the figures that at least one of the sets has."""
    found = (Figure(group, name, kind, _found(before, at), _found(after, at)) for group, name, kind, at in _SHOWN)
    return tuple(figure for figure in found if (figure.before, figure.after) != (None, None))


def _found(side: Side, at: str | Callable[[Side], float | str | None]) -> Any:
    """Return what stands under these keys of the manifests; None where one of the keys is missing."""
    if not isinstance(at, str):
        return at(side)
    content: Any = side.manifests
    for key in at.split():
        content = content.get(key) if content is not None else None
    return content


def _score(side: Side, arm: str, by: Measured) -> float | None:
    """Return an arm's score on test queries; None where it was measured by something else."""
    score: float | None = _found(side, f"evaluate metrics test {arm} {by.name}")
    return score if measured(side.metrics("evaluate")) is by else None


def _accepted(side: Side) -> float | None:
    asked, accepted = (_found(side, at) for at in ("generate metrics ledger asked_for", "screen metrics accepted"))
    return accepted / asked if asked and accepted is not None else None


def _effective(side: Side) -> float | None:
    metrics = side.metrics("align")
    return metrics["effective_sample_size"] / metrics["synthetic"] if metrics.get("synthetic") else None


def _money(side: Side) -> str | None:
    metrics = side.metrics("generate")
    return money_in_words(metrics) if {"money", "currency"} <= metrics.keys() else None


def _seconds(side: Side) -> float:
    return float(sum(manifest["seconds"] for manifest in side.manifests.values()))
