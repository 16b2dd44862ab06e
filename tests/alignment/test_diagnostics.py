"""Diagnostics against definitions, enumeration and hand-worked cases."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.alignment import diagnostics

PROPERTY = settings(max_examples=25, derandomize=True)


def looped_mmd2(x: np.ndarray, p: np.ndarray, y: np.ndarray, q: np.ndarray, width: float) -> float:
    """|sum_i p_i phi(x_i) - sum_j q_j phi(y_j)|^2 as one signed sum over all pairs."""
    points, signs = np.concatenate([x, y]), np.concatenate([p, -q])
    squared = np.square(points[:, None] - points[None]).sum(axis=2)
    return float(signs @ np.exp(-squared / (2 * width**2)) @ signs)


def unit(rows: int, seed: int) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(rows, 4))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


@PROPERTY
@given(weights=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30).filter(lambda values: sum(values) > 1e-3))
def test_effective_sample_size_is_between_one_and_the_rows_and_inverse_to_the_design_effect(
    weights: list[float],
) -> None:
    array = np.array(weights)
    size = diagnostics.effective_sample_size(array)
    assert 1.0 - 1e-12 <= size <= len(array) + 1e-12
    assert size * diagnostics.design_effect(array) == pytest.approx(len(array))


def test_effective_sample_size_is_the_hand_worked_one() -> None:
    # (1/2 + 1/4 + 1/4)^2 / (1/4 + 1/16 + 1/16) = 8 / 3
    weights = np.array([0.5, 0.25, 0.25])
    assert diagnostics.effective_sample_size(weights) == pytest.approx(8 / 3)
    assert diagnostics.design_effect(weights) == pytest.approx(9 / 8)


def test_document_effective_sample_size_counts_masses_not_rows() -> None:
    weights, documents = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0, 1, 0, 2])
    assert diagnostics.document_effective_sample_size(weights, documents) == pytest.approx(1 / (0.16 + 0.04 + 0.16))


def test_mmd2_is_the_signed_sum_over_all_pairs() -> None:
    x, y = unit(12, 0), unit(9, 1)
    p, q = (np.random.default_rng(seed).dirichlet(np.ones(rows)) for seed, rows in ((2, 12), (3, 9)))
    found = diagnostics.mmd2(*(torch.from_numpy(array) for array in (x, p, y, q)), bandwidths=[0.9])
    assert found == pytest.approx(looped_mmd2(x, p, y, q, 0.9), abs=1e-14)


def test_mmd2_of_a_sample_with_itself_is_zero_to_rounding() -> None:
    x, p = torch.from_numpy(unit(12, 0)), torch.full((12,), 1 / 12, dtype=torch.float64)
    assert diagnostics.mmd2(x, p, x.flip(0), p, [0.9]) < 1e-15


def test_held_out_pair_is_the_mmd2_of_each_weighting() -> None:
    x, z, weights = unit(12, 0), unit(7, 5), np.random.default_rng(6).dirichlet(np.ones(12))
    kernel = np.exp(-np.square(x[:, None] - x[None]).sum(axis=2) / (2 * 0.9**2))
    uniform, masses = np.full(12, 1 / 12), np.full(7, 1 / 7)
    found = diagnostics.compare_held_out(
        torch.from_numpy(x),
        torch.from_numpy(np.stack([uniform, weights], 1)),
        torch.from_numpy(z),
        energies=(uniform @ kernel @ uniform, weights @ kernel @ weights),
        bandwidths=[0.9],
    )
    assert found.mmd2_uniform == pytest.approx(looped_mmd2(x, uniform, z, masses, 0.9), abs=1e-14)
    assert found.mmd2 == pytest.approx(looped_mmd2(x, weights, z, masses, 0.9), abs=1e-14)


class TestSignFlip:
    def test_agrees_with_all_sign_patterns(self) -> None:
        improvement = np.random.default_rng(7).normal(0.4, 1.0, size=10)
        means = [np.dot(signs, improvement) for signs in itertools.product([-1, 1], repeat=10)]
        exact = np.mean(np.array(means) >= improvement.sum() - 1e-12)
        # Three standard errors of 9,999 random patterns.
        assert diagnostics.sign_flip_p_value(improvement) == pytest.approx(exact, abs=0.015)

    def test_three_equal_improvements_have_a_p_value_of_one_eighth(self) -> None:
        assert diagnostics.sign_flip_p_value(np.ones(3)) == pytest.approx(1 / 8, abs=0.01)

    def test_is_one_where_nothing_changed_and_never_zero(self) -> None:
        assert diagnostics.sign_flip_p_value(np.full(9, 1e-16)) == 1.0
        assert diagnostics.sign_flip_p_value(np.ones(100)) == 1e-4

    def test_a_worsening_is_not_significant(self) -> None:
        assert diagnostics.sign_flip_p_value(np.full(20, -0.1)) == 1.0

    def test_is_the_same_twice(self) -> None:
        improvement = np.random.default_rng(8).normal(size=30)
        assert diagnostics.sign_flip_p_value(improvement) == diagnostics.sign_flip_p_value(improvement)

    def test_rejects_at_its_level_under_the_null(self) -> None:
        draws = np.random.default_rng(9).normal(size=(400, 25))
        p_values = np.array([diagnostics.sign_flip_p_value(row, flips=199) for row in draws])
        # 5 % of 400 is 20; the binomial's standard deviation is 4.4.
        assert abs((p_values <= 0.05).sum() - 20) <= 13
