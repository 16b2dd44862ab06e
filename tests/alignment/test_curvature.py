"""The forms for large sizes, made to be taken by small ones."""

from __future__ import annotations

import numpy as np
import pytest

from synalign.alignment import align, curvature
from tests.alignment.rows import MIXTURE, rows_of


@pytest.mark.parametrize("exact_rows", [10**6, 0])
@pytest.mark.parametrize("single", [True, False])
def test_reach_the_optimum_of_the_exact_matrix(monkeypatch: pytest.MonkeyPatch, single: bool, exact_rows: int) -> None:
    synthetic, real = rows_of(300, seed=1), rows_of(200, seed=2, skew=-1.0)
    documents = np.random.default_rng(3).integers(0, 60, size=300)
    optimum = align(synthetic, real, documents=documents, tolerance=1e-9)
    monkeypatch.setattr(curvature, "DOUBLE_BYTES", 0)
    monkeypatch.setattr(curvature, "EXACT_ROWS", exact_rows)
    monkeypatch.setattr(curvature, "LANDMARKS", 100)
    if not single:
        monkeypatch.setattr(curvature, "SINGLE_BYTES", 0)
    found = align(synthetic, real, documents=documents, tolerance=1e-3)
    assert found.converged
    rounding = 1e-12 if exact_rows else 1e-6
    assert -rounding <= found.objective - optimum.objective <= found.gap + rounding
    assert found.certificate == ("float64" if exact_rows else "float32")
    assert optimum.certificate == "float64"


def test_the_float32_matrix_certifies_below_its_own_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curvature, "DOUBLE_BYTES", 0)
    found = align(rows_of(300, seed=1), rows_of(200, seed=2, skew=-1.0), bandwidths=MIXTURE, tolerance=1e-6)
    assert found.converged and found.gap <= 1e-6 * found.objective


def test_a_poor_model_never_raises_the_objective_and_tells_the_true_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    synthetic, real = rows_of(300, seed=1), rows_of(200, seed=2, skew=-1.0)
    optimum = align(synthetic, real, bandwidths=MIXTURE, ridge=0.0)
    for name, value in (("DOUBLE_BYTES", 0), ("SINGLE_BYTES", 0), ("LANDMARKS", 3)):
        monkeypatch.setattr(curvature, name, value)
    found = align(synthetic, real, bandwidths=MIXTURE, ridge=0.0)
    assert found.mmd2 < found.mmd2_uniform
    assert 0.0 <= found.objective - optimum.objective + optimum.gap <= found.gap + optimum.gap
