"""Accelerated projected gradient on the simplex: cheap steps that find out roughly which weights are zero.

Sources: accelerated proximal gradient, Beck and Teboulle, *SIAM Journal on Imaging Sciences* 2(1), 2009; restart by the
gradient rule, O'Donoghue and Candes, *Foundations of Computational Mathematics* 15, 2015; projection, Held, Wolfe and
Crowder, *Mathematical Programming* 6, 1974.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Product = Callable[[Tensor], Tensor]

POWER_STEPS = 1
"""Products spent on the largest curvature. Too small a value is found out and raised while solving."""

CURVATURE_MARGIN = 1.05
"""Raises the curvature found, a lower bound, before it is used."""

SMALLEST_CURVATURE = 1e-150
"""Keeps the step finite where the objective is linear on the simplex; its square is still a number."""

ROUNDING = 1e-14
"""Curvature times distance that rounding of a product can fake."""


class Accelerated:
    """Accelerated projected gradient with restart; the half gradient of every point is carried along.

    Args:
        product: Multiplies (m,) float64 by A.
        weights: (m,) float64, on the simplex.
        half_gradient: A @ weights - b.

    Attributes:
        weights, half_gradient: Of the point reached.
    """

    def __init__(self, product: Product, weights: Tensor, half_gradient: Tensor) -> None:
        self._product = product
        self._curvature = CURVATURE_MARGIN * largest_curvature(product, half_gradient)
        self.restart(weights, half_gradient)

    def restart(self, weights: Tensor, half_gradient: Tensor) -> None:
        """Go on from another point, without momentum."""
        self.weights, self.half_gradient = weights, half_gradient
        self._ahead, self._ahead_gradient = weights, half_gradient
        self._momentum = 1.0

    def advance(self) -> None:
        """Take one step: descend from the point ahead, then extrapolate, or restart where momentum points uphill."""
        weights, half_gradient = self._descend()
        moved = weights - self.weights
        if torch.dot(self._ahead - weights, moved).item() > 0.0:
            self.restart(weights, half_gradient)
            return
        momentum = 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * self._momentum**2))
        share = (self._momentum - 1.0) / momentum
        self._momentum = momentum
        # The gradient is affine, so the point ahead needs no product of its own.
        self._ahead = weights + share * moved
        self._ahead_gradient = half_gradient + share * (half_gradient - self.half_gradient)
        self.weights, self.half_gradient = weights, half_gradient

    def _descend(self) -> tuple[Tensor, Tensor]:
        """Take a projected gradient step from the point ahead; the curvature is raised until it bounds the step's."""
        while True:
            weights = project(self._ahead - self._ahead_gradient / self._curvature)
            moved = weights - self._ahead
            bent = self._product(moved)
            squared = torch.dot(moved, moved).item()
            bend = torch.dot(moved, bent).item()
            if bend <= self._curvature * squared + ROUNDING * math.sqrt(squared):
                return weights, self._ahead_gradient + bent
            self._curvature = max(1.5 * self._curvature, CURVATURE_MARGIN * bend / squared)


def largest_curvature(product: Product, direction: Tensor) -> float:
    """Estimate the largest eigenvalue of PAP, P = I - 11'/m, from below, by power iteration.

    Steps between points of the simplex sum to zero, so only the curvature on that plane bounds them: for kernel
    matrices, whose leading eigenvector is nearly constant, many times less than the largest eigenvalue of A.

    Args:
        product: Multiplies by A.
        direction: (m,) start; coordinates alike in A and here stay alike.

    Returns:
        The estimate, > 0.
    """
    curvature = 0.0
    direction = direction - direction.mean()
    for _ in range(POWER_STEPS):
        length = torch.linalg.vector_norm(direction).item()
        if length == 0.0:
            break
        unit = direction / length
        direction = product(unit)
        direction = direction - direction.mean()
        curvature = max(curvature, torch.dot(unit, direction).item())
    return max(curvature, SMALLEST_CURVATURE)


def project(point: Tensor) -> Tensor:
    """Return Euclidean projection of (m,) float64 onto the simplex, by sorting: O(m log m)."""
    ordered = torch.sort(point, descending=True).values
    thresholds = (torch.cumsum(ordered, 0) - 1.0) / torch.arange(1, len(point) + 1, device=point.device)
    support = int((ordered > thresholds).sum().item())
    projected = torch.clamp(point - thresholds[max(support, 1) - 1], min=0.0)
    # Removes the rounding of the cumulative sum, so that steps stay in the plane.
    return projected / projected.sum()
