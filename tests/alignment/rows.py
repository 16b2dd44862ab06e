"""Rows to weigh: unit rows about six shared centres."""

from __future__ import annotations

import numpy as np

MIXTURE = (0.3, 0.6, 1.2, 2.4, 4.8)


def rows_of(rows: int, *, seed: int, skew: float = 1.0, width: int = 8) -> np.ndarray:
    """Unit rows about six shared centres; `skew` decides which are frequent."""
    shares = np.arange(1, 7.0) ** -skew
    centres = np.random.default_rng(99).normal(size=(6, width))
    generator = np.random.default_rng(seed)
    points = centres[generator.choice(6, size=rows, p=shares / shares.sum())]
    points = points + 0.5 * generator.normal(size=points.shape)
    return points / np.linalg.norm(points, axis=1, keepdims=True)
