"""Rows that stand for all where there are too many: drawn by traffic, always the same."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from synalign.arrays.checks import Floats, Indices

ALL_ROWS = 20_000
"""Up to this many rows, every row is both a candidate and a landmark."""

LANDMARKS = 10_000
"""Landmarks where there are more rows than `ALL_ROWS`."""

GAIN_BYTES = 512 * 2**20
"""Memory of the gains, candidates times landmarks in single precision, where there are more rows than `ALL_ROWS`.

A third of the embeddings at a million rows of width 384; 13,421 candidates.
"""


class Bounded(NamedTuple):
    """Candidates for anchors, and landmarks on which a gain is evaluated.

    Attributes:
        candidates: (n_c,) int64, ascending.
        landmarks: (m,) int64, ascending.
        masses: (m,) float64, what each landmark counts; their sum is that of all weights.
    """

    candidates: Indices
    landmarks: Indices
    masses: Floats


def bounded(weights: Floats, shown_rows: int) -> Bounded:
    """Take every row up to `ALL_ROWS`; beyond that, as many as fit `GAIN_BYTES`.

    Candidates are never fewer than the rows that the run will show, so that it cannot run out of them; where that
    asks for it, landmarks give way.
    """
    rows = len(weights)
    if rows <= ALL_ROWS:
        return Bounded(np.arange(rows), np.arange(rows), weights)
    entries = GAIN_BYTES // 4
    candidates = min(rows, max(entries // LANDMARKS, shown_rows))
    landmarks, masses = by_traffic(weights, max(1, min(LANDMARKS, entries // candidates)))
    return Bounded(_distinct_by_traffic(weights, candidates), landmarks, masses)


def by_traffic(weights: Floats, most: int) -> tuple[Indices, Floats]:
    """Draw at most `most` rows, and masses that stand for all weights: systematic sampling, always the same.

    A row is drawn in proportion to its weight (Madow, *Annals of Mathematical Statistics* 20, 1949) and its mass is
    how often it was drawn, times the weight of a draw; so a sum over the rows drawn estimates the sum over all.
    """
    if most >= len(weights):
        return np.arange(len(weights)), weights
    ends = np.cumsum(weights)
    draws = (np.arange(most) + 0.5) * (ends[-1] / most)
    drawn, hits = np.unique(np.searchsorted(ends, draws), return_counts=True)
    return drawn, hits * (ends[-1] / most)


def _distinct_by_traffic(weights: Floats, count: int) -> Indices:
    """Draw exactly `count` distinct rows: those drawn by traffic, filled up with evenly spaced others."""
    drawn, _ = by_traffic(weights, count)
    others = np.setdiff1d(np.arange(len(weights)), drawn, assume_unique=True)
    missing = count - len(drawn)
    fill = others[np.arange(missing) * len(others) // max(missing, 1)]
    return np.sort(np.concatenate([drawn, fill]))
