"""Queries that say again what an earlier one said: exactly, or nearly, by cosine of their embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_BLOCK = 1024


def exact_duplicates(queries: Sequence[str]) -> NDArray[np.bool_]:
    """Which queries repeat an earlier one letter for letter, but for case.

    Args:
        queries: m normalised queries.

    Returns:
        (m,) bool; the first of each is False.
    """
    seen: set[str] = set()
    repeated = np.zeros(len(queries), dtype=bool)
    for row, query in enumerate(queries):
        folded = query.casefold()
        repeated[row] = folded in seen
        seen.add(folded)
    return repeated


def nearest_cosine(queries: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """The cosine of each query to the nearest of some others, in blocks of 1024 x len(others) floats.

    Args:
        queries: (m, d) float32, unit rows.
        others: (n, d) float32, unit rows.

    Returns:
        (m,) float32; -1 where there are no others.
    """
    best = np.full(len(queries), -1.0, dtype=np.float32)
    for start in range(0, len(queries) if len(others) else 0, _BLOCK):
        block = slice(start, start + _BLOCK)
        best[block] = (queries[block] @ others.T).max(axis=1)
    return best


def near_duplicates(queries: NDArray[np.float32], threshold: float) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Which queries are near an earlier one that is kept, taken greedily in order.

    All cosines come from blocked matrix products; only rows that are near some other are then looked at one by one.

    Args:
        queries: (m, d) float32, unit rows.
        threshold: Cosine from which two queries are the same.

    Returns:
        (m,) bool, True where dropped, and (m,) float32, the cosine to the nearest earlier kept query (-1 for none
        at or above the threshold).
    """
    dropped = np.zeros(len(queries), dtype=bool)
    cosines = np.full(len(queries), -1.0, dtype=np.float32)
    for start in range(0, len(queries), _BLOCK):
        stop = min(start + _BLOCK, len(queries))
        scores = queries[start:stop] @ queries[:stop].T
        # Only what came before counts.
        scores[np.arange(start, stop)[:, None] <= np.arange(stop)[None, :]] = -1.0
        for row in start + np.flatnonzero((scores >= threshold).any(axis=1)):
            earlier = scores[row - start]
            kept = np.where(dropped[:stop], np.float32(-1.0), earlier)
            nearest = kept.max()
            if nearest >= threshold:
                dropped[row], cosines[row] = True, nearest
    return dropped, cosines
