"""The weights: how unequal they are, what that costs, and which queries weigh most and least."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synalign.config.schemes import ALIGNED, EQUAL, NAMES, SCHEMES
from synalign.evaluation.arms import effective_sample_size
from synalign.report.population import KINDS, Decided, decided, drawn, multiples, vectors_of, written_vectors
from synalign.report.section import Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from synalign.report.material import Material

EXTREMES = 6
"""Queries shown of the heaviest and of the lightest."""

MOST_REAL = 50_000
"""Real train queries among which the nearest is looked for."""

NOTHING = 1e-6
"""Multiples of the mean below this are rounding of zero."""

_EDGES = (NOTHING, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_CLASSES = (
    "0",
    "under \u215b",
    "\u215b to \u00bc",
    "\u00bc to \u00bd",
    "\u00bd to 1",
    "1 to 2",
    "2 to 4",
    "4 to 8",
    "8 to 16",
    "16 or more",
)


class Spread(NamedTuple):
    """How unequal one scheme's weights are.

    Attributes:
        scheme: In words.
        in_set: Whether the training set has these weights.
        effective: Effective sample size: so many equal weights would be worth as much.
        effective_share: That, of the number of queries.
        design_effect: How many times the variance of a mean grows by the weights.
        documents: Effective sample size over documents.
        largest: The largest share that one query has of the total.
        none: How many queries weigh nothing.
    """

    scheme: str
    in_set: bool
    effective: float
    effective_share: float
    design_effect: float
    documents: float
    largest: float
    none: int


class Class(NamedTuple):
    """Queries of about one weight.

    Attributes:
        label: From which multiple of the mean to which.
        queries: How many they are.
        share: Their share of the total weight.
    """

    label: str
    queries: int
    share: float


class Histogram(NamedTuple):
    """How one scheme's weights are spread.

    Attributes:
        scheme: In words.
        kind: Its class in the style sheet.
        classes: From the lightest.
    """

    scheme: str
    kind: str
    classes: list[Class]

    @property
    def most_queries(self) -> int:
        """How many queries the fullest class has."""
        return max(each.queries for each in self.classes)

    @property
    def largest_share(self) -> float:
        """Share of the weight that the heaviest class has."""
        return max(each.share for each in self.classes)


class Example(NamedTuple):
    """A written query and the real one nearest to it.

    Attributes:
        query: The written query.
        weight: As a multiple of the mean.
        nearest: The real train query most like it; None where vectors are gone.
        cosine: How alike both are.
    """

    query: str
    weight: float
    nearest: str | None
    cosine: float


def section(material: Material) -> Section | None:
    """Show spread, histogram and extremes; None where there are no weights yet, or nothing was accepted."""
    shown = decided(material)
    if shown is None or not material.table("weights").num_rows:
        return None
    ids, values = multiples(material, ALIGNED)
    order = np.lexsort((np.array(ids), -values))
    heaviest, lightest = order[:EXTREMES], order[max(EXTREMES, len(order) - EXTREMES) :][::-1]
    content: dict[str, Any] = {
        "decided": shown,
        "count": len(ids),
        "documents": len(set(_documents(material, ids))),
        "spreads": _spreads(material, shown),
        "histograms": [_histogram(material, scheme) for scheme in shown.schemes if scheme != EQUAL],
        "heaviest": _examples(material, [ids[row] for row in heaviest], values[heaviest]),
        "lightest": _examples(material, [ids[row] for row in lightest], values[lightest]),
    }
    return Section("weights", "Weights", "weights.html", content)


def _documents(material: Material, ids: Sequence[str]) -> list[str]:
    candidates = material.table("pool", ["candidate_id", "document_id"])
    document = dict(zip(*(candidates[name].to_pylist() for name in candidates.column_names), strict=True))
    return [document[identifier] for identifier in ids]


def _spreads(material: Material, shown: Decided) -> list[Spread]:
    found = []
    for scheme in SCHEMES:
        ids, values = multiples(material, scheme)
        _, document = np.unique(np.array(_documents(material, ids)), return_inverse=True)
        effective = effective_sample_size(values)
        found.append(
            Spread(
                NAMES[scheme],
                scheme == shown.chosen,
                effective,
                effective / len(values),
                len(values) / effective,
                effective_sample_size(np.bincount(document, weights=values).astype(np.float64)),
                float(values.max() / values.sum()),
                int(np.count_nonzero(values < NOTHING)),
            )
        )
    return found


def _histogram(material: Material, scheme: str) -> Histogram:
    """Count multiples of the mean by class, each twice as wide as the one before, without empty ends."""
    _, values = multiples(material, scheme)
    place = np.searchsorted(_EDGES, values, side="right")
    queries = np.bincount(place, minlength=len(_CLASSES))
    shares = np.bincount(place, weights=values, minlength=len(_CLASSES)) / values.sum()
    used = np.flatnonzero(queries)
    rows = range(used[0], used[-1] + 1)
    classes = [Class(_CLASSES[row], int(queries[row]), float(shares[row])) for row in rows]
    return Histogram(NAMES[scheme], KINDS[scheme], classes)


def _examples(material: Material, ids: Sequence[str], weights: NDArray[np.float64]) -> list[Example]:
    candidates = material.table("pool", ["candidate_id", "query"])
    some = candidates.filter(pc.is_in(candidates["candidate_id"], pa.array(ids, pa.string())))
    texts = dict(zip(some["candidate_id"].to_pylist(), some["query"].to_pylist(), strict=True))
    nearest = _nearest(material, ids)
    return [
        Example(texts[identifier], float(weight), *nearest.get(identifier, (None, 0.0)))
        for identifier, weight in zip(ids, weights, strict=True)
    ]


def _nearest(material: Material, ids: Sequence[str]) -> dict[str, tuple[str, float]]:
    """Return the real train query most like each of some candidates, with its cosine."""
    if not ids or not material.has("query_embeddings", "candidate_embeddings", "carried_embeddings"):
        return {}
    queries = material.table("queries", ["query_id", "query", "split"])
    train = queries.filter(pc.equal(queries["split"], "train"))
    train = train.take(drawn(train.num_rows, MOST_REAL))
    likeness = (
        written_vectors(material, ids) @ vectors_of(material, "query_embeddings", train["query_id"].to_pylist()).T
    )
    best = np.argmax(likeness, axis=1)
    texts = train["query"].take(best).to_pylist()
    cosines = likeness[np.arange(len(ids)), best].tolist()
    return dict(zip(ids, zip(texts, cosines, strict=True), strict=True))
