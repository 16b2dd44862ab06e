"""The nearest of many documents, which come in parts: memory does not grow with the collection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from synalign.screening.cosines import tiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS, COLUMNS = 512, 8_192
"""Sides of a tile of cosines: 16 MB, which stays in a processor's cache while its best are picked."""

NOBODY = -1
"""Number of the document in a place that no document has taken yet; its score is minus infinity."""


class Nearest:
    """The documents of the highest scores for each query, while documents come in parts.

    Documents are known by numbers. Of equal scores the smaller number is nearer, so that what is found does not depend
    on the sizes of the parts.

    Args:
        queries: How many there are, q.
        depth: How many documents are kept for each.

    Attributes:
        numbers: (q, depth) int64, nearest first, `NOBODY` where there are fewer.
        scores: (q, depth) float32.
    """

    def __init__(self, queries: int, depth: int) -> None:
        self.numbers = np.full((queries, depth), NOBODY, dtype=np.int64)
        self.scores = np.full((queries, depth), -np.inf, dtype=np.float32)

    @property
    def reach(self) -> NDArray[np.float32]:
        """(q,) the score of the farthest that is kept: what a document needs to be among them."""
        return self.scores[:, -1]

    def add_vectors(self, queries: NDArray[np.float32], documents: NDArray[np.float32], first: int) -> None:
        """Offer a part of the collection to all queries, scored by cosine.

        Args:
            queries: (q, d) float32, unit rows.
            documents: (n, d) float32, unit rows.
            first: Number of the first of them; the others' follow.
        """
        for tile in tiles(queries, documents, (ROWS, COLUMNS)):
            rows, columns = _near_enough(tile.cosines, self.reach[tile.rows], self.scores.shape[1])
            self.add(rows + tile.rows.start, columns + (first + tile.columns.start), tile.cosines[rows, columns])

    def add(self, rows: NDArray[np.int64], numbers: NDArray[np.int64], scores: NDArray[np.float32]) -> None:
        """Offer some documents, each to one query.

        Args:
            rows: (n,) queries, ascending.
            numbers: (n,) documents, none offered to that query before.
            scores: (n,) float32.
        """
        if not len(rows):
            return
        depth = self.scores.shape[1]
        touched = np.unique(rows)
        every = np.concatenate([np.repeat(touched, depth), rows])
        known = np.concatenate([self.numbers[touched].ravel(), numbers])
        values = np.concatenate([self.scores[touched].ravel(), scores])
        # Places that nobody has taken come last: nothing is farther than they are.
        order = np.lexsort((known, -values, every))
        counts = np.bincount(np.searchsorted(touched, every), minlength=len(touched))
        starts = np.cumsum(counts) - counts
        best = order[starts[:, None] + np.arange(depth)]
        self.numbers[touched], self.scores[touched] = known[best], values[best]


def _near_enough(
    cosines: NDArray[np.float32], reach: NDArray[np.float32], depth: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and columns of a tile that may be among the nearest."""
    if cosines.shape[1] > depth:
        # Before anything was found everything is near enough: no more than `depth` of a tile can be, but for ties.
        wide = reach == -np.inf
        if wide.any():
            reach = reach.copy()
            reach[wide] = np.partition(cosines[wide], -depth, axis=1)[:, -depth]
    rows, columns = np.nonzero(cosines >= reach[:, None])
    return rows, columns
