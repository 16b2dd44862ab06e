"""A map of queries: points of the unit sphere laid out in a plane so that neighbours stay neighbours.

Source: t-SNE, van der Maaten and Hinton, *Journal of Machine Learning Research* 9, 2008, as scikit-learn has it, from
the principal components (Kobak and Berens, *Nature Communications* 10, 2019), of a part of the points; the others
are placed among their nearest neighbours in it (Poličar, Stražar and Zupan, *Machine Learning* 112, 2023).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LANDMARKS = 1_200
"""Points, evenly spaced, that t-SNE lays out: some 8 seconds of a slow core. It would take a minute for 5,000."""

LEAST = 40
"""Points below which their two principal components are the map: t-SNE sees no neighbourhoods in so few."""

COMPONENTS = 50
"""Principal components that t-SNE gets."""

NEAREST = 5
"""Landmarks among which another point is placed."""

SOFTNESS = 0.05
"""How far, in cosine, a landmark may lie behind the nearest one and still pull a third (1 / e) as much."""

SAME = 1e-6
"""A spread below this is rounding: all points are the same."""

_STEPS, _PERPLEXITY, _ANGLE, _SEED = 500, 30.0, 0.7, 0


def project(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Lay points out in the unit square.

    Nothing in it is left to chance, and one thread does it: the same points give the same map on the same machine.

    Args:
        vectors: (n, d) unit rows, n >= 1.

    Returns:
        (n, 2) in [0, 1]; the larger of both spans fills it, the other lies in its middle.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return _into_square(_laid_out(vectors))


def _laid_out(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    from sklearn.decomposition import PCA

    components = min(COMPONENTS, *vectors.shape)
    if len(vectors) < 2 or float(np.ptp(vectors, axis=0).max()) < SAME:
        return np.zeros((len(vectors), 2))
    reduced = PCA(components, svd_solver="covariance_eigh").fit_transform(vectors.astype(np.float64))
    if len(vectors) < LEAST or components < 2:
        plane: NDArray[np.float64] = np.pad(reduced, ((0, 0), (0, 1)))[:, :2]
        return plane
    landmarks = np.arange(min(LANDMARKS, len(vectors))) * len(vectors) // min(LANDMARKS, len(vectors))
    return _placed(vectors, landmarks, _tsne(reduced[landmarks]))


def _tsne(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    from sklearn.manifold import TSNE

    start = rows[:, :2] / max(float(rows[:, 0].std()), SAME) * 1e-4
    perplexity = min(_PERPLEXITY, (len(rows) - 1) / 3.0)
    model = TSNE(2, init=start, perplexity=perplexity, max_iter=_STEPS, angle=_ANGLE, random_state=_SEED, n_jobs=1)
    plane: NDArray[np.float64] = model.fit_transform(rows).astype(np.float64)
    return plane


def _placed(
    vectors: NDArray[np.float32], landmarks: NDArray[np.int64], plane: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Place landmarks where they are, every other point at the weighted mean of its nearest landmarks."""
    likeness = vectors @ vectors[landmarks].T
    nearest = np.argsort(-likeness, axis=1, kind="stable")[:, :NEAREST]
    near = np.take_along_axis(likeness, nearest, axis=1).astype(np.float64)
    pull = np.exp((near - near[:, :1]) / SOFTNESS)
    placed: NDArray[np.float64] = np.einsum("nk,nkp->np", pull / pull.sum(axis=1, keepdims=True), plane[nearest])
    placed[landmarks] = plane
    return placed


def _into_square(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    lower, upper = plane.min(axis=0), plane.max(axis=0)
    span = max(float((upper - lower).max()), SAME)
    return np.clip(0.5 + (plane - (lower + upper) / 2.0) / span, 0.0, 1.0)
