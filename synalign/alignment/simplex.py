"""A convex quadratic on the probability simplex, minimised to a certified gap.

    minimise  f(w) = w'Aw - 2 b'w + c   over  w >= 0, sum w = 1,   A positive semidefinite

Sources: accelerated proximal gradient, Beck and Teboulle, *SIAM Journal on Imaging Sciences* 2(1), 2009; restart by the
gradient rule, O'Donoghue and Candes, *Foundations of Computational Mathematics* 15, 2015; duality gap, Jaggi,
*Revisiting Frank-Wolfe*, ICML 2013; projection, Held, Wolfe and Crowder, *Mathematical Programming* 6, 1974.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

Product = Callable[[Tensor], Tensor]

ITERATION_LIMIT = 20_000
"""A last resort: the gap stops the solver. Where this does, the gap returned is larger and says so."""

GAP_FLOOR = 1e-12
"""A gap this small is enough whatever the objective. It stands in where the objective is zero, which no relative rule
can meet, and lies far below any squared MMD that a sample could tell from zero (about 1 / n)."""

POWER_STEPS = 30
"""Products spent on the largest curvature. Too small a value is found out and raised while solving."""

CURVATURE_MARGIN = 1.05
"""Raises the curvature found, a lower bound, before it is used."""

SMALLEST_CURVATURE = 1e-150
"""Keeps the step finite where the objective is linear on the simplex; its square is still a number."""

ROUNDING = 1e-14
"""Curvature times distance that rounding of a product can fake."""


class Solution(NamedTuple):
    """A point of the simplex and its certificate.

    Attributes:
        weights: (m,) float64, >= 0, sums to 1 within rounding.
        image: (m,) float64, A @ weights.
        objective: f(weights).
        gap: f(weights) - min f <= gap.
        iterations: Steps taken; each costs one product with A.
        converged: Whether the gap is within the tolerance.
    """

    weights: Tensor
    image: Tensor
    objective: float
    gap: float
    iterations: int
    converged: bool


class Quadratic(NamedTuple):
    """The objective f(w) = w'Aw - 2 b'w + c.

    Attributes:
        product: Multiplies (m,) float64 by A.
        linear: b, (m,) float64.
        constant: c.
    """

    product: Product
    linear: Tensor
    constant: float

    def certify(self, weights: Tensor, image: Tensor, *, tolerance: float, iterations: int) -> Solution:
        """Value and Frank-Wolfe gap of a point: f(w) - min f <= 2 (w'q - min q), q = Aw - b, half the gradient."""
        half_gradient = image - self.linear
        along = torch.dot(weights, half_gradient).item()
        objective = along - torch.dot(weights, self.linear).item() + self.constant
        gap = max(2.0 * (along - half_gradient.min().item()), 0.0)
        # objective - gap is a lower bound of the optimum: the tolerance is relative to the optimum itself.
        converged = gap <= max(tolerance * (objective - gap), GAP_FLOOR)
        return Solution(weights, image, objective, gap, iterations, converged)


def minimise_on_simplex(quadratic: Quadratic, *, tolerance: float, limit: int | None = None) -> Solution:
    """Minimise a convex quadratic on the simplex, from equal weights, until the duality gap is small enough.

    Equal weights treat all coordinates alike, and so does every step: coordinates that A and b cannot tell apart end
    with equal weights. The result is never above the value at equal weights.

    Args:
        quadratic: The objective; A symmetric positive semidefinite, m >= 1.
        tolerance: Stops when gap <= tolerance x optimum, or gap <= `GAP_FLOOR`.
        limit: Most iterations; None: `ITERATION_LIMIT`. Reaching it raises nothing: the solution is the best point
            seen, its gap is the truth and `converged` is false.

    Returns:
        The solution. Memory: some ten vectors of length m beside A.

    Example:
        >>> identity = Quadratic(lambda w: w, torch.tensor([0.9, 0.5, -1.0], dtype=torch.float64), 0.0)
        >>> minimise_on_simplex(identity, tolerance=1e-9).weights.numpy().round(6).tolist()
        [0.7, 0.3, 0.0]
    """
    limit = ITERATION_LIMIT if limit is None else limit
    start = torch.full_like(quadratic.linear, 1.0 / len(quadratic.linear))
    image = quadratic.product(start)
    best = quadratic.certify(start, image, tolerance=tolerance, iterations=0)
    if best.converged:
        return best
    uniform = best.objective
    steps = _Accelerated(quadratic, start, image)
    for iteration in range(1, limit + 1):
        steps.advance()
        solution = quadratic.certify(steps.weights, steps.image, tolerance=tolerance, iterations=iteration)
        # A gap within tolerance allows a value a little above that of equal weights, when those are nearly optimal.
        if solution.converged and solution.objective <= uniform:
            return solution
        if solution.objective < best.objective:
            best = solution
    return best._replace(iterations=limit)


class _Accelerated:
    """Accelerated projected gradient with restart; the product of every point used is carried along.

    Args:
        quadratic: The objective.
        start: (m,) float64, on the simplex.
        image: A @ start.
    """

    def __init__(self, quadratic: Quadratic, start: Tensor, image: Tensor) -> None:
        self._quadratic = quadratic
        self.weights, self.image = start, image
        self._ahead, self._ahead_image = start, image
        self._momentum = 1.0
        self._curvature = CURVATURE_MARGIN * largest_curvature(quadratic.product, image - quadratic.linear)

    def advance(self) -> None:
        """One step: descend from the point ahead, then extrapolate, or restart where momentum points uphill."""
        weights, image = self._descend()
        moved = weights - self.weights
        if torch.dot(self._ahead - weights, moved).item() > 0.0:
            self._momentum = 1.0
            self._ahead, self._ahead_image = weights, image
        else:
            momentum = 0.5 * (1.0 + math.sqrt(1.0 + 4.0 * self._momentum**2))
            share = (self._momentum - 1.0) / momentum
            self._momentum = momentum
            # A is linear, so the point ahead needs no product of its own.
            self._ahead = weights + share * moved
            self._ahead_image = image + share * (image - self.image)
        self.weights, self.image = weights, image

    def _descend(self) -> tuple[Tensor, Tensor]:
        """A projected gradient step from the point ahead, with the curvature raised until it bounds the step's."""
        half_gradient = self._ahead_image - self._quadratic.linear
        while True:
            weights = project(self._ahead - half_gradient / self._curvature)
            image = self._quadratic.product(weights)
            moved = weights - self._ahead
            squared = torch.dot(moved, moved).item()
            bend = torch.dot(moved, image - self._ahead_image).item()
            if bend <= self._curvature * squared + ROUNDING * math.sqrt(squared):
                return weights, image
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
    """Euclidean projection of (m,) float64 onto the simplex, by sorting: O(m log m)."""
    ordered = torch.sort(point, descending=True).values
    thresholds = (torch.cumsum(ordered, 0) - 1.0) / torch.arange(1, len(point) + 1, device=point.device)
    support = int((ordered > thresholds).sum().item())
    projected = torch.clamp(point - thresholds[max(support, 1) - 1], min=0.0)
    # Removes the rounding of the cumulative sum, so that steps stay in the plane.
    return projected / projected.sum()
