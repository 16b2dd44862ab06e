"""All that weights need to know of the real rows: each candidate's mean kernel to them, and their own energy.

A log of millions cannot be held, and need not be: one pass over it gives this summary (`synalign.spark.kernel_means`
makes it with Spark), whose size is that of the candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike

from synalign.alignment.kernels import gaussian_mixture, kernel_energy, kernel_mean
from synalign.arrays.checks import Floats, counts_of, positive_widths, unit_rows

RIDGE = 1e-3
"""Of the fit behind an estimated energy, as a share of the fitted rows' mean kernel."""

REAL_ROWS = 50_000
"""Most train queries that are read into memory; more are summed with Spark, in one pass."""

HELD_OUT_ROWS = 20_000
"""Most test queries that weights are judged on, evenly spaced: they fix the squared MMD to the third digit."""


class RealSide(NamedTuple):
    """The real rows x_1 ... x_n with masses p, seen through a kernel.

    Attributes:
        mean: (m,) float64, sum_i p_i k(s_j, x_i) for each candidate s_j, in the candidates' order.
        energy: sum_ij p_i p_j k(x_i, x_j).
        energy_error: Standard error of `energy`; 0 where it is exact. It moves every squared MMD alike and the weights
            not at all.
        bandwidths: Widths of the kernel.
        rows: n.
    """

    mean: Floats
    energy: float
    energy_error: float
    bandwidths: tuple[float, ...]
    rows: int


def real_side(
    synthetic: ArrayLike,
    real: ArrayLike,
    bandwidths: float | Sequence[float],
    *,
    real_counts: ArrayLike | None = None,
    device: str | torch.device = "cpu",
) -> RealSide:
    """Sum up real rows that fit in memory, exactly in float64. Time: (m + n / 2) n kernel entries.

    Args:
        synthetic: (m, d) unit rows.
        real: (n, d) unit rows.
        bandwidths: Widths of the kernel.
        real_counts: (n,) traffic of each real row; None: equal.
        device: Where torch works.

    Raises:
        ArgumentError: Wrong shape, width or dtype; empty; non-finite or non-unit rows; a width or count out of range.

    Example:
        >>> side = real_side([[1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]], 1.0)
        >>> side.mean.round(4).tolist(), round(side.energy, 4), side.rows
        ([0.6839], 0.6839, 2)
    """
    widths = positive_widths(bandwidths)
    rows = torch.from_numpy(unit_rows("synthetic", synthetic)).to(device)
    targets = torch.from_numpy(unit_rows("real", real, width=rows.shape[1])).to(device)
    counts = counts_of("real_counts", real_counts, len(targets))
    masses = torch.from_numpy(counts / counts.sum()).to(device)
    mean = kernel_mean(rows, targets, masses, widths).cpu().numpy()
    return RealSide(mean, kernel_energy(targets, masses, widths), 0.0, widths, len(targets))


def estimated_energy(sample: Floats, sample_mean: Floats, bandwidths: Sequence[float]) -> tuple[float, float]:
    """Estimate the energy of all real rows, from a sample of them and the sample's exact mean kernel to all rows.

    The energy is the average over all rows x of mu(x) = mean_i k(x, x_i). Half of the sample fits
    g = sum_j v_j k(z_j, .) to mu; the average of g over all rows is sum_j v_j mu(z_j), known exactly, and the other
    half estimates that of the small rest mu - g: a control variate, unbiased, with a fraction of the plain average's
    error.

    Args:
        sample: (s, d) float64, s >= 4, a uniform sample of the real rows.
        sample_mean: (s,) float64, mu of each.
        bandwidths: Widths of the kernel.

    Returns:
        The energy and its standard error.
    """
    fitted, judged = torch.from_numpy(sample[::2]), torch.from_numpy(sample[1::2])
    known, unknown = torch.from_numpy(sample_mean[::2]), torch.from_numpy(sample_mean[1::2])
    among = gaussian_mixture(fitted, fitted, bandwidths)
    among.diagonal().add_(RIDGE * len(fitted) * among.mean().item())
    fit = torch.cholesky_solve(known[:, None], torch.linalg.cholesky(among))[:, 0]
    rest = (unknown - gaussian_mixture(judged, fitted, bandwidths) @ fit).numpy()
    return float(fit @ known) + float(rest.mean()), float(rest.std(ddof=1) / np.sqrt(len(rest)))
