"""Exact Gaussian mixture kernels between embeddings, in float64, in panels.

k(x, y) = mean over widths h of exp(-|x - y|^2 / 2 h^2): positive definite and characteristic, so that the maximum mean
discrepancy is zero only between equal distributions (Gretton et al., *A Kernel Two-Sample Test*, JMLR 13, 2012).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from synalign.vectors import median_distance

__all__ = ["gaussian_mixture", "kernel_energy", "kernel_matrix", "kernel_mean", "median_distance"]

PANEL_ROWS = 1_024
"""Rows of a panel; with as many columns it takes 8 MiB, which a cache holds in part."""


def gaussian_mixture(left: Tensor, right: Tensor, bandwidths: Sequence[float]) -> Tensor:
    """Mean over the bandwidths h of exp(-|x - y|^2 / 2 h^2).

    Args:
        left: (a, d) float64.
        right: (b, d) float64, on the same device.
        bandwidths: Widths h > 0, in units of Euclidean distance; at least one.

    Returns:
        (a, b) float64 in [0, 1]. Distances come from the Gram form: entries are good to about 1e-15 / h^2.

    Example:
        >>> row = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
        >>> round(gaussian_mixture(row, -row, [2.0]).item(), 6)  # exp(-4 / 8)
        0.606531
    """
    distances = torch.addmm((left * left).sum(1)[:, None] + (right * right).sum(1), left, right.T, alpha=-2.0)
    distances.clamp_(min=0.0)
    total = torch.zeros_like(distances)
    for width in bandwidths:
        total += torch.exp(distances * (-0.5 / width**2))
    return total.div_(len(bandwidths))


def kernel_matrix(rows: Tensor, bandwidths: Sequence[float]) -> Tensor:
    """(m, m) float64 kernel matrix of (m, d) rows: exactly symmetric, with a diagonal of exactly one.

    Memory: 8 m^2 bytes and two panels.
    """
    matrix = rows.new_empty((len(rows), len(rows)))
    for part, other in _upper_panels(len(rows)):
        panel = gaussian_mixture(rows[part], rows[other], bandwidths)
        matrix[part, other] = panel
        matrix[other, part] = panel.T
    # Rounding of a distance of zero, and of panels on the diagonal, must not make duplicates differ from themselves.
    return matrix.fill_diagonal_(1.0)


def kernel_mean(rows: Tensor, targets: Tensor, masses: Tensor, bandwidths: Sequence[float]) -> Tensor:
    """(a,) float64: sum_j p_j k(x_i, y_j) for (a, d) rows, (b, d) targets and (b,) masses p. Memory: two panels."""
    means = rows.new_zeros(len(rows))
    for part in _parts(len(rows)):
        for other in _parts(len(targets)):
            means[part] += gaussian_mixture(rows[part], targets[other], bandwidths) @ masses[other]
    return means


def kernel_energy(rows: Tensor, masses: Tensor, bandwidths: Sequence[float]) -> float:
    """p'Kp for (a, d) rows and (a,) masses p. Memory: two panels; time: half of a^2 kernel entries."""
    total = 0.0
    for part, other in _upper_panels(len(rows)):
        inner = masses[part] @ (gaussian_mixture(rows[part], rows[other], bandwidths) @ masses[other])
        total += inner.item() * (1.0 if part == other else 2.0)
    return total


def _parts(rows: int) -> list[slice]:
    """The rows, cut into panels."""
    return [slice(start, min(start + PANEL_ROWS, rows)) for start in range(0, rows, PANEL_ROWS)]


def _upper_panels(rows: int) -> Iterator[tuple[slice, slice]]:
    """Pairs of panels on and above the diagonal of a square matrix."""
    parts = _parts(rows)
    for place, part in enumerate(parts):
        for other in parts[place:]:
            yield part, other
