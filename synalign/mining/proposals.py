"""Which documents are proposed as negatives of a pair, by whom, and how near they are.

The encoder and BM25 propose, for each distinct query, the documents nearest to it, and people those that they passed
over; some are drawn at random for each pair. Whoever proposed a document, its cosines to the query and to the pair's
own document are taken as its part of the collection passes by.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from synalign.mining.lookup import Lookup
from synalign.screening.nearest import NOBODY, Nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from synalign.mining.block import Block, Part

SKIPS, ENCODER, BM25, RANDOM = "skips", "encoder", "bm25", "random"
SOURCES = (SKIPS, ENCODER, BM25, RANDOM)

_GATHERED = 20_000
"""Documents that are set against their pairs at once: 30 MB of width 384."""

_SHIFT = np.int64(32)
"""Bits of a document's number: a pair and a document are one integer, pair first."""


class Proposals(NamedTuple):
    """What is proposed for a block: k places for each pair, in the order in which they are tried.

    Attributes:
        numbers: (p, k) documents, `NOBODY` in a place that is free. A document may have several places.
        sources: (k,) who fills a place, as a position in `SOURCES`.
        query: (p, k) float64, cosines to the pair's query.
        positive: (p, k) float64, cosines to the pair's own document.
        own: (p, k) whether it is the pair's own document.
        chosen: (p, k) whether it is right for the pair's query, as its own is.
    """

    numbers: NDArray[np.int64]
    sources: NDArray[np.int64]
    query: NDArray[np.float64]
    positive: NDArray[np.float64]
    own: NDArray[np.bool_]
    chosen: NDArray[np.bool_]


class _Gathered(NamedTuple):
    """What is kept of a part of the collection.

    Attributes:
        keys: (n,) pairs and documents proposed for them.
        query: (n,) float32, cosines to the queries.
        positive: (n,) float32, cosines to the pairs' own documents.
        numbers: (m,) these documents, ascending.
        ids: Their ids.
    """

    keys: NDArray[np.int64]
    query: NDArray[np.float32]
    positive: NDArray[np.float32]
    numbers: NDArray[np.int64]
    ids: pa.StringArray


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
        self._worded, self._skipped = Lookup(block.worded), Lookup(block.skipped)
        self._right = Lookup([[own, *right] for own, right in zip(block.positives, block.chosen, strict=True)])
        self._gathered: list[_Gathered] = []
        self._first = 0

    def add(self, part: Part) -> None:
        """Let a part of the collection pass by, in stored order."""
        vectors, ids = np.asarray(part.content, dtype=np.float32), pa.array(part.ids, pa.string())
        if not len(ids):
            return
        for lookup in (self._worded, self._skipped, self._right):
            lookup.add(ids, self._first)
        proposed = [
            _inside(np.arange(len(self._drawn)), self._drawn, self._first, len(ids)),
            _inside(self._worded.pairs, self._worded.numbers[:, None], self._first, len(ids)),
            _inside(self._skipped.pairs, self._skipped.numbers[:, None], self._first, len(ids)),
        ]
        if self._nearest is not None:
            self._nearest.add_vectors(self._vectors, vectors, self._first)
            every = np.arange(len(self._query))
            proposed.append(_inside(every, self._nearest.numbers[self._query], self._first, len(ids)))
        self._gathered.append(self._set_against(np.unique(np.concatenate(proposed)), vectors, ids))
        self._first += len(ids)

    def proposals(self) -> Proposals:
        """Return what is proposed, now that the whole collection has passed."""
        numbers, sources = self._by_turns()
        keys = _keys(np.arange(len(numbers)), numbers)
        query, positive = self._cosines(keys)
        right = self._right.numbers
        own = right[np.cumsum(self._right.counts) - self._right.counts]
        chosen = np.isin(keys, _keys(self._right.pairs, right[:, None]))
        there = numbers != NOBODY
        return Proposals(numbers, sources, query, positive, there & (numbers == own[:, None]), there & chosen)

    def ids(self, numbers: NDArray[np.int64]) -> pa.StringArray:
        """Return the ids of (n,) documents that are proposed."""
        if not len(numbers):
            return pa.array([], pa.string())
        known = np.concatenate([part.numbers for part in self._gathered])
        ids = pa.concat_arrays([part.ids for part in self._gathered])
        return ids.take(pa.array(np.searchsorted(known, numbers)))

    def _by_turns(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return numbers and sources: the first of each source, then the second of each; random ones last."""
        # A text without a vector is none of the collection: Lookup leaves it out.
        lists = {SOURCES.index(BM25): self._worded.table()} if len(self._block.worded) else {}
        if self._nearest is not None:
            lists = {SOURCES.index(ENCODER): self._nearest.numbers[self._query], **lists}
        if len(self._block.skipped):
            lists = {SOURCES.index(SKIPS): self._skipped.table(), **lists}
        places = [(turn, source) for source, numbers in lists.items() for turn in range(numbers.shape[1])]
        order = sorted(range(len(places)), key=places.__getitem__)
        numbers = np.concatenate([*lists.values(), self._drawn], axis=1)
        sources = [places[place][1] for place in order] + [SOURCES.index(RANDOM)] * self._drawn.shape[1]
        order += range(len(places), numbers.shape[1])
        return numbers[:, order], np.array(sources, dtype=np.int64)

    def _cosines(self, keys: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return cosines to queries and to own documents of what is proposed; 0 of nobody."""
        query, positive = np.zeros(keys.shape), np.zeros(keys.shape)
        if self._gathered:
            known = np.concatenate([part.keys for part in self._gathered])
            order = np.argsort(known)
            places = (
                order[np.minimum(np.searchsorted(known, keys, sorter=order), len(known) - 1)] if len(known) else keys
            )
            there = keys >= 0
            query[there] = np.concatenate([part.query for part in self._gathered])[places[there]]
            positive[there] = np.concatenate([part.positive for part in self._gathered])[places[there]]
        return query, positive

    def _set_against(self, keys: NDArray[np.int64], vectors: NDArray[np.float32], ids: pa.StringArray) -> _Gathered:
        """Take the cosines of pairs and documents of a part."""
        pairs, rows = keys >> _SHIFT, (keys & np.int64(0xFFFFFFFF)) - self._first
        query, positive = np.empty(len(keys), dtype=np.float32), np.empty(len(keys), dtype=np.float32)
        for start in range(0, len(keys), _GATHERED):
            some = slice(start, start + _GATHERED)
            documents = vectors[rows[some]]
            np.einsum("nd,nd->n", self._block.vectors[pairs[some]], documents, out=query[some])
            np.einsum("nd,nd->n", self._block.positive_vectors[pairs[some]], documents, out=positive[some])
        wanted = np.zeros(len(ids), dtype=np.bool_)
        wanted[rows] = True
        return _Gathered(keys, query, positive, np.flatnonzero(wanted) + self._first, ids.filter(pa.array(wanted)))


def _keys(pairs: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (n, k) keys of (n,) pairs and (n, k) documents, of nobody `NOBODY`."""
    return np.where(numbers == NOBODY, NOBODY, (pairs[:, None] << _SHIFT) | numbers)


def _inside(pairs: NDArray[np.int64], numbers: NDArray[np.int64], first: int, count: int) -> NDArray[np.int64]:
    """Return the keys of (n,) pairs and those of their (n, k) documents that are in a part."""
    rows, places = np.nonzero((numbers >= first) & (numbers < first + count))
    return (pairs[rows] << _SHIFT) | numbers[rows, places]


def drawn(ids: Sequence[str], documents: int, count: int, seed: int) -> NDArray[np.int64]:
    """Draw documents for each pair: the same for a pair whatever is drawn for others.

    Returns:
        (p, count) int64 numbers below `documents`; (p, 0) where there are none.
    """
    if not documents:
        return np.empty((len(ids), 0), dtype=np.int64)
    draws = (np.random.default_rng([seed, *name.encode()]).integers(0, documents, count) for name in ids)
    return np.stack(list(draws)) if len(ids) else np.empty((0, count), dtype=np.int64)
