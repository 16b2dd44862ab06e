"""Posterior variances of many rows in single precision, without repeating work: for where the matrix is small."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular

from synalign.arrays.checks import Floats, Indices, Points
from synalign.sampling.rows import Rows, Singles, panels
from synalign.sampling.threads import each

BYTES = 64 * 2**20
"""Largest matrix that is kept. Beyond it every evaluation starts afresh, which takes more time and no memory."""

PENDING = 64
"""Rows observed before all rows are brought up to date: products of fewer columns run at a third of the speed."""

PART_ROWS = 2_048
"""Rows brought up to date by one thread at a time."""


class Whitened:
    """V = (L^-1 k(S, X))' of all rows X, and the variances 1 - |v|^2, as far as they have been brought up to date.

    Args:
        rows: n rows.
        capacity: Most rows that will be observed.
        length_scale: Length scale of the kernel.

    Memory: 4 capacity (n + capacity) bytes. Time: 2 M n (M / 2 + d) operations for M rows observed.
    """

    def __init__(self, rows: Rows, capacity: int, length_scale: float) -> None:
        self._rows = rows
        self._squared_length = length_scale**2
        self._white: Singles = np.empty((len(rows.single), capacity), dtype=np.float32)
        self._variance = np.ones(len(rows.single))
        self._lower: Singles = np.zeros((capacity, capacity), dtype=np.float32)
        # The observed rows over l^2, and minus half their squared norms over l^2.
        self._scaled: Singles = np.empty((capacity, rows.single.shape[1]), dtype=np.float32)
        self._offsets: Singles = np.empty(capacity, dtype=np.float32)
        self._done = self._observed = 0
        self._inverse: Singles = np.empty((0, 0), dtype=np.float32)

    @staticmethod
    def fits(rows: Rows, capacity: int) -> bool:
        """Return whether the matrix is small enough to be kept."""
        return 4 * capacity * (len(rows.single) + capacity) <= BYTES

    def observe(self, points: Points, white: Floats, factor: Floats) -> None:
        """Observe b points, with the rows [white', factor] that they add to L: (M, b) and (b, b)."""
        new = slice(self._observed, self._observed + len(factor))
        self._lower[new, : new.start], self._lower[new, new] = white.T, factor
        self._scaled[new] = points.rows / self._squared_length
        self._offsets[new] = points.squares / (-2.0 * self._squared_length)
        self._observed = new.stop

    def screen(self, which: Indices) -> Floats:
        """Return variance of the rows at (b,) indices: (b,) float64; NaN where single precision overflows."""
        with np.errstate(all="ignore"):
            if self._observed > self._done + len(self._inverse):
                self._invert()
            if self._observed - self._done >= PENDING:
                self._catch_up()
            if self._observed == self._done:
                return self._variance[which]
            new = self._extension(self._white[which, : self._done], which)
            return np.asarray(self._variance[which] - np.einsum("ij,ij->i", new, new))

    def _invert(self) -> None:
        """Return the inverse of the pending diagonal block of L, transposed."""
        block = self._lower[self._done : self._observed, self._done : self._observed]
        inverse = solve_triangular(block, np.eye(len(block)), lower=True, check_finite=False)
        self._inverse = np.ascontiguousarray(inverse.T, dtype=np.float32)

    def _catch_up(self) -> None:
        """Bring all rows up to date."""

        def fill(part: slice) -> None:
            new = self._extension(self._white[part, : self._done], part)
            self._white[part, self._done : self._observed] = new
            self._variance[part] -= np.einsum("ij,ij->i", new, new)

        each(fill, panels(len(self._variance), PART_ROWS))
        self._done, self._inverse = self._observed, self._inverse[:0, :0]

    def _extension(self, before: Singles, which: Indices | slice) -> Singles:
        """Return the pending columns of V for b rows, whose done columns are given: (b, pending)."""
        pending = slice(self._done, self._observed)
        cross: Singles = self._rows.single[which] @ self._scaled[pending].T
        cross += self._offsets[pending]
        cross -= (self._rows.halves[which] / np.float32(self._squared_length))[:, None]
        np.exp(cross, out=cross)
        cross -= before @ self._lower[pending, : self._done].T
        return cross @ self._inverse
