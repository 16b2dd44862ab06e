"""The nearest of many documents, which come in parts: memory does not grow with the collection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from synalign.screening.cosines import error_bound, exact_cosines, tiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS, COLUMNS = 512, 8_192
"""Sides of a tile of cosines: 16 MB, which stays in a processor's cache while its best are picked."""

NOBODY = -1
"""Number of the document in a place that no document has taken yet; its score is minus infinity."""


_EMPTY = np.uint64(2**64 - 1)
"""Key of a place that no document has taken: it sorts behind all others."""


class Nearest:
    """The documents of the highest scores for each query, while documents come in parts.

    Documents are known by numbers. Of equal scores the smaller number is nearer, so that what is found does not depend
    on the sizes of the parts. Score and number of a document are held as one integer, its key: sorting keys sorts both.

    Args:
        queries: How many there are, q.
        depth: How many documents are kept for each.
    """

    def __init__(self, queries: int, depth: int) -> None:
        self._keys = np.full((queries, depth), _EMPTY, dtype=np.uint64)

    @property
    def depth(self) -> int:
        """Return how many documents are kept for each query."""
        return self._keys.shape[1]

    @property
    def numbers(self) -> NDArray[np.int64]:
        """(q, depth) int64, nearest first, `NOBODY` where there are fewer."""
        return numbers_in(self._keys)

    @property
    def scores(self) -> NDArray[np.float32]:
        """(q, depth) float32, highest first, minus infinity where there are fewer."""
        return _scores(self._keys)

    @property
    def reach(self) -> NDArray[np.float32]:
        """(q,) the score of the farthest that is kept: what a document needs to be among them."""
        return _scores(self._keys[:, -1])

    @property
    def keys(self) -> NDArray[np.uint64]:
        """(q, depth) what is kept, as integers: `merged` joins those of several parts of the collection."""
        return self._keys

    def add_vectors(
        self,
        queries: NDArray[np.float32],
        documents: NDArray[np.float32],
        first: int | NDArray[np.int64],
        *,
        exact: bool = False,
    ) -> None:
        """Offer a part of the collection to all queries, scored by cosine.

        Args:
            queries: (q, d) float32, unit rows.
            documents: (n, d) float32, unit rows.
            first: Number of the first of them, where the others' follow; or (n,) their numbers, ascending.
            exact: Score by the exact cosine rounded to single precision, which no size of a part changes.
        """
        numbers = np.arange(first, first + len(documents)) if isinstance(first, int) else first
        doubt = np.float32(error_bound(queries.shape[1]) if exact and len(queries) else 0.0)
        for tile in tiles(queries, documents, (ROWS, COLUMNS)):
            reach = _scores(self._keys[tile.rows, -1])
            rows, columns = _near_enough(tile.cosines, reach, self.depth, doubt)
            if exact:
                scores = exact_cosines(queries[tile.rows], documents[tile.columns], rows, columns).astype(np.float32)
            else:
                scores = tile.cosines[rows, columns]
            self.add(rows + tile.rows.start, numbers[tile.columns][columns], scores)

    def add(self, rows: NDArray[np.int64], numbers: NDArray[np.int64], scores: NDArray[np.float32]) -> None:
        """Offer some documents, each to one query.

        Args:
            rows: (n,) queries, ascending.
            numbers: (n,) documents below 2**32, none offered to that query before.
            scores: (n,) float32, no NaN.
        """
        if not len(rows):
            return
        touched, starts, counts = np.unique(rows, return_index=True, return_counts=True)
        every = np.full((len(touched), self.depth + int(counts.max())), _EMPTY, dtype=np.uint64)
        every[:, : self.depth] = self._keys[touched]
        place = np.arange(len(rows)) - np.repeat(starts, counts)
        every[np.repeat(np.arange(len(touched)), counts), self.depth + place] = _as_keys(scores, numbers)
        every.sort(axis=1)
        self._keys[touched] = every[:, : self.depth]


def _as_keys(scores: NDArray[np.float32], numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return integers that ascend as scores fall, and with equal scores as numbers grow.

    The bits of a float32 are ordered as the numbers are, once those of negative ones are inverted and the sign is
    flipped. Adding zero makes the two zeros one.
    """
    bits = (scores + np.float32(0.0)).view(np.uint32)
    ascending = bits ^ np.where(bits >> 31, np.uint32(0xFFFFFFFF), np.uint32(0x80000000))
    return (~ascending).astype(np.uint64) << np.uint64(32) | numbers.astype(np.uint64)


def _scores(keys: NDArray[np.uint64]) -> NDArray[np.float32]:
    """Return the scores of keys, minus infinity of an empty place."""
    ascending = ~(keys >> np.uint64(32)).astype(np.uint32)
    bits = ascending ^ np.where(ascending >> 31, np.uint32(0x80000000), np.uint32(0xFFFFFFFF))
    return np.where(keys == _EMPTY, np.float32(-np.inf), bits.view(np.float32))


def numbers_in(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return the numbers of documents that keys hold, `NOBODY` of an empty place."""
    return np.where(keys == _EMPTY, NOBODY, (keys & np.uint64(0xFFFFFFFF)).astype(np.int64))


def merged(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the keys of what is nearest in two parts of the collection."""
    return np.sort(np.concatenate([one, other], axis=1), axis=1)[:, : one.shape[1]]


def _near_enough(
    cosines: NDArray[np.float32], reach: NDArray[np.float32], depth: int, doubt: np.float32
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and columns of a tile that may be among the nearest, where cosines may be wrong by `doubt`."""
    width = cosines.shape[1]
    if width > depth:
        # Before anything was found everything is near enough: no more than `depth` of a tile can be, but for ties.
        wide = reach == -np.inf
        if wide.any():
            reach = reach.copy()
            reach[wide] = np.partition(cosines[wide], -depth, axis=1)[:, -depth] - doubt
    # In one dimension the few are found at the speed of memory; `nonzero` of a matrix is four times slower.
    rows, columns = np.divmod(np.flatnonzero(cosines >= (reach - doubt)[:, None]), width)
    return rows, columns
