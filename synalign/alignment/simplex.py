"""A convex quadratic on the probability simplex, minimised to a certified gap.

    minimise  f(w) = w'Aw - 2 b'w + c   over  w >= 0, sum w = 1,   A positive semidefinite

Gradient steps find out roughly which weights are zero; Newton steps on the others finish. Only the duality gap ends it.

Sources: duality gap, Jaggi, *Revisiting Frank-Wolfe*, ICML 2013; the two kinds of steps: `gradient`, `newton`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from synalign.alignment.gradient import Accelerated, Product
from synalign.alignment.newton import Block, newton_target
from synalign.arrays.tally import NOBODY, Tally

ITERATION_LIMIT = 20_000
"""A last resort: the gap stops the solver. Where this does, the gap returned is larger and says so."""

GAP_FLOOR = 1e-12
"""A gap this small is enough whatever the objective. It stands in where the objective is zero, which no relative rule
can meet, and lies far below any squared MMD that a sample could tell from zero (about 1 / n)."""

FIRST_STEPS = 60
"""Gradient steps before the first Newton step; doubled whenever Newton steps did not help."""

MODEL_STEPS = 400
"""Most steps within one pass on a model: further ones would fit what it gets wrong."""

WORTH_A_WALK = 1e-2
"""A careful Newton step is followed by another where it lowers the objective by this share of the gap."""

WORTH_A_PASS = 1e-3
"""A pass on a model that adds less than this share of what was gained is the last."""


class Point(NamedTuple):
    """A point of the simplex.

    Attributes:
        weights: (m,) float64, >= 0, sums to 1 within rounding.
        half_gradient: (m,) float64, q = A @ weights - b.
        objective: f(weights).
    """

    weights: Tensor
    half_gradient: Tensor
    objective: float

    @property
    def gap(self) -> float:
        """Frank-Wolfe gap: f(w) - min f <= 2 (w'q - min q)."""
        along = torch.dot(self.weights, self.half_gradient).item()
        return max(2.0 * (along - self.half_gradient.min().item()), 0.0)

    def moved(self, weights: Tensor, half_gradient: Tensor) -> Point:
        """Return another point. Its value follows from this one's: f(w + d) - f(w) = d'(q(w) + q(w + d)), exactly."""
        change = torch.dot(weights - self.weights, self.half_gradient + half_gradient).item()
        return Point(weights, half_gradient, self.objective + change)

    def towards(self, weights: Tensor, half_gradient: Tensor) -> Point:
        """Find the lowest point on the way to another: no product, as the gradient is affine. Never above this one."""
        direction, bent = weights - self.weights, half_gradient - self.half_gradient
        slope, bend = torch.dot(direction, self.half_gradient).item(), torch.dot(direction, bent).item()
        if slope >= 0.0:
            return self
        share = 1.0 if -slope >= bend else -slope / bend
        if share == 1.0:
            return self.moved(weights, half_gradient)
        return self.moved(self.weights + share * direction, self.half_gradient + share * bent)


class Solution(NamedTuple):
    """A point and its certificate.

    Attributes:
        point: The weights, their half gradient and objective.
        gap: objective - min f <= gap.
        iterations: Steps taken; each costs at least one product with A.
        converged: Whether the gap is within the tolerance.
    """

    point: Point
    gap: float
    iterations: int
    converged: bool

    @classmethod
    def of(cls, point: Point, *, tolerance: float, iterations: int) -> Solution:
        """Certify a point."""
        gap = point.gap
        # objective - gap is a lower bound of the optimum: the tolerance is relative to the optimum itself.
        converged = gap <= max(tolerance * (point.objective - gap), GAP_FLOOR)
        return cls(point, gap, iterations, converged)


class Quadratic(NamedTuple):
    """The curvature A of an objective.

    Attributes:
        product: Multiplies (m,) float64 by A.
        block: Gives A[i][:, i] of (k,) int64 indices i as a new float64 tensor; None: gradient steps only.
    """

    product: Product
    block: Block | None = None


def start_at(product: Product, linear: Tensor, constant: float, weights: Tensor) -> Point:
    """Return the point at (m,) weights of f(w) = w'Aw - 2 b'w + c, with one product."""
    half_gradient = product(weights) - linear
    along = torch.dot(weights, half_gradient).item()
    return Point(weights, half_gradient, along - torch.dot(weights, linear).item() + constant)


def minimise_on_simplex(
    quadratic: Quadratic,
    start: Point,
    *,
    tolerance: float,
    limit: int | None = None,
    ceiling: float | None = None,
    tally: Tally = NOBODY,
) -> Solution:
    """Minimise a convex quadratic on the simplex until the duality gap is small enough.

    Every step treats coordinates alike that A and b cannot tell apart. The result is never above the start.

    Args:
        quadratic: A, symmetric positive semidefinite, m >= 1.
        start: Where to start, with its half gradient, which tells b.
        tolerance: Stops when gap <= tolerance x optimum, or gap <= `GAP_FLOOR`.
        limit: Most iterations; None: `ITERATION_LIMIT`. Reaching it raises nothing: the solution is the best point
            seen, its gap is the truth and `converged` is false.
        ceiling: Only a point at or below this value ends the solver; None: the start's own.
        tally: Counts iterations.

    Returns:
        The solution. Memory: some ten vectors of length m beside A, and a factor where Newton steps are taken.

    Example:
        >>> middle = torch.full((3,), 1 / 3, dtype=torch.float64)
        >>> b = torch.tensor([0.9, 0.5, -1.0], dtype=torch.float64)
        >>> identity = Quadratic(lambda w: w, lambda free: torch.eye(len(free), dtype=torch.float64))
        >>> found = minimise_on_simplex(identity, start_at(lambda w: w, b, 0.0, middle), tolerance=1e-9)
        >>> found.point.weights.numpy().round(6).tolist()
        [0.7, 0.3, 0.0]
    """
    limit = ITERATION_LIMIT if limit is None else limit
    # A gap within tolerance allows a value a little above that of the start, when that is nearly optimal.
    ceiling = start.objective if ceiling is None else ceiling
    best = Solution.of(start, tolerance=tolerance, iterations=0)
    if best.converged and best.point.objective <= ceiling:
        return best
    steps, budget = Accelerated(quadratic.product, start.weights, start.half_gradient), FIRST_STEPS
    done = 0
    while done < limit:
        for _ in range(min(budget, limit - done)):
            steps.advance()
            done += 1
            tally.add()
            point = start.moved(steps.weights, steps.half_gradient)
            solution = Solution.of(point, tolerance=tolerance, iterations=done)
            if solution.converged and point.objective <= ceiling:
                return solution
            if point.objective < best.point.objective:
                best = solution
        finer = _newton(quadratic, best._replace(iterations=done), tolerance=tolerance, limit=limit, tally=tally)
        if finer.converged:
            return finer
        budget = budget if finer.gap < 0.5 * best.gap else 2 * budget
        if finer.point.objective < best.point.objective:
            steps.restart(finer.point.weights, finer.point.half_gradient)
        best, done = finer, finer.iterations
    return best._replace(iterations=limit)


def _newton(quadratic: Quadratic, best: Solution, *, tolerance: float, limit: int, tally: Tally) -> Solution:
    """Take Newton steps, quick ones while each halves the gap, then careful ones; none ever raises the objective."""
    careful = False
    while quadratic.block is not None and best.iterations < limit:
        point = best.point
        weights = newton_target(quadratic.block, point.weights, point.half_gradient, careful=careful)
        if weights is None:
            break
        # The product with the step, not with the weights: rounding shrinks as the steps do.
        half_gradient = point.half_gradient + quadratic.product(weights - point.weights)
        reached = point.towards(weights, half_gradient)
        tally.add()
        found = Solution.of(reached, tolerance=tolerance, iterations=best.iterations + 1)
        helped = found.gap < 0.5 * best.gap
        fell = best.point.objective - reached.objective > WORTH_A_WALK * best.gap
        best = found
        if found.converged or (careful and not (helped or fell)):
            break
        careful = not helped
    return best


def minimise_with_model(
    exact: Product,
    linear: Tensor,
    model: Quadratic,
    start: Point,
    *,
    tolerance: float,
    passes: int,
    steps: int | None = None,
    tally: Tally = NOBODY,
) -> Solution:
    """Minimise where products with A itself are dear, by passes on a cheap model of it.

    Each pass minimises f(w0) + 2 q0'd + d'Md over the simplex, with the exact q0 at the point w0 reached so far, so
    that M's error acts on the step alone and shrinks with it; an exact search along the step keeps f from rising.

    Args:
        exact: Multiplies (m,) float64 by A, or estimates that.
        linear: b, (m,) float64.
        model: M.
        start: Where to start, exact.
        tolerance: Stops when the exact gap <= tolerance x optimum.
        passes: Most exact products.
        steps: Most steps of a pass; None: `MODEL_STEPS`.
        tally: Counts iterations of all passes.

    Returns:
        The solution; its gap and objective are exact, its iterations those of all passes.
    """
    best = Solution.of(start, tolerance=tolerance, iterations=0)
    limit = MODEL_STEPS if steps is None else steps
    for _ in range(passes):
        if best.converged:
            break
        inner = minimise_on_simplex(model, best.point, tolerance=0.5 * tolerance, limit=limit, tally=tally)
        reached = best.point.towards(inner.point.weights, exact(inner.point.weights) - linear)
        done = best.iterations + inner.iterations
        found = Solution.of(reached, tolerance=tolerance, iterations=done)
        small = best.point.objective - reached.objective <= WORTH_A_PASS * (start.objective - reached.objective)
        # Among points of nearly the same value the smaller gap says more.
        stalled = small and found.gap > 0.5 * best.gap
        best = found
        if stalled:
            break
    return best
