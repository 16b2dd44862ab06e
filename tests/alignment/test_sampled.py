"""Products that a sample corrects, against the whole kernel matrix."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from synalign.alignment import align, curvature, sampled
from synalign.alignment.kernels import kernel_energy, kernel_matrix, kernel_mean
from synalign.alignment.sampled import SampledKernels, draw_by_weight
from synalign.alignment.simplex import Quadratic, Solution, start_at
from tests.alignment.rows import MIXTURE, rows_of

NOTHING = Quadratic(torch.zeros_like)
"""A model that sees nothing: the sample must tell everything."""


def weights_of(rows: int, seed: int) -> torch.Tensor:
    weights = torch.from_numpy(np.random.default_rng(seed).exponential(size=rows))
    return weights / weights.sum()


def test_draws_are_in_proportion_to_the_weights_and_skip_zeros() -> None:
    weights = torch.tensor([0.1, 0.0, 0.6, 0.3], dtype=torch.float64)
    drawn = draw_by_weight(weights, 1000, 0.5)
    assert drawn.rows.tolist() == [0, 2, 3]
    np.testing.assert_allclose(drawn.shares, [0.1, 0.6, 0.3], atol=1e-3)


@pytest.mark.parametrize("model", ["nothing", "a poor one"])
def test_product_is_right_on_average_and_within_its_error(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampled, "SAMPLE_ROWS", 64)
    rows = torch.from_numpy(rows_of(1_100, seed=1))
    matrix, weights = kernel_matrix(rows, MIXTURE), weights_of(1_100, 2)
    kernels = NOTHING if model == "nothing" else Quadratic((0.5 * matrix + 0.1).mv)
    products = SampledKernels(rows.float(), MIXTURE, kernels, lambda vector: 3.0 * vector)
    expected = matrix.mv(weights) + 3.0 * weights
    found, energies, errors = [], [], []
    for _ in range(40):
        found.append(products.product(weights))
        energies.append(torch.dot(weights, found[-1]).item())
        errors.append(products.energy_error)
    spread = torch.stack(found).std(0) / 40**0.5
    assert ((torch.stack(found).mean(0) - expected).abs() <= 5.0 * spread + 1e-6).all()
    off = np.abs(np.array(energies) - torch.dot(weights, expected).item())
    # Systematic draws err less than the independent ones that the error supposes.
    assert (off <= 3.0 * np.array(errors)).mean() >= 0.95 and max(errors) > 0.0


def test_product_is_exact_where_the_sample_is_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampled, "SAMPLE_ROWS", 1_300)
    rows = torch.from_numpy(rows_of(650, seed=1))
    uniform = torch.full((650,), 1 / 650, dtype=torch.float64)
    products = SampledKernels(rows.float(), MIXTURE, NOTHING, torch.zeros_like)
    np.testing.assert_allclose(products.product(uniform), kernel_matrix(rows, MIXTURE).mv(uniform), atol=1e-5)


def test_certificate_is_the_true_gap_where_every_row_is_judged() -> None:
    rows = torch.from_numpy(rows_of(600, seed=1))
    matrix, linear, weights = kernel_matrix(rows, MIXTURE), weights_of(600, 3), weights_of(600, 4)
    exact = Solution.of(start_at(matrix.mv, linear, 0.0, weights), tolerance=1e-3, iterations=5)
    products = SampledKernels(rows.float(), MIXTURE, NOTHING, torch.zeros_like)
    found = products.certify(exact._replace(gap=9.0), linear, tolerance=1e-3)
    assert found.gap == pytest.approx(exact.gap, abs=1e-5) and found.converged == exact.converged


def test_weights_keep_the_gain_of_exact_kernels_and_tell_their_error(monkeypatch: pytest.MonkeyPatch) -> None:
    synthetic, real = rows_of(2_000, seed=1), rows_of(500, seed=2, skew=-1.0)
    best = align(synthetic, real, bandwidths=MIXTURE, ridge=0.0, tolerance=1e-4)
    for name, value in (("DOUBLE_BYTES", 0), ("SINGLE_BYTES", 0), ("SAMPLED_ROWS", 0), ("LANDMARKS", 200)):
        monkeypatch.setattr(curvature, name, value)
    monkeypatch.setattr(sampled, "SAMPLE_ROWS", 500)
    found = align(synthetic, real, bandwidths=MIXTURE, ridge=0.0, tolerance=1e-2)
    assert found.certificate == "sampled" and best.energy_error == 0.0 < found.energy_error
    rows, target = torch.from_numpy(synthetic), torch.from_numpy(real)
    equal = torch.full((500,), 1 / 500, dtype=torch.float64)
    matrix, linear = kernel_matrix(rows, MIXTURE), kernel_mean(rows, target, equal, MIXTURE)
    weights = torch.from_numpy(found.weights)
    value = start_at(matrix.mv, linear, kernel_energy(target, equal, MIXTURE), weights).objective
    assert value <= best.mmd2_uniform - 0.97 * (best.mmd2_uniform - best.mmd2)
    assert abs(found.mmd2 - value) <= 5.0 * found.energy_error + 1e-5
