"""Exact Gaussian mixture kernels between embeddings, in panels.

k(x, y) = mean over widths h of exp(-|x - y|^2 / 2 h^2): positive definite and characteristic, so that the maximum mean
discrepancy is zero only between equal distributions (Gretton et al., *A Kernel Two-Sample Test*, JMLR 13, 2012).

Everything is in the precision of the rows given: float64 for certificates, float32 (entries good to about 3e-6) where
a solver only needs a model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from synalign.arrays.checks import median_distance
from synalign.arrays.tally import NOBODY, Tally

__all__ = [
    "gaussian_mixture",
    "kernel_energy",
    "kernel_matrix",
    "kernel_mean",
    "kernel_product",
    "median_distance",
]

PANEL_ROWS = 512
"""Rows of a panel; with as many columns it takes 2 MiB, which a cache holds while it is worked on."""

LARGEST_POWER = 256
"""Highest power of one exponential that is taken by squaring: its rounding grows as much, to about 3e-14."""


def gaussian_mixture(left: Tensor, right: Tensor, bandwidths: Sequence[float]) -> Tensor:
    """Return mean over the bandwidths h of exp(-|x - y|^2 / 2 h^2).

    A width that is half of another costs two squarings instead of an exponential.

    Args:
        left: (a, d) float64 or float32.
        right: (b, d), same dtype and device.
        bandwidths: Widths h > 0, in units of Euclidean distance; at least one.

    Returns:
        (a, b) in [0, 1]. Distances come from the Gram form: float64 entries are good to about 1e-15 / h^2, or 3e-14
        where widths are power-of-two multiples of each other.

    Example:
        >>> row = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
        >>> round(gaussian_mixture(row, -row, [2.0]).item(), 6)  # exp(-4 / 8)
        0.606531
    """
    distances = torch.addmm((left * left).sum(1)[:, None] + (right * right).sum(1), left, right.T, alpha=-2.0)
    distances.clamp_(min=0.0)
    power, total = torch.empty_like(distances), None
    for width, squarings in _plan(tuple(float(width) for width in bandwidths)):
        if squarings is None:
            torch.mul(distances, -0.5 / width**2, out=power).exp_()
        else:
            for _ in range(squarings):
                power.mul_(power)
        total = power.clone() if total is None else total.add_(power)
    assert total is not None  # the callers check that there is a bandwidth
    return total.div_(len(bandwidths)) if len(bandwidths) > 1 else total


def _plan(bandwidths: tuple[float, ...]) -> list[tuple[float, int | None]]:
    """Return widths from wide to narrow, each with how often to square the one before; None: a new exponential."""
    plan: list[tuple[float, int | None]] = []
    base = 0.0
    for width in sorted(bandwidths, reverse=True):
        halvings = math.log2(plan[-1][0] / width) if plan else math.nan
        whole = bool(plan) and abs(halvings - round(halvings)) < 1e-14
        if whole and (base / width) ** 2 <= LARGEST_POWER * (1 + 1e-9):
            plan.append((width, 2 * round(halvings)))
        else:
            plan.append((width, None))
            base = width
    return plan


def kernel_matrix(rows: Tensor, bandwidths: Sequence[float], tally: Tally = NOBODY) -> Tensor:
    """Return (m, m) kernel matrix of (m, d) rows, of their dtype: exactly symmetric, with a diagonal of exactly one.

    Memory: 8 m^2 bytes in float64, 4 m^2 in float32, and panels. The tally counts `upper_panels`.
    """
    matrix = rows.new_empty((len(rows), len(rows)))
    for part, other in _upper_panels(len(rows)):
        panel = gaussian_mixture(rows[part], rows[other], bandwidths)
        matrix[part, other] = panel
        matrix[other, part] = panel.T
        tally.add()
    # Rounding of a distance of zero, and of panels on the diagonal, must not make duplicates differ from themselves.
    return matrix.fill_diagonal_(1.0)


def kernel_product(rows: Tensor, vector: Tensor, bandwidths: Sequence[float]) -> Tensor:
    """Return K v, (m,) float64, for the kernel matrix K of (m, d) rows, never held. Time: half of m^2 kernel entries.

    With float32 rows, entries are good to about 3e-6; sums are in float64 all the same.
    """
    product = torch.zeros_like(vector)
    plain = vector.to(rows.dtype)
    for part, other in _upper_panels(len(rows)):
        panel = gaussian_mixture(rows[part], rows[other], bandwidths)
        if part == other:
            panel.fill_diagonal_(1.0)
        else:
            product[other] += plain[part] @ panel
        product[part] += panel @ plain[other]
    return product


def kernel_mean(
    rows: Tensor, targets: Tensor, masses: Tensor, bandwidths: Sequence[float], tally: Tally = NOBODY
) -> Tensor:
    """Return sum_j p_j k(x_i, y_j) for (a, d) rows and (b, d) targets. Memory: panels.

    Args:
        rows: (a, d) float64 or float32.
        targets: (b, d), same dtype.
        masses: (b,) float64 masses p, or (b, k) for k of them at once.
        bandwidths: Widths of the kernel.
        tally: Counts `panels`.

    Returns:
        (a,) or (a, k) float64.
    """
    means, plain = masses.new_zeros((len(rows), *masses.shape[1:])), masses.to(rows.dtype)
    for part in _parts(len(rows)):
        for other in _parts(len(targets)):
            means[part] += gaussian_mixture(rows[part], targets[other], bandwidths) @ plain[other]
            tally.add()
    return means


def kernel_energy(rows: Tensor, masses: Tensor, bandwidths: Sequence[float], tally: Tally = NOBODY) -> float:
    """Return p'Kp for (a, d) rows and (a,) masses p. Memory: panels; time: half of a^2 kernel entries.

    The tally counts `upper_panels`.
    """
    total, plain = 0.0, masses.to(rows.dtype)
    for part, other in _upper_panels(len(rows)):
        inner = plain[part] @ (gaussian_mixture(rows[part], rows[other], bandwidths) @ plain[other])
        total += inner.item() * (1.0 if part == other else 2.0)
        tally.add()
    return total


def panels(rows: int, columns: int) -> int:
    """Return how many panels a (rows, columns) matrix has.

    >>> panels(513, 512)
    2
    """
    return len(_parts(rows)) * len(_parts(columns))


def upper_panels(rows: int) -> int:
    """Return how many panels a square matrix has on and above its diagonal.

    >>> upper_panels(1025)
    6
    """
    return len(_parts(rows)) * (len(_parts(rows)) + 1) // 2


def _parts(rows: int) -> list[slice]:
    """Cut the rows into panels."""
    return [slice(start, min(start + PANEL_ROWS, rows)) for start in range(0, rows, PANEL_ROWS)]


def _upper_panels(rows: int) -> Iterator[tuple[slice, slice]]:
    """Return pairs of panels on and above the diagonal of a square matrix."""
    parts = _parts(rows)
    for place, part in enumerate(parts):
        for other in parts[place:]:
            yield part, other
