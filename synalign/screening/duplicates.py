"""Queries that say again what an earlier one said: exactly, or nearly, by cosine of their embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from synalign.arrays.tally import NOBODY, Report, Tally
from synalign.screening.candidates import Verdict
from synalign.screening.cosines import ROWS, tiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from synalign.screening.candidates import Candidates


def exact_duplicate(candidates: Candidates, report: Report) -> Verdict:
    """Reject queries that repeat an earlier candidate letter for letter."""
    repeated = exact_duplicates(candidates.queries)
    return Verdict(repeated, np.ones(len(repeated)))


def near_duplicate(candidates: Candidates, report: Report) -> Verdict:
    """Reject queries that are near an earlier candidate that is kept."""
    return Verdict(*near_duplicates(candidates.vectors, candidates.settings.near_duplicate_cosine, report))


def exact_duplicates(queries: Sequence[str]) -> NDArray[np.bool_]:
    """Find the queries that repeat an earlier one letter for letter, but for case.

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


def nearest_cosine(
    queries: NDArray[np.float32], others: NDArray[np.float32], tally: Tally = NOBODY
) -> NDArray[np.float32]:
    """Return the cosine of each query to the nearest of some others, from matrix products a tile at a time.

    Args:
        queries: (m, d) float32, unit rows.
        others: (n, d) float32, unit rows.
        tally: Counts tiles.

    Returns:
        (m,) float32; -1 where there are no others.
    """
    best = np.full(len(queries), -1.0, dtype=np.float32)
    for rows, _, cosines in tiles(queries, others):
        np.maximum(best[rows], cosines.max(axis=1), out=best[rows])
        tally.add()
    return best


def near_duplicates(
    queries: NDArray[np.float32], threshold: float, report: Report | None = None
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Find the queries that are near an earlier one that is kept, taken greedily in order.

    A block of 1024 queries at a time: matrix products compare it with the kept queries of earlier blocks, which nothing
    can change any more, and with itself; only within it are rows looked at one by one. A flood of copies makes it
    faster, since what is dropped is never compared again.

    Args:
        queries: (m, d) float32, unit rows.
        threshold: Cosine from which two queries are the same.
        report: Called as queries are compared.

    Returns:
        (m,) bool, True where dropped, and (m,) float32, the cosine to the nearest earlier kept query (-1 where that is
        below the threshold).
    """
    dropped = np.zeros(len(queries), dtype=bool)
    cosines = np.full(len(queries), -1.0, dtype=np.float32)
    kept = np.empty_like(queries)
    count = 0
    tally = Tally(report, "queries compared with each other", len(queries))
    for start in range(0, len(queries), ROWS):
        block = queries[start : start + ROWS]
        rows = slice(start, start + len(block))
        nearest = _within(block, nearest_cosine(block, kept[:count]), threshold)
        dropped[rows] = nearest >= threshold
        cosines[rows] = np.where(dropped[rows], nearest, np.float32(-1.0))
        added = block[~dropped[rows]]
        kept[count : count + len(added)] = added
        count += len(added)
        tally.add(len(block))
    return dropped, cosines


def _within(block: NDArray[np.float32], nearest: NDArray[np.float32], threshold: float) -> NDArray[np.float32]:
    """Return cosines to the nearest earlier kept query, where `nearest` has those of earlier blocks only."""
    nearest = nearest.copy()
    # Only what came before counts.
    earlier = np.where(np.tri(len(block), k=-1, dtype=bool), block @ block.T, np.float32(-1.0))
    kept = nearest < threshold
    for row in np.flatnonzero((earlier >= threshold).any(axis=1)):
        nearest[row] = max(nearest[row], earlier[row, :row].max(where=kept[:row], initial=-1.0))
        kept[row] = nearest[row] < threshold
    return nearest
