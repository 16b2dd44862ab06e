"""The largest posterior variance, against processes solved from scratch and hand-worked cases."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.errors import ArgumentError
from synalign.sampling import LengthScaleWarning, sample_demonstrations, whitened
from tests.sampling.oracles import (
    clustered_rows,
    real_rows,
    variance_by_hand,
    variance_by_updates,
    with_duplicates,
    with_near_duplicates,
)

PROPERTY = settings(max_examples=20, derandomize=True)


@pytest.fixture(params=["matrix kept", "evaluated afresh"], autouse=True, scope="module")
def size_of_the_matrix(request: pytest.FixtureRequest) -> Iterator[None]:
    """Rows few enough to keep their whitened kernel, and (as if) too many."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "evaluated afresh":
            patch.setattr(whitened, "BYTES", 0)
        yield


class TestVariance:
    @pytest.mark.parametrize("length_scale", [0.3, 0.7, 1.4])
    @pytest.mark.parametrize("shown_rows", [0, 5])
    @pytest.mark.parametrize("duplicated", [False, True])
    def test_picks_and_variances_are_those_of_a_process_solved_from_scratch(
        self, length_scale: float, shown_rows: int, duplicated: bool
    ) -> None:
        rows = with_duplicates(90, seed=1) if duplicated else clustered_rows(90, seed=1)
        shown = clustered_rows(5, seed=9)[:shown_rows]
        expected = variance_by_hand(rows, 12, 4, length_scale, 1e-2, shown)
        found = sample_demonstrations(
            rows, 12, 4, length_scale=length_scale, criterion="variance", shown=shown if shown_rows else None
        )
        np.testing.assert_array_equal(found.anchors, expected.anchors)
        np.testing.assert_array_equal(found.neighbours, expected.neighbours)
        np.testing.assert_allclose(found.variance, expected.variance, rtol=0, atol=1e-11)
        np.testing.assert_allclose(found.uncertainty, expected.uncertainty, rtol=0, atol=1e-11)

    @pytest.mark.parametrize("length_scale", [0.1, 0.3, 0.5, 1.0])
    @pytest.mark.parametrize("kind", ["real", "near duplicates"])
    def test_float32_rows_are_picked_as_in_double_precision(self, length_scale: float, kind: str) -> None:
        rows = real_rows() if kind == "real" else with_near_duplicates(150, seed=3)
        expected = variance_by_hand(rows, 12, 5, length_scale, 1e-2, rows[:0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LengthScaleWarning)
            found = sample_demonstrations(rows, 12, 5, length_scale=length_scale, criterion="variance")
        np.testing.assert_array_equal(found.anchors, expected.anchors)
        np.testing.assert_array_equal(found.neighbours, expected.neighbours)
        np.testing.assert_allclose(found.variance, expected.variance, rtol=0, atol=1e-9)
        np.testing.assert_allclose(found.uncertainty, expected.uncertainty, rtol=0, atol=1e-9)

    @pytest.mark.parametrize("length_scale", [0.6, 1.0])
    def test_ten_thousand_float32_rows_are_picked_as_by_updates_in_double_precision(self, length_scale: float) -> None:
        rows = clustered_rows(10_000, 48, seed=4, clusters=40).astype(np.float32)
        expected = variance_by_updates(rows, 20, 7, length_scale, 1e-2)
        found = sample_demonstrations(rows, 20, 7, length_scale=length_scale, criterion="variance")
        np.testing.assert_array_equal(found.anchors, expected.anchors)
        np.testing.assert_array_equal(found.neighbours, expected.neighbours)
        np.testing.assert_allclose(found.variance, expected.variance, rtol=0, atol=1e-9)

    def test_tiny_noise_that_single_precision_cannot_screen_changes_nothing(self) -> None:
        rows = clustered_rows(400, 6, seed=5).astype(np.float32)
        expected = variance_by_updates(rows, 20, 4, 1.0, 1e-7)
        found = sample_demonstrations(rows, 20, 4, length_scale=1.0, noise=1e-7, criterion="variance")
        np.testing.assert_array_equal(found.anchors, expected.anchors)

    def test_noise_of_shown_rows_is_that_of_a_process_solved_from_scratch(self) -> None:
        rows, shown = clustered_rows(90, seed=1), clustered_rows(6, seed=9)
        shown_noise = np.array([0.01, 0.1, 0.5, 1.0, 4.0, 100.0])
        expected = variance_by_hand(rows, 10, 3, 0.7, 1e-2, shown, shown_noise)
        found = sample_demonstrations(
            rows, 10, 3, length_scale=0.7, criterion="variance", shown=shown, shown_noise=shown_noise
        )
        np.testing.assert_array_equal(found.anchors, expected.anchors)
        np.testing.assert_allclose(found.variance, expected.variance, rtol=0, atol=1e-11)
        np.testing.assert_allclose(found.uncertainty, expected.uncertainty, rtol=0, atol=1e-11)

    def test_first_anchor_is_row_zero_when_nothing_was_shown(self) -> None:
        selection = sample_demonstrations(clustered_rows(30), 2, 3, criterion="variance")
        assert selection.anchors[0] == 0
        assert selection.variance[0] == 1.0

    def test_variance_after_one_row_is_the_hand_worked_one(self) -> None:
        # Rows at a right angle: |x - y|^2 = 2, k = exp(-1), variance 1 - exp(-2) / (1 + noise).
        selection = sample_demonstrations(np.eye(2), 2, 0, length_scale=1.0, noise=0.5, criterion="variance")
        np.testing.assert_allclose(selection.variance, [1.0, 1.0 - np.exp(-2.0) / 1.5], rtol=1e-14)

    def test_running_out_of_unobserved_rows_is_an_error_that_says_how_many_rounds_fit(self) -> None:
        with pytest.raises(ArgumentError, match=r"batches == 4, must be <= 2 here"):
            sample_demonstrations(clustered_rows(6, clusters=1), 4, 4, criterion="variance")

    @PROPERTY
    @given(seed=st.integers(0, 1000), neighbours=st.integers(0, 4))
    def test_order_of_rows_does_not_matter_once_something_was_shown(self, seed: int, neighbours: int) -> None:
        rows, shown = clustered_rows(40, seed=seed), clustered_rows(3, seed=seed + 1)
        order = np.random.default_rng(seed).permutation(40)
        plain = sample_demonstrations(rows, 6, neighbours, criterion="variance", shown=shown)
        mixed = sample_demonstrations(rows[order], 6, neighbours, criterion="variance", shown=shown)
        np.testing.assert_array_equal(order[mixed.anchors], plain.anchors)
        np.testing.assert_array_equal(order[mixed.neighbours], plain.neighbours)
