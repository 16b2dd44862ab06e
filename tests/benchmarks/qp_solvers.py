"""The problem of the weights, and what other programs make of it: four solvers for quadratic programs, and Adam."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.sparse as sparse
import torch

from synalign.alignment.curvature import dense
from synalign.alignment.simplex import Point, Solution, minimise_on_simplex, start_at
from tests.benchmarks.measurement import Skipped, seconds

TOLERANCE = 1e-6
"""Gap over optimum that ours is to certify, and a rival to reach within a factor of two."""

Floats = np.ndarray


class Problem(NamedTuple):
    """A, b and c of one kernel with or without the two penalties."""

    name: str
    matrix: torch.Tensor
    linear: torch.Tensor
    constant: float

    @property
    def uniform(self) -> torch.Tensor:
        return torch.full_like(self.linear, 1.0 / len(self.linear))

    def certify(self, weights: Floats | torch.Tensor) -> tuple[float, float]:
        """Objective and gap of weights, clipped to the simplex."""
        plain = torch.clamp(torch.tensor(np.asarray(weights), dtype=torch.float64), min=0.0)
        point = start_at(self.matrix.mv, self.linear, self.constant, plain / plain.sum())
        return point.objective, point.gap


def ours(problem: Problem) -> Solution:
    """The package's solver, on the same precomputed matrix as its rivals."""
    quadratic = dense(problem.matrix)
    start = start_at(quadratic.product, problem.linear, problem.constant, problem.uniform)
    return minimise_on_simplex(quadratic, start, tolerance=TOLERANCE)


def our_seconds(problem: Problem) -> tuple[float, float]:
    """Seconds of ours, and gap / objective, certified afresh."""
    found: list[Solution] = []
    took = seconds(lambda: found.append(ours(problem)))
    objective, gap = problem.certify(found[0].point.weights)
    return took, gap / objective


def by_quadprog(problem: Problem, _: float) -> Floats:
    import quadprog

    m = len(problem.linear)
    # It wants a definite matrix.
    matrix = 2 * problem.matrix.numpy() + 1e-10 * np.eye(m)
    limits = np.column_stack([np.ones(m), np.eye(m)])
    return np.asarray(quadprog.solve_qp(matrix, 2 * problem.linear.numpy(), limits, np.r_[1.0, np.zeros(m)], 1)[0])


def by_piqp(problem: Problem, tolerance: float) -> Floats:
    import piqp

    m = len(problem.linear)
    solver = piqp.DenseSolver()
    solver.settings.eps_abs, solver.settings.eps_rel = tolerance, 0.0
    solver.settings.eps_duality_gap_abs, solver.settings.eps_duality_gap_rel = tolerance, 0.0
    solver.setup(
        2 * problem.matrix.numpy(), -2 * problem.linear.numpy(), np.ones((1, m)), np.ones(1),
        x_l=np.zeros(m), x_u=np.full(m, np.inf),
    )  # fmt: skip
    solver.solve()
    return np.asarray(solver.result.x)


def by_osqp(problem: Problem, tolerance: float) -> Floats:
    import osqp

    m = len(problem.linear)
    solver = osqp.OSQP()
    limits = sparse.vstack([sparse.csc_matrix(np.ones((1, m))), sparse.eye(m)], format="csc")
    upper = sparse.csc_matrix(np.triu(2 * problem.matrix.numpy()))
    solver.setup(
        upper, -2 * problem.linear.numpy(), limits, np.r_[1.0, np.zeros(m)], np.r_[1.0, np.full(m, np.inf)],
        eps_abs=tolerance, eps_rel=0.0, verbose=False, max_iter=100_000, polishing=True,
    )  # fmt: skip
    return np.asarray(solver.solve().x, dtype=np.float64)


def by_clarabel(problem: Problem, tolerance: float) -> Floats:
    import clarabel

    m = len(problem.linear)
    settings = clarabel.DefaultSettings()
    settings.verbose, settings.max_threads = False, 2
    settings.tol_gap_abs = settings.tol_feas = tolerance
    settings.tol_gap_rel = tolerance
    limits = sparse.vstack([sparse.csc_matrix(np.ones((1, m))), -sparse.eye(m)], format="csc")
    cones = [clarabel.ZeroConeT(1), clarabel.NonnegativeConeT(m)]
    upper = sparse.csc_matrix(np.triu(2 * problem.matrix.numpy()))
    linear, sides = -2 * problem.linear.numpy(), np.r_[1.0, np.zeros(m)]
    return np.asarray(clarabel.DefaultSolver(upper, linear, limits, sides, cones, settings).solve().x)


RIVALS: dict[str, tuple[Callable[[Problem, float], Floats], tuple[float, ...]]] = {
    "PIQP": (by_piqp, (1e-8, 1e-10, 1e-11)),
    "quadprog": (by_quadprog, (0.0,)),
    "OSQP": (by_osqp, (1e-6, 1e-8)),
    "Clarabel": (by_clarabel, (1e-8, 1e-10)),
}
"""Solvers, each with its tolerances from loose to tight; the loosest that reaches the gap counts."""


def installed() -> list[str]:
    """Return the names of the solvers that can be imported."""
    return [name for name in RIVALS if importlib.util.find_spec(name.lower())]


def skipped() -> list[Skipped]:
    """Return a line for each solver that cannot."""
    missing = [name for name in RIVALS if name not in installed()]
    return [Skipped("weights", name, "not installed: pip install -e '.[bench]'") for name in missing]


def rival_seconds(problem: Problem, name: str) -> tuple[float, float]:
    """Seconds of a rival, set-up included, at its loosest tolerance that reaches the gap; and that gap / objective."""
    solve, tolerances = RIVALS[name]
    found: list[Floats] = []
    for tolerance in tolerances:
        found.clear()
        took = seconds(lambda tolerance=tolerance: found.append(solve(problem, tolerance)))  # type: ignore[misc]
        if np.isfinite(found[0]).all():
            objective, gap = problem.certify(found[0])
            if gap <= 2 * TOLERANCE * objective:
                return took, gap / objective
    return float("inf"), float("nan")


def adam_curve(problem: Problem, moments: list[float], rate: float) -> list[float]:
    """Best objective of Adam on softmax logits at each of the given seconds after its start."""
    logits = torch.zeros_like(problem.linear)
    mean, square = torch.zeros_like(logits), torch.zeros_like(logits)
    curve, best, step, started = [], float("inf"), 0, time.perf_counter()
    while len(curve) < len(moments):
        weights = torch.softmax(logits, 0)
        half = problem.matrix.mv(weights) - problem.linear
        along = torch.dot(weights, half)
        best = min(best, (along - torch.dot(weights, problem.linear)).item() + problem.constant)
        step += 1
        # By hand, so that it pays for no autograd: one product per step, as ours.
        gradient = 2.0 * weights * (half - along)
        mean.mul_(0.9).add_(gradient, alpha=0.1)
        square.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
        logits -= rate * (mean / (1 - 0.9**step)) / ((square / (1 - 0.999**step)).sqrt() + 1e-12)
        while len(curve) < len(moments) and time.perf_counter() - started >= moments[len(curve)]:
            curve.append(best)
    return curve


def our_curve(problem: Problem) -> list[tuple[float, float]]:
    """(seconds, best objective) after each product of our solver."""
    quadratic = dense(problem.matrix)
    curve: list[tuple[float, float]] = []
    started = time.perf_counter()
    start = start_at(quadratic.product, problem.linear, problem.constant, problem.uniform)
    moved = Point.moved

    def watched(self: Point, weights: torch.Tensor, half_gradient: torch.Tensor) -> Point:
        point = moved(self, weights, half_gradient)
        curve.append((time.perf_counter() - started, point.objective))
        return point

    Point.moved = watched  # type: ignore[method-assign]
    try:
        minimise_on_simplex(quadratic, start, tolerance=TOLERANCE)
    finally:
        Point.moved = moved  # type: ignore[method-assign]
    return curve
