"""The paper's criterion: the row with the largest posterior variance is the next anchor.

Source: Ren et al., *Few-shot LLM Synthetic Data with Distribution Matching*, WWW 2025, arXiv:2502.08661, section on
exploration-aware sampling. The refit of the process at each round is replaced by an exact block update of the
Cholesky factor, so nothing is approximated.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from synalign.errors import ArgumentError
from synalign.sampling.neighbours import nearest_rows
from synalign.sampling.posterior import cholesky, factor_of, gaussian_kernel
from synalign.vectors import Floats, Indices, Points

TIE = 1e-10
"""Variances this close are tied; the lowest index wins. Rounding of the update stays well below it."""


class Picks(NamedTuple):
    """Anchors, members and variances of a whole run, with the mean variance of the watched rows after each round."""

    anchors: Indices
    neighbours: Indices
    variance: Floats
    uncertainty: Floats


class Field:
    """Posterior variance of every row, updated exactly as blocks of rows are observed.

    With S the rows observed, L L' = K_SS + s I and V = L^-1 K_SX, the variance is 1 - colsum(V^2). A block B adds
    R^-1 (K_BX - V_B' V) to V, with R R' = K_BB - V_B' V_B + s I.

    Args:
        points: The n rows.
        capacity: Most rows that will be observed.
        length_scale: Length scale of the kernel.
        noise: Observation variance.

    Attributes:
        variance: (n,) float64, posterior variance of each row.

    Memory: 8 n capacity bytes. Time of one block of b rows after M: n b (d + M) multiplications.
    """

    def __init__(self, points: Points, capacity: int, length_scale: float, noise: float) -> None:
        self._points = points
        self._length_scale = length_scale
        self._noise = noise
        self._whitened = np.empty((capacity, len(points.rows)))
        self._observed = 0
        self.variance = np.ones(len(points.rows))

    def observe_elsewhere(self, shown: Points) -> None:
        """Observe points that are not among the rows, before any other."""
        kernel = gaussian_kernel(shown, self._points, self._length_scale)
        self._extend(kernel, factor_of(gaussian_kernel(shown, shown, self._length_scale), self._noise))

    def observe(self, block: Indices) -> None:
        """Observe distinct rows, by index."""
        kernel = gaussian_kernel(self._points.take(block), self._points, self._length_scale)
        kernel[np.arange(len(block)), block] = 1.0
        seen = self._whitened[: self._observed]
        kernel -= seen[:, block].T @ seen
        residual = kernel[:, block]
        residual[np.diag_indices_from(residual)] += self._noise
        self._extend(kernel, cholesky(residual))

    def _extend(self, kernel: Floats, factor: Floats) -> None:
        """Add the whitened residual kernel of a block."""
        rows = slice(self._observed, self._observed + len(kernel))
        self._whitened[rows] = solve_triangular(factor, kernel, lower=True, check_finite=False)
        self.variance -= np.einsum("ij,ij->j", self._whitened[rows], self._whitened[rows])
        self._observed = rows.stop


def pick_by_variance(
    points: Points,
    batches: int,
    neighbours: int,
    *,
    length_scale: float,
    noise: float,
    shown: Points,
    watched: Indices,
) -> Picks:
    """Pick anchors by largest posterior variance, each with its nearest rows.

    Args:
        points: n points on the unit sphere.
        batches: T.
        neighbours: k, at most n - 1.
        length_scale: Length scale of the kernel.
        noise: Observation variance.
        shown: s points observed before; s may be 0.
        watched: Indices of the rows whose mean variance is reported.

    Raises:
        ArgumentError: Every row was observed before the last round.
    """
    capacity = min(len(points.rows), batches * (neighbours + 1)) + len(shown.rows)
    field = Field(points, capacity, length_scale, noise)
    if len(shown.rows):
        field.observe_elsewhere(shown)
    picks = Picks(
        np.empty(batches, np.int64), np.empty((batches, neighbours), np.int64), np.empty(batches), np.empty(batches)
    )
    free = np.ones(len(points.rows), dtype=bool)
    for batch in range(batches):
        if not free.any():
            raise ArgumentError(
                "batches", batches, f"must be <= {batch} here: after {batch} rounds all {len(free)} rows are observed"
            )
        anchor = _largest(field.variance, free)
        members = nearest_rows(points, np.array([anchor]), neighbours)[0]
        block = np.concatenate(([anchor], members))
        picks.anchors[batch], picks.neighbours[batch] = anchor, members
        picks.variance[batch] = max(field.variance[anchor], 0.0)
        fresh = block[free[block]]
        field.observe(fresh)
        free[fresh] = False
        picks.uncertainty[batch] = field.variance[watched].mean()
    return picks


def _largest(variance: Floats, free: np.ndarray) -> int:
    """The free row of largest variance; within `TIE` of it the lowest index."""
    open_variance = np.where(free, variance, -np.inf)
    return int(np.argmax(open_variance >= open_variance.max() - TIE))
