"""Which documents are proposed as negatives of a pair, by whom, and how near they are.

The encoder and BM25 propose, for each distinct query, the documents nearest to it; some are drawn at random for each
pair. Whoever proposed a document, its cosines to the query and to the pair's own document are taken as its part of the
collection passes by.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from synalign.mining.nearest import NOBODY, Nearest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.mining.block import Block, Part

ENCODER, BM25, RANDOM = "encoder", "bm25", "random"

_GATHERED = 20_000
"""Documents that are set against their pairs at once: 30 MB of width 384."""


class Near(NamedTuple):
    """Cosines of a document, to a pair's query and to its own document."""

    query: float
    positive: float


class Proposals(NamedTuple):
    """What is proposed for a block.

    Attributes:
        lists: For each pair and source, ids of documents, the nearest first.
        near: For each pair, how near each of these is.
    """

    lists: list[dict[str, list[str]]]
    near: list[dict[str, Near]]


class Search:
    """Proposals of one block while the collection passes by.

    Args:
        block: p pairs.
        depth: How many documents a source proposes for a query.
        by_vectors: Whether the encoder proposes.
        drawn: For each pair, numbers of documents drawn at random.
    """

    def __init__(
        self,
        block: Block,
        depth: int,
        *,
        by_vectors: bool,
        drawn: NDArray[np.int64],
    ) -> None:
        self._block, self._drawn = block, drawn
        firsts, self._query = block.distinct()
        self._vectors = np.ascontiguousarray(block.vectors[firsts])
        self._nearest = Nearest(len(firsts), depth) if by_vectors else None
        self._names: dict[int, str] = {}
        self._near: list[dict[str, Near]] = [{} for _ in block.ids]
        self._wanted: dict[str, list[int]] = {}
        for pair, names in enumerate(block.worded):
            for name in names:
                self._wanted.setdefault(name, []).append(pair)
        self._first = 0

    def add(self, part: Part) -> None:
        """Let a part of the collection pass by, in stored order."""
        vectors = np.asarray(part.content, dtype=np.float32)
        pairs, rows = [self._at_random(len(part.ids))], []
        for row, name in enumerate(part.ids):
            if name in self._wanted:
                rows += [(pair, row) for pair in self._wanted[name]]
        pairs.append(np.array(rows, dtype=np.int64).reshape(-1, 2))
        if self._nearest is not None:
            self._nearest.add_vectors(self._vectors, vectors, self._first)
            pairs.append(self._of_queries(len(part.ids)))
        self._set_against(np.unique(np.concatenate(pairs), axis=0), vectors, part.ids)
        self._first += len(part.ids)

    def proposals(self) -> Proposals:
        """Return what is proposed, now that the whole collection has passed."""
        lists = []
        nearest = None if self._nearest is None else self._nearest.numbers
        for pair, query in enumerate(self._query.tolist()):
            found = {RANDOM: [self._names[number] for number in dict.fromkeys(self._drawn[pair].tolist())]}
            if nearest is not None:
                numbers = nearest[query]
                found[ENCODER] = [self._names[number] for number in numbers[numbers != NOBODY].tolist()]
            if len(self._block.worded):
                # A text without a vector is none of the collection.
                found[BM25] = [name for name in self._block.worded[pair] if name in self._near[pair]]
            lists.append(found)
        return Proposals(lists, self._near)

    def _at_random(self, count: int) -> NDArray[np.int64]:
        """Return pair and row of the documents of a part that were drawn."""
        inside = (self._drawn >= self._first) & (self._drawn < self._first + count)
        pairs, places = np.nonzero(inside)
        return np.stack([pairs, self._drawn[pairs, places] - self._first], axis=1)

    def _of_queries(self, count: int) -> NDArray[np.int64]:
        """Return pair and row of the documents of a part that are among the nearest so far."""
        assert self._nearest is not None
        numbers = self._nearest.numbers[self._query]
        pairs, places = np.nonzero((numbers >= self._first) & (numbers < self._first + count))
        return np.stack([pairs, numbers[pairs, places] - self._first], axis=1)

    def _set_against(self, proposed: NDArray[np.int64], vectors: NDArray[np.float32], ids: Sequence[str]) -> None:
        """Take the cosines of (n, 2) pairs and rows of a part."""
        for start in range(0, len(proposed), _GATHERED):
            pairs, rows = proposed[start : start + _GATHERED].T
            documents = vectors[rows]
            query = np.einsum("nd,nd->n", self._block.vectors[pairs], documents)
            positive = np.einsum("nd,nd->n", self._block.positive_vectors[pairs], documents)
            for pair, row, *near in zip(pairs.tolist(), rows.tolist(), query.tolist(), positive.tolist(), strict=True):
                self._names[self._first + row] = ids[row]
                self._near[pair][ids[row]] = Near(*near)


def drawn(ids: Sequence[str], documents: int, count: int, seed: int) -> NDArray[np.int64]:
    """Draw documents for each pair: the same for a pair whatever is drawn for others.

    Returns:
        (p, count) int64 numbers below `documents`; (p, 0) where there are none.
    """
    if not documents:
        return np.empty((len(ids), 0), dtype=np.int64)
    draws = (np.random.default_rng([seed, *name.encode()]).integers(0, documents, count) for name in ids)
    return np.stack(list(draws)) if len(ids) else np.empty((0, count), dtype=np.int64)
