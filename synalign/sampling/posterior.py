"""Posterior variance of a Gaussian process with a Gaussian kernel, by Cholesky factors in float64.

Source: Rasmussen and Williams, *Gaussian Processes for Machine Learning*, MIT Press 2006, equations 2.25-2.26 and
algorithm 2.1; the variance depends on where was observed only, never on what.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular

from synalign.vectors import Floats, Indices, Points, squared_distances


def gaussian_kernel(left: Points, right: Points, length_scale: float) -> Floats:
    """exp(-|x - y|^2 / 2 l^2) between a and b points: (a, b) float64."""
    exponent = squared_distances(left, right)
    exponent *= -0.5 / length_scale**2
    return np.exp(exponent, out=exponent)


def factor_of(kernel: Floats, noise: float) -> Floats:
    """Lower Cholesky factor of K + noise I, with the unit diagonal of K free of rounding.

    Args:
        kernel: (s, s) float64, changed in place.
        noise: Observation variance, > 0.

    Raises:
        numpy.linalg.LinAlgError: Duplicates and a noise so small that the matrix is singular in float64.
    """
    np.fill_diagonal(kernel, 1.0 + noise)
    return cholesky(kernel)


def cholesky(matrix: Floats) -> Floats:
    """Lower Cholesky factor of an (s, s) float64 matrix; `numpy.linalg.LinAlgError` where it is singular."""
    return np.asarray(np.linalg.cholesky(matrix), dtype=np.float64)


def retrace(
    observed: Points, rounds: Indices, watched: Points, *, length_scale: float, noise: float
) -> tuple[Floats, Floats]:
    """Exact posterior variances along a sequence of observations, from a single Cholesky factor.

    The factor's squared diagonal is the variance of each row given those before it, plus the noise. So the variance
    of a row at the time it was observed needs no other work.

    Args:
        observed: M points, in order of observation.
        rounds: (T,) int64, ends of the rounds: round t observed the rows before `rounds[t]`, ascending, at most M.
        watched: w points, whose mean variance is followed.
        length_scale: Length scale of the kernel.
        noise: Observation variance.

    Returns:
        (M,) variance of each row given the rows before it, and (T,) mean variance of the watched rows after each
        round. Memory: 8 M (M + w) bytes; time: M^3 / 3 + M^2 w multiplications.
    """
    factor = factor_of(gaussian_kernel(observed, observed, length_scale), noise)
    variance = np.maximum(np.square(np.diag(factor)) - noise, 0.0)
    whitened = solve_triangular(
        factor, gaussian_kernel(observed, watched, length_scale), lower=True, overwrite_b=True, check_finite=False
    )
    removed = np.cumsum(np.square(whitened, out=whitened).mean(axis=1))
    return variance, 1.0 - removed[rounds - 1]
