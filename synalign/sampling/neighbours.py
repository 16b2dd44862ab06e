"""Exact nearest rows, with ties to the lowest index."""

from __future__ import annotations

import numpy as np

from synalign.vectors import Floats, Indices, Points, squared_distances

PANEL_BYTES = 64 * 2**20
"""Memory of one panel of distances; the full n x n matrix is never held."""

SCREEN_MARGIN = 1e-12
"""Added to the screening threshold: some hundred times the rounding of a squared distance in Gram form."""


def nearest_rows(points: Points, rows: Indices, count: int) -> Indices:
    """The `count` nearest other rows of each of `rows`, nearest first.

    A matrix product screens; what passes is ranked again by |x - y|^2 taken from the differences, which is bitwise
    the same for identical rows (a matrix product is not), and then by index. Any number of duplicates is ranked right.

    Args:
        points: n points.
        rows: (r,) int64, the rows whose neighbours are asked for.
        count: Neighbours per row, 0 <= count <= n - 1. The row itself is never its own neighbour; its duplicates are.

    Returns:
        (r, count) int64. Memory: `PANEL_BYTES`, and one panel row at the least.
    """
    found = np.empty((len(rows), count), dtype=np.int64)
    if count == 0:
        return found
    height = max(1, PANEL_BYTES // (8 * len(points.rows)))
    for start in range(0, len(rows), height):
        panel = rows[start : start + height]
        distances = squared_distances(points.take(panel), points)
        distances[np.arange(len(panel)), panel] = np.inf
        thresholds = np.partition(distances, count - 1, axis=1)[:, count - 1] + SCREEN_MARGIN
        for offset, row in enumerate(panel):
            passed = np.flatnonzero(distances[offset] <= thresholds[offset])
            found[start + offset] = _ranked(points.rows, row, passed)[:count]
    return found


def _ranked(rows: Floats, row: np.int64, others: Indices) -> Indices:
    """`others` (ascending) by distance to `row`, ties to the lowest index."""
    exact = np.square(rows[others] - rows[row]).sum(axis=1)
    return others[np.argsort(exact, kind="stable")]
