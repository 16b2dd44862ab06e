"""Kernel blocks against double loops and hand-worked values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from synalign.alignment import kernels
from tests.alignment.rows import MIXTURE, rows_of

WIDTHS = [0.4, 1.3]


def unit(rows: int, width: int = 6, *, seed: int = 0) -> torch.Tensor:
    points = np.random.default_rng(seed).normal(size=(rows, width))
    return torch.from_numpy(points / np.linalg.norm(points, axis=1, keepdims=True))


def looped_kernel(left: torch.Tensor, right: torch.Tensor) -> np.ndarray:
    """The definition, entry by entry, with `math.exp`."""
    entries = np.empty((len(left), len(right)))
    for i, x in enumerate(left.numpy()):
        for j, y in enumerate(right.numpy()):
            squared = float(((x - y) ** 2).sum())
            entries[i, j] = sum(math.exp(-squared / (2 * width**2)) for width in WIDTHS) / len(WIDTHS)
    return entries


@pytest.fixture(autouse=True)
def small_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "PANEL_ROWS", 4)


def test_mixture_is_the_definition() -> None:
    left, right = unit(7), unit(5, seed=1)
    found = kernels.gaussian_mixture(left, right, WIDTHS).numpy()
    np.testing.assert_allclose(found, looped_kernel(left, right), rtol=0, atol=1e-14)


def test_mixture_of_opposite_rows_is_the_hand_worked_value() -> None:
    row = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    found = kernels.gaussian_mixture(row, -row, [1.0, 2.0]).item()
    assert found == pytest.approx((math.exp(-2.0) + math.exp(-0.5)) / 2, rel=1e-15)


@pytest.mark.parametrize("rows", [1, 4, 9])
def test_matrix_is_the_definition_exactly_symmetric_with_a_unit_diagonal(rows: int) -> None:
    points = unit(rows)
    found = kernels.kernel_matrix(points, WIDTHS).numpy()
    np.testing.assert_allclose(found, looped_kernel(points, points), rtol=0, atol=1e-14)
    assert (found == found.T).all() and (np.diag(found) == 1.0).all()


def test_mean_is_the_weighted_sum_over_targets() -> None:
    rows, targets = unit(9), unit(11, seed=2)
    masses = torch.from_numpy(np.random.default_rng(3).dirichlet(np.ones(11)))
    found = kernels.kernel_mean(rows, targets, masses, WIDTHS).numpy()
    np.testing.assert_allclose(found, looped_kernel(rows, targets) @ masses.numpy(), rtol=0, atol=1e-14)


def test_mean_and_energy_of_single_precision_rows_are_summed_to_their_precision() -> None:
    left, right = torch.from_numpy(rows_of(700, seed=1)), torch.from_numpy(rows_of(1_300, seed=2))
    masses = torch.full((1_300,), 1 / 1_300, dtype=torch.float64)
    found = kernels.kernel_mean(left.float(), right.float(), masses, MIXTURE)
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found, kernels.kernel_mean(left, right, masses, MIXTURE), atol=3e-6)
    energy = kernels.kernel_energy(right, masses, MIXTURE)
    assert kernels.kernel_energy(right.float(), masses, MIXTURE) == pytest.approx(energy, abs=3e-6)


@pytest.mark.parametrize("rows", [1, 4, 11])
def test_energy_is_the_quadratic_form(rows: int) -> None:
    points = unit(rows)
    masses = np.random.default_rng(4).dirichlet(np.ones(rows))
    found = kernels.kernel_energy(points, torch.from_numpy(masses), WIDTHS)
    assert found == pytest.approx(masses @ looped_kernel(points, points) @ masses, abs=1e-14)


class TestMedianDistance:
    def test_is_the_median_over_pairs(self) -> None:
        points = unit(15).numpy()
        pairs = [np.linalg.norm(points[i] - points[j]) for i in range(15) for j in range(i)]
        assert kernels.median_distance(points) == pytest.approx(np.median(pairs), rel=1e-12)

    def test_skips_zeros_when_most_pairs_coincide(self) -> None:
        points = np.concatenate([np.tile([1.0, 0.0], (9, 1)), [[0.0, 1.0]]])
        assert kernels.median_distance(points) == pytest.approx(math.sqrt(2.0))

    @pytest.mark.parametrize("rows", [1, 5])
    def test_is_one_when_all_rows_are_equal(self, rows: int) -> None:
        assert kernels.median_distance(np.tile(unit(1, 300).numpy(), (rows, 1))) == 1.0


def test_widths_in_powers_of_two_are_squared_not_exponentiated_again() -> None:
    left, right = (torch.from_numpy(rows_of(50, seed=seed)) for seed in (1, 2))
    squared = np.square(left.numpy()[:, None] - right.numpy()[None]).sum(axis=2)
    for widths in (MIXTURE, (4.8, 0.3, 1.2), (0.01, 1.28), (1.0, 0.7, 0.5)):
        plain = np.mean([np.exp(-squared / (2 * width**2)) for width in widths], axis=0)
        found = kernels.gaussian_mixture(left, right, widths).numpy()
        np.testing.assert_allclose(found, plain, rtol=0, atol=1e-13)
    same = kernels.gaussian_mixture(left.float(), right.float(), MIXTURE)
    assert same.dtype == torch.float32
    plain = np.mean([np.exp(-squared / (2 * width**2)) for width in MIXTURE], axis=0)
    np.testing.assert_allclose(same.numpy(), plain, rtol=0, atol=3.4e-6)


def test_product_without_the_matrix_is_that_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "PANEL_ROWS", 7)
    rows, vector = torch.from_numpy(rows_of(30, seed=1)), torch.from_numpy(np.random.default_rng(0).normal(size=30))
    expected = kernels.kernel_matrix(rows, MIXTURE) @ vector
    np.testing.assert_allclose(kernels.kernel_product(rows, vector, MIXTURE), expected, atol=1e-13)
    single = kernels.kernel_product(rows.float(), vector, MIXTURE)
    assert single.dtype == torch.float64
    np.testing.assert_allclose(single, expected, atol=2e-5)
