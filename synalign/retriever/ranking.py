"""Exact ranking of documents by cosine, in blocks of bounded memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK = 2**24
"""Most cosines held at once (64 MB)."""


def rank(queries: NDArray[np.float32], documents: NDArray[np.float32], depth: int) -> NDArray[np.int64]:
    """Return the nearest documents of each query, best first; of equally near ones, the earlier one first.

    Costs q x c multiplications of length d: every document is looked at, none is approximated away.

    Args:
        queries: (q, d) float32 unit rows.
        documents: (c, d) float32 unit rows.
        depth: How many to find; all of them where there are fewer.

    Returns:
        (q, min(depth, c)) int64 places of documents.

    Example:
        >>> rank(np.eye(2, dtype=np.float32), np.array([[0, 1], [1, 0], [1, 0]], np.float32), 2).tolist()
        [[1, 2], [0, 1]]
    """
    depth = min(depth, len(documents))
    found = np.empty((len(queries), depth), dtype=np.int64)
    height = max(1, BLOCK // max(1, len(documents)))
    for start in range(0, len(queries), height):
        scores = queries[start : start + height] @ documents.T
        found[start : start + height] = _best(scores, depth)
    return found


def _best(scores: NDArray[np.float32], depth: int) -> NDArray[np.int64]:
    """Return the columns of the highest scores of each row; of equal scores the earlier column first."""
    rows, columns = scores.shape
    if depth == 0:
        return np.empty((rows, 0), dtype=np.int64)
    if depth == columns:
        return np.argsort(-scores, axis=1, kind="stable").astype(np.int64)
    # Which of several documents tied at the edge a partition takes is chance: those above the edge are certain, and of
    # those on it the first are taken.
    edge = -np.partition(-scores, depth - 1, axis=1)[:, depth - 1]
    best = np.empty((rows, depth), dtype=np.int64)
    for row in range(rows):
        above = np.flatnonzero(scores[row] > edge[row])
        on_edge = np.flatnonzero(scores[row] == edge[row])[: depth - len(above)]
        above = above[np.argsort(-scores[row, above], kind="stable")]
        best[row] = np.concatenate([above, on_edge])
    return best
