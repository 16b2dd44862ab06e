"""The data of training and evaluation: texts, their vectors, and pairs of them by row."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synalign.errors import ArgumentError


@dataclass(frozen=True, eq=False)
class Collection:
    """What there is to ask and to rank.

    What a kind of retriever prepares once, such as token numbers, is kept with the collection, so that arms and seeds
    share it: make one collection and train everything on it.

    Attributes:
        queries: (q,) texts, real and synthetic together.
        documents: (c,) texts, the title on a line of its own.
        query_vectors: (q, d) float32 unit rows of the base encoder; (q, 0) where no `adapter` is trained.
        document_vectors: (c, d) likewise.
        prepared: What has been prepared so far, by kind and encoder; filled by `synalign.retriever.train`.

    Raises:
        ArgumentError: As many vectors as texts are not there, or the two widths differ.
    """

    queries: list[str]
    documents: list[str]
    query_vectors: NDArray[np.float32]
    document_vectors: NDArray[np.float32]
    prepared: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        sizes = {"query_vectors": len(self.queries), "document_vectors": len(self.documents)}
        for name, size in sizes.items():
            shape = getattr(self, name).shape
            if len(shape) != 2 or shape[0] != size:
                raise ArgumentError(f"{name}.shape", shape, f"must be ({size}, d), one row per text")
        if self.query_vectors.shape[1] != self.document_vectors.shape[1]:
            raise ArgumentError(
                "query_vectors.shape",
                self.query_vectors.shape,
                f"must have the documents' {self.document_vectors.shape[1]} columns",
                remedy="embed both with the same encoder",
            )


class Pairs(NamedTuple):
    """Training or judged pairs, as places in a collection. Several pairs of one query are several relevant documents.

    Attributes:
        query: (p,) int64.
        document: (p,) int64.
        weight: (p,) float64, >= 0. Judged pairs are not weighed.
        negatives: (p, n) int64, documents that are hard negatives of a pair, -1 where it has fewer; None: there are
            none.
        scores: (p, 1 + n) float64, a teacher's scores of the pair's own document and of its negatives, NaN where it
            gave none; None: nobody was asked.
    """

    query: NDArray[np.int64]
    document: NDArray[np.int64]
    weight: NDArray[np.float64]
    negatives: NDArray[np.int64] | None = None
    scores: NDArray[np.float64] | None = None

    def joined(self, others: Pairs, weights: NDArray[np.float64]) -> Pairs:
        """Join these pairs and others that have a weight.

        Args:
            others: m pairs.
            weights: (m,) their weights; those of weight 0 are left out.

        Examples:
            >>> real, written = (Pairs(np.array([row]), np.array([row]), np.ones(1)) for row in (0, 1))
            >>> real.joined(written, np.array([0.5])).weight.tolist()
            [1.0, 0.5]
        """
        rows = weights > 0.0
        return Pairs(
            np.concatenate([self.query, others.query[rows]]),
            np.concatenate([self.document, others.document[rows]]),
            np.concatenate([self.weight, weights[rows]]),
            _stacked(self.negatives, None if others.negatives is None else others.negatives[rows], -1),
            _stacked(self.scores, None if others.scores is None else others.scores[rows], np.nan),
        )

    def alone(self) -> Pairs:
        """Return the pairs without negatives and scores."""
        return self._replace(negatives=None, scores=None)

    def relevant(self) -> dict[int, set[int]]:
        """Return the relevant documents of each query, keyed by the query's row, ascending.

        >>> Pairs(np.array([4, 1, 4]), np.array([0, 2, 3]), np.ones(3)).relevant()
        {1: {2}, 4: {0, 3}}
        """
        found: dict[int, set[int]] = {}
        for query, document in sorted(zip(self.query.tolist(), self.document.tolist(), strict=True)):
            found.setdefault(query, set()).add(document)
        return found


def _stacked(first: NDArray[Any] | None, second: NDArray[Any] | None, empty: float) -> NDArray[Any] | None:
    """Stack negatives or scores of pairs that have either; None where neither side has any."""
    if first is None or second is None:
        return None
    width = max(first.shape[1], second.shape[1])
    parts = [np.pad(part, ((0, 0), (0, width - part.shape[1])), constant_values=empty) for part in (first, second)]
    return np.concatenate(parts)


def check_pairs(name: str, pairs: Pairs, collection: Collection) -> None:
    """Refuse pairs that are not places of the collection, or whose weights are no weights.

    Raises:
        ArgumentError: Lengths differ, a place is out of range, a weight is negative or not finite, or a pair's own
            document is among its negatives.
    """
    rows = len(pairs.query)
    for part, size in (("query", len(collection.queries)), ("document", len(collection.documents))):
        places = getattr(pairs, part)
        if places.shape != (rows,) or not np.issubdtype(places.dtype, np.integer):
            raise ArgumentError(f"{name}.{part}", places.shape, f"must be ({rows},) whole numbers")
        wrong = np.flatnonzero((places < 0) | (places >= size))
        if wrong.size:
            raise ArgumentError(f"{name}.{part}[{wrong[0]}]", int(places[wrong[0]]), f"must be in 0..{size - 1}")
    if pairs.weight.shape != (rows,):
        raise ArgumentError(f"{name}.weight.shape", pairs.weight.shape, f"must be ({rows},)")
    wrong = np.flatnonzero(~(np.isfinite(pairs.weight) & (pairs.weight >= 0.0)))
    if wrong.size:
        raise ArgumentError(f"{name}.weight[{wrong[0]}]", float(pairs.weight[wrong[0]]), "must be finite and >= 0")
    if pairs.negatives is not None:
        _check_negatives(name, pairs, len(collection.documents))


def _check_negatives(name: str, pairs: Pairs, documents: int) -> None:
    """Refuse negatives that are not places of documents, and scores that do not fit them."""
    negatives, rows = pairs.negatives, len(pairs.query)
    assert negatives is not None
    if negatives.ndim != 2 or len(negatives) != rows or not np.issubdtype(negatives.dtype, np.integer):
        raise ArgumentError(f"{name}.negatives", negatives.shape, f"must be ({rows}, n) whole numbers")
    wrong = np.argwhere((negatives < -1) | (negatives >= documents) | (negatives == pairs.document[:, None]))
    if wrong.size:
        row, column = wrong[0]
        raise ArgumentError(
            f"{name}.negatives[{row}, {column}]", int(negatives[row, column]),
            f"must be in -1..{documents - 1}, and not the pair's own document, {pairs.document[row]}",
        )  # fmt: skip
    if pairs.scores is not None and pairs.scores.shape != (rows, 1 + negatives.shape[1]):
        raise ArgumentError(
            f"{name}.scores.shape", pairs.scores.shape, f"must be ({rows}, {1 + negatives.shape[1]}): of the pair's "
            "own document, then of its negatives",
        )  # fmt: skip
