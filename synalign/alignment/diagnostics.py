"""What weighting gained and what it cost.

Sources: squared maximum mean discrepancy, Gretton et al., JMLR 13, 2012; effective sample size and design effect,
Kish, *Survey Sampling*, Wiley 1965; randomisation test, Fisher, *The Design of Experiments*, 1935, with the p-value of
Phipson and Smyth, *Statistical Applications in Genetics and Molecular Biology* 9(1), 2010, which is never zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from synalign.alignment.kernels import kernel_energy, kernel_mean
from synalign.arrays.checks import Floats, Indices

SIGN_FLIPS = 9_999
"""Random sign patterns of the test: the smallest p-value is 1e-4."""

FLIPS_AT_ONCE = 500
"""Sign patterns held in memory together."""

ROUNDING = 1e-13
"""Contributions to a squared MMD below this are rounding of zero."""


class HeldOut(NamedTuple):
    """Squared MMD to real rows that the weights never saw.

    Attributes:
        mmd2_uniform: Biased squared MMD of the equally weighted candidates.
        mmd2: The same of the weighted candidates.
        p_value: One-sided; small where the weighting lowers the squared MMD to the population of the held-out rows
            beyond what chance explains. See `sign_flip_p_value`.
    """

    mmd2_uniform: float
    mmd2: float
    p_value: float


def effective_sample_size(weights: Floats) -> float:
    """Return Kish's effective sample size (sum w)^2 / sum w^2 of (m,) weights: between 1 and m.

    >>> effective_sample_size(np.array([0.5, 0.5, 0.0]))
    2.0
    """
    return float(weights.sum() ** 2 / np.square(weights).sum())


def document_effective_sample_size(weights: Floats, documents: Indices) -> float:
    """Return effective sample size over the documents' masses: between 1 and the number of documents.

    Args:
        weights: (m,) float64.
        documents: (m,) int64, document of each row, numbered from 0.

    >>> document_effective_sample_size(np.array([0.25, 0.25, 0.5]), np.array([0, 0, 1]))
    2.0
    """
    masses: Floats = np.bincount(documents, weights=weights).astype(np.float64)
    return effective_sample_size(masses)


def design_effect(weights: Floats) -> float:
    """Return Kish's design effect, m over the effective sample size: how much the variance of a weighted mean grows.

    >>> design_effect(np.array([0.5, 0.5, 0.0, 0.0]))
    2.0
    """
    return len(weights) / effective_sample_size(weights)


def mmd2(left: Tensor, left_masses: Tensor, right: Tensor, right_masses: Tensor, bandwidths: Sequence[float]) -> float:
    """Return biased squared MMD |sum_i p_i phi(x_i) - sum_j q_j phi(y_j)|^2 between two weighted samples.

    Biased (V-statistic): pairs of a row with itself count, so it is >= 0, and positive between two samples of the
    same distribution.

    Args:
        left: (a, d) float64.
        left_masses: (a,) float64, sums to 1.
        right: (b, d) float64.
        right_masses: (b,) float64, sums to 1.
        bandwidths: Widths of the kernel.
    """
    cross = torch.dot(left_masses, kernel_mean(left, right, right_masses, bandwidths)).item()
    energies = kernel_energy(left, left_masses, bandwidths) + kernel_energy(right, right_masses, bandwidths)
    return max(energies - 2.0 * cross, 0.0)


def compare_held_out(
    synthetic: Tensor,
    masses: Tensor,
    held_out: Tensor,
    *,
    energies: tuple[float, float],
    bandwidths: Sequence[float],
) -> HeldOut:
    """Compare equal and given weights on held-out rows.

    Args:
        synthetic: (m, d) float64.
        masses: (m, 2) float64, equal weights u (of every copy) and the given ones w, chosen without the held-out rows.
        held_out: (h, d) float64.
        energies: u'Ku and w'Kw, with K the kernel matrix of the synthetic rows.
        bandwidths: Widths of the kernel.
    """
    each = torch.full((len(held_out),), 1.0 / len(held_out), dtype=torch.float64, device=held_out.device)
    witness = kernel_mean(held_out, synthetic, masses, bandwidths)
    own = kernel_energy(held_out, each, bandwidths)
    # The rows' own energy cancels, so the improvement is a plain mean of one term per held-out row.
    improvement = (energies[0] - energies[1]) + 2.0 * (witness[:, 1] - witness[:, 0])
    uniform, weighted = (
        max(energy - 2.0 * seen + own, 0.0) for energy, seen in zip(energies, witness.mean(0).tolist(), strict=True)
    )
    return HeldOut(uniform, weighted, sign_flip_p_value(improvement.cpu().numpy()))


def sign_flip_p_value(improvement: Floats, *, flips: int = SIGN_FLIPS, seed: int = 0) -> float:
    """Test a mean improvement by paired randomisation.

    The held-out improvement MMD^2(uniform) - MMD^2(weighted) is the mean over held-out rows z of

        t(z) = (u'Ku - w'Kw) + 2 sum_j (w_j - 1/m) k(s_j, z),

    and given the weights these are independent draws. Null hypothesis: equal and given weights are exchangeable row by
    row (t is symmetric about zero), so each sign is a fair coin. One-sided alternative: the weighting lowers the
    squared MMD. The p-value (1 + #{flipped mean >= mean}) / (1 + flips) is valid at any size.

    Args:
        improvement: (h,) float64, t of each held-out row.
        flips: Random sign patterns.
        seed: Seed of the patterns: the same input gives the same p-value.

    Returns:
        The p-value, between 1 / (1 + flips) and 1; 1 where nothing changed.

    Example:
        >>> sign_flip_p_value(np.full(20, 0.1)) < 0.001, sign_flip_p_value(np.zeros(20))
        (True, 1.0)
    """
    improvement = np.where(np.abs(improvement) < ROUNDING, 0.0, improvement)
    observed = improvement.sum() - 1e-12 * np.abs(improvement).sum()
    generator = np.random.default_rng(seed)
    exceeding = 0
    for start in range(0, flips, FLIPS_AT_ONCE):
        patterns = generator.integers(0, 2, size=(min(FLIPS_AT_ONCE, flips - start), len(improvement)), dtype=np.int8)
        # A sum with signs +-1 is twice the sum over the positive ones, less the total.
        flipped = 2.0 * (patterns @ improvement) - improvement.sum()
        exceeding += int((flipped >= observed).sum())
    return (1 + exceeding) / (1 + flips)
