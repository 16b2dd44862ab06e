"""Posterior variance of a Gaussian process with a Gaussian kernel, by a Cholesky factor that grows row by row.

Source: Rasmussen and Williams, *Gaussian Processes for Machine Learning*, MIT Press 2006, equations 2.25-2.26 and
algorithm 2.1; the variance depends on where was observed only, never on what.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from synalign.arrays.checks import Floats, Indices, Points, squared_distances
from synalign.sampling.rows import Rows, Singles, panels
from synalign.sampling.threads import each
from synalign.sampling.whitened import Whitened

PANEL = 256
"""Rows of the factor kept together: enough for matrix products to run at full speed, few enough to invert."""

PART_WORK = 10**8
"""Operations of one part of the work: some milliseconds, far more than it costs to hand it to a thread."""

WORK_BYTES = 16 * 2**20
"""Memory of the whitened kernels worked on together: about what a processor's cache holds."""


def gaussian_kernel(left: Points, right: Points, length_scale: float) -> Floats:
    """Return exp(-|x - y|^2 / 2 l^2) between a and b points: (a, b) float64."""
    exponent = squared_distances(left, right)
    exponent *= -0.5 / length_scale**2
    return np.exp(exponent, out=exponent)


class Observed(NamedTuple):
    """What earlier runs showed.

    Attributes:
        points: s points on the unit sphere; s may be 0.
        noise: (s,) float64, the variance of the noise of each.
    """

    points: Points
    noise: Floats


class Panel:
    """Rows `start` to `start + PANEL` of a lower triangular factor L, filled from the top.

    Args:
        start: First row.
        dtype: float64, or float32 for a copy that screens.

    Attributes:
        left: (PANEL, start), the rows of L before their diagonal block.
        inverse: (PANEL, PANEL), the inverse of the diagonal block, so that substitution is matrix products only.
        filled: Rows in use.
    """

    def __init__(self, start: int, dtype: type[np.floating]) -> None:
        self.start, self.filled = start, 0
        self.left = np.empty((PANEL, start), dtype=dtype)
        self.inverse = np.zeros((PANEL, PANEL), dtype=dtype)

    def append(self, left: Floats, inverse: Floats) -> None:
        """Add b rows: (b, start) of L and (b, filled + b) of the diagonal block's inverse."""
        rows = slice(self.filled, self.filled + len(left))
        with np.errstate(over="ignore"):
            self.left[rows] = left
            self.inverse[rows, : rows.stop] = inverse
        self.filled = rows.stop

    def whiten(self, cross: NDArray[np.floating]) -> NDArray[np.floating]:
        """Substitute this panel's rows of (M, b) in place, those above being done; returns them."""
        mine = slice(self.start, self.start + self.filled)
        if self.start:
            cross[mine] -= self.left[: self.filled] @ cross[: self.start]
        cross[mine] = self.inverse[: self.filled, : self.filled] @ cross[mine]
        return cross[mine]


class Posterior:
    """What is observed, and the variance that leaves.

    With S the M rows observed and s their noise, L L' = K_SS + diag(s) and v = L^-1 k(S, x), the variance of x is
    1 - |v|^2. Observing a block B of rows adds the rows [V_B', R] to L, with R R' = K_BB - V_B' V_B + diag(s_B).

    Args:
        capacity: Most rows that will be observed.
        width: d.
        length_scale: Length scale of the kernel.
        single: Whether to keep L in single precision too, for `screen`.
        whitened: Variances of all rows, to be told of everything observed.

    Attributes:
        observed: M.

    Memory: 4 M^2 bytes for L, half as much again with `single`. Time of b variances: b M (M + 2 d) operations.
    """

    def __init__(
        self,
        capacity: int,
        width: int,
        length_scale: float,
        *,
        single: bool = False,
        whitened: Whitened | None = None,
    ) -> None:
        self._length_scale = length_scale
        self._told = whitened
        self._points = Points(np.empty((capacity, width)), np.empty(capacity))
        # Rows over l^2 and minus half their squared norms over l^2: the kernel's exponent up to a term of x.
        self._scaled = np.empty((capacity if single else 0, width), dtype=np.float32)
        self._offsets = np.empty((capacity if single else 0, 1), dtype=np.float32)
        self._panels: list[Panel] = []
        self._singles: list[Panel] | None = [] if single else None
        self.observed = 0

    def observe(self, points: Points, noise: Floats) -> Floats:
        """Observe points in their order, with the variance of the noise of each.

        Returns:
            (b,) float64, the variance of each given those before it.

        Raises:
            numpy.linalg.LinAlgError: Duplicates and a noise so small that the matrix is singular in float64.
        """
        parts = panels(len(points.rows), PANEL)
        return np.concatenate([np.empty(0), *(self._extend(points.take(part), noise[part]) for part in parts)])

    def _extend(self, points: Points, noise: Floats) -> Floats:
        """Observe a block of at most `PANEL` points."""
        count = len(points.rows)
        if not self._panels or self._panels[-1].filled + count > PANEL:
            self._panels.append(Panel(self.observed, np.float64))
            if self._singles is not None:
                self._singles.append(Panel(self.observed, np.float32))
        white = self._whitened(points)
        residual = gaussian_kernel(points, points, self._length_scale)
        # The kernel's diagonal is 1; the Gram form of a distance gives it with rounding.
        np.fill_diagonal(residual, 1.0 + noise)
        residual -= white.T @ white
        factor: Floats = np.linalg.cholesky(residual).astype(np.float64, copy=False)
        self._append(white, factor)
        self._keep(points)
        if self._told is not None:
            self._told.observe(points, white, factor)
        variance = 1.0 - np.einsum("ij,ij->j", white, white) - np.square(np.tril(factor, -1)).sum(axis=1)
        return np.maximum(variance, 0.0)

    def _append(self, white: Floats, factor: Floats) -> None:
        """Add rows [white', factor] to L, and to the inverse of its last diagonal block."""
        panel = self._panels[-1]
        beside = white[panel.start :].T
        inverse = solve_triangular(factor, np.eye(len(factor)), lower=True, check_finite=False)
        before = -inverse @ (beside @ panel.inverse[: panel.filled, : panel.filled])
        rows = np.hstack([before, inverse])
        for kept in (panel, self._singles[-1]) if self._singles is not None else (panel,):
            kept.append(white[: panel.start].T, rows)

    def _keep(self, points: Points) -> None:
        """Remember the points themselves."""
        new = slice(self.observed, self.observed + len(points.rows))
        self._points.rows[new], self._points.squares[new] = points
        if self._singles is not None:
            self._scaled[new] = points.rows / self._length_scale**2
            self._offsets[new, 0] = points.squares / (-2.0 * self._length_scale**2)
        self.observed = new.stop

    def variance(self, rows: Rows, which: Indices) -> Floats:
        """Return exact variance of the rows at (b,) indices: (b,) float64, never negative."""

        def left(part: slice) -> Floats:
            white = self._whitened(rows.exact(which[part]))
            return np.maximum(1.0 - np.einsum("ij,ij->j", white, white), 0.0)

        return np.concatenate(each(left, panels(len(which), self._columns(8))))

    def _whitened(self, points: Points) -> Floats:
        """Return L^-1 k(S, x) of points: (M, b) float64."""
        white = gaussian_kernel(self._points.take(slice(self.observed)), points, self._length_scale)
        for panel in self._panels:
            panel.whiten(white)
        return white

    def screen(self, rows: Rows, which: Indices) -> Floats:
        """Return variance of the rows at (b,) indices, from single precision: (b,) float64; NaN where that overflows.

        The error is that of the kernel's exponent, near 1e-7 / l^2, and of the substitution; the sum of squares adds
        nothing, being in double precision from panel to panel. Measured in all: below 6e-7 at l >= 0.7.
        """

        def left(part: slice) -> Floats:
            found = np.ones(part.stop - part.start)
            with np.errstate(all="ignore"):
                cross = self._crossed(rows.single[which[part]], rows.halves[which[part]])
                for panel in self._singles or []:
                    white = panel.whiten(cross)
                    found -= np.einsum("ij,ij->j", white, white)
            return found

        return np.concatenate(each(left, panels(len(which), self._columns(4))))

    def _crossed(self, single: Singles, halves: Singles) -> Singles:
        """Return k(S, x) in single precision: (M, b)."""
        cross: Singles = self._scaled[: self.observed] @ single.T
        cross += self._offsets[: self.observed]
        cross -= halves / np.float32(self._length_scale**2)
        return np.exp(cross, out=cross)

    def _columns(self, itemsize: int) -> int:
        """Return points worked on together by one thread."""
        fit = WORK_BYTES // (itemsize * (self.observed + self._points.rows.shape[1]))
        quick = PART_WORK // max(1, self.observed * (self.observed + 2 * self._points.rows.shape[1]))
        return max(64, min(fit, quick))

    def mean_variance(self, rows: Rows, which: Indices, ends: Indices) -> Floats:
        """Return the mean exact variance of rows after what came before each of `ends`: float64 like `ends`."""

        def removed(part: slice) -> Floats:
            white = self._whitened(rows.exact(which[part]))
            return np.einsum("ij,ij->i", white, white)

        total = sum(each(removed, panels(len(which), self._columns(8))))
        return 1.0 - np.cumsum(total)[ends - 1] / len(which)
