"""The solver on the simplex where it is hard: singular curvature, strong terms, no block to factorise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synalign.alignment import align, simplex
from tests.alignment.rows import MIXTURE, rows_of


@pytest.mark.parametrize("coverage", [100.0, 1_000.0])
@pytest.mark.parametrize("ridge", [0.0, 3e-4])
def test_strong_coverage_converges(coverage: float, ridge: float) -> None:
    documents = np.random.default_rng(0).integers(0, 40, size=120)
    found = align(
        rows_of(120, seed=1), rows_of(90, seed=2, skew=-1.0), documents=documents, coverage=coverage, ridge=ridge
    )
    assert found.converged and found.iterations < 2_000


@pytest.mark.parametrize("bandwidths", [None, 3.0, MIXTURE])
def test_hardly_any_dimension_and_no_ridge_converges(bandwidths: object) -> None:
    synthetic, real = rows_of(80, seed=1, width=2), rows_of(90, seed=2, skew=-1.0, width=2)
    found = align(synthetic, real, bandwidths=bandwidths, ridge=0.0)  # type: ignore[arg-type]
    assert found.converged


def test_a_curvature_without_block_takes_gradient_steps_only() -> None:
    matrix = torch.eye(5, dtype=torch.float64)
    start = simplex.start_at(matrix.mv, torch.arange(5.0, dtype=torch.float64), 0.0, torch.full((5,), 0.2).double())
    found = simplex.minimise_on_simplex(simplex.Quadratic(matrix.mv), start, tolerance=1e-9)
    np.testing.assert_allclose(found.point.weights, [0, 0, 0, 0, 1], atol=1e-8)
