"""Newton steps on the free coordinates of a quadratic on the simplex: what a gradient method needs last and longest.

Between the bounds w >= 0 the objective is one quadratic, whose minimum a Cholesky factor gives at once; what is unknown
is which bounds hold. They are found as by a primal-dual active set: drop coordinates that came out negative, take back
dropped ones that the gradient wants, solve again. Dropped coordinates cost a small Schur complement, not a new factor.

Sources: primal-dual active set as a semismooth Newton method, Hintermueller, Ito and Kunisch, *SIAM Journal on
Optimization* 13(3), 2002; block principal pivoting, Portugal, Judice and Vicente, *Mathematics of Computation* 63,
1994; the proximal term that makes singular problems solvable, Rockafellar, *SIAM J. Control and Optimization* 14, 1976.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Block = Callable[[Tensor], Tensor]

NEWTON_ROWS = 8_192
"""Most free coordinates that are factorised: 512 MiB and 2e11 multiplications; above, gradient steps are cheaper."""

PROXIMAL = 1e-14
"""Added to the diagonal, times its sum: above the rounding of a factor, far below any curvature that matters."""

PIVOTS = 20
"""Rounds that may drop and take back; later ones only drop, so that they end."""

SPARE = 0.25
"""Coordinates at their bound that are factorised with the free ones, as a share, because they may become free."""

FRESH_FACTOR = 0.3
"""Share of a factor's coordinates that may be dropped before the rest is factorised afresh."""


def newton_target(block: Block, weights: Tensor, half_gradient: Tensor, *, careful: bool = False) -> Tensor | None:
    """Find the minimum over the coordinates that look free, each at or above zero.

    Dropping and taking back many coordinates at once is quick, and usually right. Where nearly singular curvature
    misleads it, the careful way walks: towards the minimum as far as the first bound, drop that coordinate, again.
    The objective only falls on such a walk.

    Args:
        block: Gives A[i][:, i] for (k,) int64 indices i, as a new (k, k) float64 tensor.
        weights: (m,) float64, on the simplex.
        half_gradient: (m,) float64, A w - b.
        careful: Whether to walk.

    Returns:
        (m,) float64, on the simplex; None where too many coordinates are free, or rounding spoils the factor. The
        objective there may be above that of `weights`, unless walked: the caller judges.
    """
    free = _candidates(weights, half_gradient, spare=0.0 if careful else SPARE)
    while len(free) <= NEWTON_ROWS:
        face = _Face.of(block, free, weights, half_gradient)
        if face is None:
            return None
        moved, dropped = face.walk() if careful else face.pivot()
        if moved is not None:
            target = torch.zeros_like(weights)
            target[free] = torch.clamp(moved, min=0.0)
            total = target.sum().item()
            return target / total if 0.0 < total < float("inf") else None
        keep = torch.ones(len(free), dtype=torch.bool, device=free.device)
        keep[dropped] = False
        free = free[keep]
    return None


def _candidates(weights: Tensor, half_gradient: Tensor, *, spare: float) -> Tensor:
    """Return free coordinates, those the gradient wants to free, and the next few it might: ascending indices."""
    level = torch.dot(weights, half_gradient)
    free = (weights > 0.0) | (half_gradient < level)
    bound = torch.where(free, torch.inf, half_gradient)
    order = torch.argsort(bound, stable=True)[: int(spare * (int(free.sum().item()) + 64))]
    free[order[torch.isfinite(bound[order])]] = True
    return torch.nonzero(free).squeeze(1)


class _Face:
    """One factor of A + proximal term over some coordinates, and the minimum with any few of them dropped to zero.

    With d the step, mu the multipliers of the dropped coordinates N and nu that of the sum:

        (A + delta) d = -q + nu 1 + E_N mu,   d_N = -w_N,   1'd = 0.
    """

    def __init__(self, factor: Tensor, weights: Tensor, half_gradient: Tensor) -> None:
        self._factor, self._weights, self._half_gradient = factor, weights, half_gradient
        ones = torch.ones_like(weights)
        both = torch.cholesky_solve(torch.stack([-half_gradient, ones], 1), factor)
        self._plain, self._level = both[:, 0], both[:, 1]
        self._columns = weights.new_empty((len(weights), 0))
        self._gram = weights.new_empty((0, 0))
        self._places = torch.full((len(weights),), -1, dtype=torch.int64, device=weights.device)

    @classmethod
    def of(cls, block: Block, free: Tensor, weights: Tensor, half_gradient: Tensor) -> _Face | None:
        """Factorise; None where the matrix is not positive definite even with a larger proximal term."""
        matrix = block(free)
        proximal = PROXIMAL * matrix.diagonal().sum().item()
        # Only differences matter on the simplex: taking the mean gradient out keeps the solve well scaled.
        shifted = half_gradient[free] - half_gradient[free].mean()
        for _ in range(3):
            matrix.diagonal().add_(proximal)
            factor, failed = torch.linalg.cholesky_ex(matrix)
            if not failed.item():
                return cls(factor, weights[free], shifted)
            proximal *= 100.0
        return None

    def pivot(self) -> tuple[Tensor | None, Tensor]:
        """Drop and take back until nothing wants to change: weights (None: too many dropped), and what was dropped."""
        size = len(self._weights)
        dropped = torch.zeros(size, dtype=torch.bool, device=self._weights.device)
        for pivot in range(4 * PIVOTS):
            which = torch.nonzero(dropped).squeeze(1)
            moved, multipliers = self._solve(which)
            negative = (moved < 0.0) & ~dropped
            wanted = torch.zeros_like(dropped)
            wanted[which] = multipliers < 0.0
            if pivot >= PIVOTS:
                wanted.zero_()
            if not (negative | wanted).any():
                return moved, which
            dropped = (dropped | negative) & ~wanted
            if int(dropped.sum().item()) > FRESH_FACTOR * size + 16:
                break
        return None, torch.nonzero(dropped).squeeze(1)

    def walk(self) -> tuple[Tensor | None, Tensor]:
        """Go to the minimum, dropping the coordinates whose bound is met on the way: weights, and what was dropped."""
        reached = self._weights
        dropped = torch.zeros(len(reached), dtype=torch.bool, device=reached.device)
        for _ in range(len(reached)):
            which = torch.nonzero(dropped).squeeze(1)
            moved, _ = self._solve(which)
            negative = (moved < 0.0) & ~dropped
            if not negative.any():
                return (moved if torch.isfinite(moved).all() else reached), which
            room = torch.where(negative, reached / (reached - moved), torch.inf)
            share = room.min()
            reached = torch.clamp(reached + share * (moved - reached), min=0.0)
            met = room <= share
            reached[met] = 0.0
            dropped |= met
        return reached, torch.nonzero(dropped).squeeze(1)

    def _solve(self, which: Tensor) -> tuple[Tensor, Tensor]:
        """Return weights with some coordinates at zero, and the multipliers of those."""
        if not len(which):
            step = self._plain - self._plain.sum() / self._level.sum() * self._level
            return self._weights + step, which.to(self._weights.dtype)
        places = self._column_places(which)
        schur = torch.linalg.cholesky_ex(self._gram[places][:, places])[0]
        sides = torch.stack([-self._weights[which] - self._plain[which], self._level[which]], 1)
        solved = torch.cholesky_solve(sides, schur)
        pull = self._plain.sum() + torch.dot(self._level[which], solved[:, 0])
        nu = -pull / (self._level.sum() - torch.dot(self._level[which], solved[:, 1]))
        multipliers = solved[:, 0] - nu * solved[:, 1]
        spread = self._gram.new_zeros(len(self._gram))
        spread[places] = multipliers
        lifted = torch.linalg.solve_triangular(self._factor.T, (self._columns @ spread)[:, None], upper=True)[:, 0]
        moved = self._weights + self._plain + nu * self._level + lifted
        moved[which] = 0.0
        return moved, multipliers

    def _column_places(self, which: Tensor) -> Tensor:
        """Say where the columns of L^-1 E_N are kept, with their Gram matrix; each is found once."""
        fresh = which[self._places[which] < 0]
        if len(fresh):
            known = len(self._gram)
            self._places[fresh] = torch.arange(known, known + len(fresh), device=which.device)
            units = self._weights.new_zeros((len(self._weights), len(fresh)))
            units[fresh, torch.arange(len(fresh), device=which.device)] = 1.0
            found = torch.linalg.solve_triangular(self._factor, units, upper=False)
            self._columns = torch.cat([self._columns, found], 1)
            gram = self._gram.new_empty((known + len(fresh), known + len(fresh)))
            gram[:known, :known] = self._gram
            gram[:, known:] = self._columns.T @ found
            gram[known:, :known] = gram[:known, known:].T
            self._gram = gram
        return self._places[which]
