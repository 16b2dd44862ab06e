"""Projected gradient steps: the projection, the curvature on the simplex, and steps that raise it."""

from __future__ import annotations

import numpy as np
import pytest
import quadprog
import torch

from synalign.alignment import gradient


@pytest.mark.parametrize("point", [[0.2, 0.3, 0.5], [5.0, 0.0, 0.0], [0.4, 0.4, 0.4], [-1.0, -2.0, -3.0], [0.7]])
def test_projection_is_the_nearest_point_of_the_simplex(point: list[float]) -> None:
    rows = len(point)
    constraints = np.column_stack([np.ones(rows), np.eye(rows)])
    nearest = quadprog.solve_qp(np.eye(rows), np.array(point), constraints, np.r_[1.0, np.zeros(rows)], 1)[0]
    found = gradient.project(torch.tensor(point, dtype=torch.float64)).numpy()
    np.testing.assert_allclose(found, nearest, atol=1e-14)


def test_curvature_is_that_on_the_plane_of_the_simplex_and_never_more() -> None:
    generator = np.random.default_rng(0)
    root = generator.normal(size=(12, 12))
    # A constant direction with a huge eigenvalue, which no step between points of the simplex has.
    matrix = root @ root.T + 1e4 * np.ones((12, 12))
    plane = np.eye(12) - 1 / 12
    largest = np.linalg.eigvalsh(plane @ matrix @ plane)[-1]
    product = torch.from_numpy(matrix).mv
    found = gradient.largest_curvature(product, torch.from_numpy(generator.normal(size=12)))
    assert 0.0 < found <= largest * (1 + 1e-12)
    leading = np.linalg.eigh(plane @ matrix @ plane)[1][:, -1]
    assert gradient.largest_curvature(product, torch.from_numpy(leading)) == pytest.approx(largest)


def test_steps_reach_the_minimum_that_quadprog_finds() -> None:
    generator = np.random.default_rng(1)
    root = generator.normal(size=(6, 6))
    matrix, linear = root @ root.T + np.eye(6), generator.normal(size=6)
    constraints = np.column_stack([np.ones(6), np.eye(6)])
    expected = quadprog.solve_qp(matrix, linear, constraints, np.r_[1.0, np.zeros(6)], 1)[0]
    product, start = torch.from_numpy(matrix).mv, torch.full((6,), 1 / 6, dtype=torch.float64)
    steps = gradient.Accelerated(product, start, product(start) - torch.from_numpy(linear))
    for _ in range(500):
        steps.advance()
    np.testing.assert_allclose(steps.weights.numpy(), expected, atol=1e-8)
    np.testing.assert_allclose(steps.half_gradient, product(steps.weights) - torch.from_numpy(linear), atol=1e-9)
