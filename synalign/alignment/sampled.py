"""Products with a kernel matrix of too many rows: features for all of them, exact kernels for a sample.

K w ~ M w + mean over rows i drawn in proportion to w of (K - M)[:, i], with M the features' matrix: unbiased whatever
M misses, and the better M is, the less the sample decides (a control variate). A product takes s m kernel entries
instead of m^2 / 2; each has a sample of its own, so that weights cannot fit what one sample happens to hold.

Sources: control variates and systematic sampling, Cochran, *Sampling Techniques*, Wiley 1977, sections 7.2 and 8.1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from synalign.alignment.kernels import PANEL_ROWS, gaussian_mixture
from synalign.alignment.simplex import Quadratic, Solution
from synalign.arrays.checks import evenly_spaced

SAMPLE_ROWS = 8_192
"""Rows whose kernels to all rows are exact in each product: the error of a mean over them is 1 % of their spread."""

JUDGED_ROWS = 4_096
"""Rows whose gradient is computed with all exact kernels, for the gap: most are those of lowest estimated gradient."""

SPACED_SHARE = 0.25
"""Share of the judged rows that are evenly spaced over all rows instead, whatever was estimated of them."""


class Draw(NamedTuple):
    """Rows drawn in proportion to weights.

    Attributes:
        rows: Distinct row indices, ascending.
        shares: How often each was drawn, as a share of all draws; they sum to one.
    """

    rows: Tensor
    shares: Tensor


def draw_by_weight(weights: Tensor, draws: int, offset: float) -> Draw:
    """Draw rows in proportion to (m,) weights that sum to one, by systematic sampling from an offset in [0, 1).

    >>> draw_by_weight(torch.tensor([0.5, 0.0, 0.5]), 4, 0.5).shares.tolist()
    [0.5, 0.5]
    """
    ends = torch.cumsum(weights, 0)
    marks = (torch.arange(draws, dtype=ends.dtype, device=ends.device) + offset) * (ends[-1] / draws)
    drawn = torch.searchsorted(ends, marks, right=True).clamp_(max=len(weights) - 1)
    rows, hits = torch.unique(drawn, return_counts=True)
    return Draw(rows, hits.to(weights.dtype) / draws)


class SampledKernels:
    """A = K + penalties of m rows as a product that is estimated, with its error, and as a gap on a sample.

    Args:
        rows: (m, d) float32.
        bandwidths: Widths of the kernel.
        kernels: M, what features make of K; penalties excluded.
        penalties: Multiplies by the penalties, which are exact.

    Attributes:
        energy_error: Standard error of w'Kw in the latest product.

    Deterministic: the first, second, ... product of an object have the same samples each time.
    """

    def __init__(
        self,
        rows: Tensor,
        bandwidths: Sequence[float],
        kernels: Quadratic,
        penalties: Callable[[Tensor], Tensor],
    ) -> None:
        self._rows, self._bandwidths = rows, bandwidths
        self._kernels, self._penalties = kernels, penalties
        self._generator = torch.Generator().manual_seed(0)
        self.energy_error = 0.0

    def product(self, weights: Tensor) -> Tensor:
        """Return A w for (m,) float64 weights on the simplex: unbiased."""
        offset = torch.rand(1, generator=self._generator).item()
        drawn = draw_by_weight(weights, SAMPLE_ROWS, offset)
        shares = torch.zeros_like(weights).index_copy_(0, drawn.rows, drawn.shares)
        spread, along = self._columns(drawn, weights)
        seen = self._kernels.product(weights)
        # Both sides of the difference see the same sample.
        missed = spread - self._kernels.product(shares)
        rest = along - seen[drawn.rows]
        mean = torch.dot(drawn.shares, rest).item()
        variance = torch.dot(drawn.shares, (rest - mean).square()).item()
        self.energy_error = (variance / SAMPLE_ROWS) ** 0.5
        return seen + missed + self._penalties(weights)

    def _columns(self, drawn: Draw, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Return K[:, S] times the shares, (m,), and K[S] w, (s,), in one pass over exact kernels."""
        sample, shares = self._rows[drawn.rows], drawn.shares.to(self._rows.dtype)
        spread, along = torch.empty_like(weights), torch.zeros_like(drawn.shares)
        for start in range(0, len(self._rows), PANEL_ROWS):
            part = slice(start, start + PANEL_ROWS)
            panel = self._exact(self._rows[part], sample, torch.arange(start, min(part.stop, len(weights))), drawn.rows)
            spread[part] = panel @ shares
            along += weights[part].to(panel.dtype) @ panel
        return spread, along

    def _exact(self, left: Tensor, right: Tensor, left_rows: Tensor, right_rows: Tensor) -> Tensor:
        """Return kernels with a diagonal of exactly one."""
        panel = gaussian_mixture(left, right, self._bandwidths)
        low, high = torch.searchsorted(right_rows, left_rows[[0, -1]].to(right_rows.device)).tolist()
        inside = right_rows[low : high + 1]
        inside = inside[(inside >= left_rows[0]) & (inside <= left_rows[-1])]
        panel[inside - int(left_rows[0]), torch.arange(low, low + len(inside))] = 1.0
        return panel

    def certify(self, solution: Solution, linear: Tensor, *, tolerance: float) -> Solution:
        """Return the solution with a gap from exact kernels on a sample of rows.

        The gap is 2 (w'q - min q). w'q is that of the solution's own estimate; q is computed with all kernels, in
        single precision, for the rows where it is estimated lowest and for some evenly spaced ones. Rows outside of the
        sample may be lower still: the gap is an estimate, not a bound.

        Args:
            solution: Its half gradient is an estimate.
            linear: b, (m,) float64.
            tolerance: Converged where the gap <= tolerance x optimum.
        """
        point = solution.point
        rows = self._judged(point.half_gradient)
        ones = Draw(rows, torch.full((len(rows),), 1.0 / len(rows), dtype=torch.float64, device=rows.device))
        exact = self._columns(ones, point.weights)[1] + self._penalties(point.weights)[rows] - linear[rows]
        along = torch.dot(point.weights, point.half_gradient).item()
        gap = max(2.0 * (along - exact.min().item()), 0.0)
        return solution._replace(gap=gap, converged=gap <= tolerance * (point.objective - gap))

    def _judged(self, half_gradient: Tensor) -> Tensor:
        """Return the rows to judge, ascending."""
        size = min(JUDGED_ROWS, len(half_gradient))
        spaced = torch.from_numpy(evenly_spaced(len(half_gradient), max(1, int(SPACED_SHARE * size))))
        lowest = torch.topk(half_gradient, max(1, size - len(spaced)), largest=False).indices
        return torch.unique(torch.cat([lowest, spaced.to(lowest.device)]))
