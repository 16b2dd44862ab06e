"""The gain of whole blocks, against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.sampling import coverage, lazy, sample_demonstrations
from tests.sampling.oracles import (
    clustered_rows,
    coverage_by_hand,
    coverage_shortfall,
    posterior_from_scratch,
    real_rows,
    with_duplicates,
    with_near_duplicates,
)

PROPERTY = settings(max_examples=20, derandomize=True)


class TestCoverage:
    @pytest.mark.parametrize("breadth", [4, 9])
    @pytest.mark.parametrize("shown_rows", [0, 5])
    @pytest.mark.parametrize("duplicated", [False, True])
    def test_picks_are_those_of_brute_force(self, breadth: int, shown_rows: int, duplicated: bool) -> None:
        rows = with_duplicates(90, seed=2) if duplicated else clustered_rows(90, seed=2)
        counts = np.random.default_rng(3).integers(1, 50, size=90)
        shown = clustered_rows(5, seed=9)[:shown_rows]
        anchors, members = coverage_by_hand(rows, 10, 4, breadth, 0.8, 1e-2, np.sqrt(counts), shown)
        found = sample_demonstrations(
            rows, 10, 4, length_scale=0.8, breadth=breadth, counts=counts, shown=shown if shown_rows else None
        )
        assert found.anchors.tolist() == anchors
        assert found.neighbours.tolist() == members

    @pytest.mark.parametrize("length_scale", [0.3, 0.9])
    def test_near_duplicates_never_lose_a_gain_that_double_precision_sees(self, length_scale: float) -> None:
        rows = with_near_duplicates(150, seed=3)
        found = sample_demonstrations(rows, 8, 5, length_scale=length_scale, breadth=10)
        assert coverage_shortfall(rows, found, 10, length_scale, 1e-2, np.ones(150)) <= 1e-8

    @pytest.mark.parametrize("length_scale", [0.5, 0.9])
    def test_real_float32_rows_are_picked_as_in_double_precision(self, length_scale: float) -> None:
        rows = real_rows()
        counts = np.random.default_rng(3).integers(1, 50, size=len(rows))
        expected = coverage_by_hand(rows, 8, 5, 10, length_scale, 1e-2, np.sqrt(counts), rows[:0])
        found = sample_demonstrations(rows, 8, 5, length_scale=length_scale, breadth=10, counts=counts)
        assert (found.anchors.tolist(), found.neighbours.tolist()) == expected

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("copies", [2, 5])
    def test_ties_of_copies_go_to_the_lowest_index_in_anchors_and_members(self, dtype: type, copies: int) -> None:
        points = np.repeat(clustered_rows(240 // copies, 12, seed=11), copies, axis=0)
        rows = np.random.default_rng(1).permutation(points).astype(dtype)
        shown, shown_noise = clustered_rows(4, 12, seed=12), np.array([0.01, 0.3, 1.0, 50.0])
        expected = coverage_by_hand(rows, 20, 5, 12, 0.8, 1e-2, np.ones(240), shown, shown_noise)
        found = sample_demonstrations(rows, 20, 5, length_scale=0.8, breadth=12, shown=shown, shown_noise=shown_noise)
        assert (found.anchors.tolist(), found.neighbours.tolist()) == expected

    @pytest.mark.parametrize("entry", [1e-12, 1.0])
    def test_members_do_not_depend_on_how_much_single_precision_is_trusted(
        self, entry: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # 1e-12: what ties is seen to err by more, and decided in double precision; 1: all of it is.
        rows = with_near_duplicates(150, seed=5)
        expected = sample_demonstrations(rows, 12, 5, breadth=10)
        monkeypatch.setattr(coverage, "ENTRY_MARGIN", entry)
        found = sample_demonstrations(rows, 12, 5, breadth=10)
        assert found.anchors.tolist() == expected.anchors.tolist()
        assert coverage_shortfall(rows, found, 10, found.length_scale, 1e-2, np.ones(150)) <= (
            1e-4 if entry < 1 else 1e-8
        )

    def test_noise_of_shown_rows_weakens_what_they_tell(self) -> None:
        rows, shown = clustered_rows(90, seed=1), clustered_rows(6, seed=9)
        shown_noise = np.array([0.01, 0.1, 0.5, 1.0, 4.0, 100.0])
        expected = coverage_by_hand(rows, 8, 3, 8, 0.7, 1e-2, np.ones(90), shown, shown_noise)
        found = sample_demonstrations(rows, 8, 3, length_scale=0.7, breadth=8, shown=shown, shown_noise=shown_noise)
        assert (found.anchors.tolist(), found.neighbours.tolist()) == expected

    def test_a_flood_of_near_copies_draws_one_batch_only(self) -> None:
        generator = np.random.default_rng(5)
        flood = clustered_rows(1, 32, seed=8) + 1e-3 * generator.normal(size=(400, 32))
        rows = np.concatenate([clustered_rows(400, 32, seed=5, clusters=12), flood])
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        found = sample_demonstrations(rows, 12, 7)
        assert np.count_nonzero(found.anchors >= 400) == 1

    def test_junk_that_nobody_is_near_draws_hardly_anything_where_the_largest_variance_takes_it_all(self) -> None:
        # Every piece of junk has a direction of its own.
        rows = np.zeros((412, 44))
        rows[:400, :32] = clustered_rows(400, 32, seed=6, clusters=4)
        rows[400:, 32:] = np.eye(12)
        ours = sample_demonstrations(rows, 12, 3, length_scale=0.8)
        papers = sample_demonstrations(rows, 24, 3, length_scale=0.8, criterion="variance")
        # One may be drawn for its neighbours: the rows nearest to an outlier lie in several clusters.
        assert np.count_nonzero(ours.anchors >= 400) <= 1
        assert np.count_nonzero(papers.anchors >= 400) == 12

    def test_scale_of_counts_does_not_matter(self) -> None:
        rows = clustered_rows(200, seed=7)
        counts = np.random.default_rng(7).integers(1, 9, size=200)
        plain, scaled = (sample_demonstrations(rows, 8, 4, counts=times * counts) for times in (1, 10_000))
        np.testing.assert_array_equal(plain.anchors, scaled.anchors)
        np.testing.assert_array_equal(plain.neighbours, scaled.neighbours)

    @PROPERTY
    @given(seed=st.integers(0, 1000))
    def test_order_of_rows_does_not_matter_where_no_two_blocks_are_the_same(self, seed: int) -> None:
        rows, order = clustered_rows(40, seed=seed).astype(np.float32), np.random.default_rng(seed).permutation(40)
        counts = np.random.default_rng(seed + 1).uniform(1, 9, size=40)
        plain = sample_demonstrations(rows, 8, 0, counts=counts)
        mixed = sample_demonstrations(rows[order], 8, 0, counts=counts[order])
        np.testing.assert_array_equal(order[mixed.anchors], plain.anchors)

    def test_picks_are_those_of_brute_force_when_every_row_is_used_up(self) -> None:
        rows = clustered_rows(48, seed=4)
        anchors, members = coverage_by_hand(rows, 12, 3, 5, 0.8, 1e-2, np.ones(48), rows[:0])
        found = sample_demonstrations(rows, 12, 3, length_scale=0.8, breadth=5)
        assert (found.anchors.tolist(), found.neighbours.tolist()) == (anchors, members)
        assert sorted([*found.anchors, *found.neighbours.ravel()]) == list(range(48))

    def test_lazy_batches_smaller_than_the_candidates_change_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = clustered_rows(200, seed=5)
        expected = sample_demonstrations(rows, 10, 3)
        monkeypatch.setattr(lazy, "FIRST_BATCH", 3)
        monkeypatch.setattr(lazy, "EXACT_BATCH", 2)
        monkeypatch.setattr(coverage, "PANEL_COLUMNS", 7)
        monkeypatch.setattr(coverage, "PANEL_ROWS", 5)
        monkeypatch.setattr(coverage, "SCREEN_ROWS", 3)
        monkeypatch.setattr(coverage, "EXACT_BYTES", 4096)
        monkeypatch.setattr(coverage, "EXACT_COLUMNS", 9)
        found = sample_demonstrations(rows, 10, 3)
        np.testing.assert_array_equal(found.anchors, expected.anchors)
        np.testing.assert_array_equal(found.neighbours, expected.neighbours)

    def test_variance_and_uncertainty_are_the_exact_posterior_not_the_bound(self) -> None:
        rows, shown = clustered_rows(60, seed=6), clustered_rows(4, seed=7)
        found = sample_demonstrations(rows, 5, 3, length_scale=0.8, shown=shown)
        observed = shown
        for batch in range(5):
            variance = posterior_from_scratch(observed, rows, 0.8, 1e-2)
            np.testing.assert_allclose(found.variance[batch], variance[found.anchors[batch]], atol=1e-12)
            picked = [found.anchors[batch], *found.neighbours[batch]]
            observed = np.concatenate([observed, rows[picked]])
            mean = posterior_from_scratch(observed, rows, 0.8, 1e-2).mean()
            np.testing.assert_allclose(found.uncertainty[batch], mean, atol=1e-12)

    def test_lowers_uncertainty_more_than_the_largest_variance_does(self) -> None:
        rows = clustered_rows(400, 16, seed=8, clusters=20)
        ours = sample_demonstrations(rows, 8, 7)
        papers = sample_demonstrations(rows, 8, 7, criterion="variance")
        assert ours.uncertainty[-1] < papers.uncertainty[-1]

    def test_traffic_draws_the_first_batch(self) -> None:
        # Two far clusters; the second one has all the traffic.
        rows = np.concatenate([np.tile([1.0, 0.0], (6, 1)), np.tile([0.0, 1.0], (4, 1))])
        counts = [1] * 6 + [100] * 4
        assert sample_demonstrations(rows, 1, 1).anchors[0] == 0
        assert sample_demonstrations(rows, 1, 1, counts=counts).anchors[0] == 6

    def test_goes_where_earlier_runs_did_not(self) -> None:
        rows = np.concatenate([np.tile([1.0, 0.0], (6, 1)), np.tile([0.0, 1.0], (4, 1))])
        assert sample_demonstrations(rows, 1, 1, shown=rows[:1]).anchors[0] == 6

    @PROPERTY
    @given(seed=st.integers(0, 1000), batches=st.integers(1, 6), neighbours=st.integers(0, 5), extra=st.integers(0, 9))
    def test_rows_are_distinct_and_uncertainty_never_rises(
        self, seed: int, batches: int, neighbours: int, extra: int
    ) -> None:
        rows = with_duplicates(39, seed=seed)
        selection = sample_demonstrations(rows, batches, neighbours, breadth=neighbours + extra)
        assert len(np.unique([*selection.anchors, *selection.neighbours.ravel()])) == batches * (neighbours + 1)
        assert (np.diff(selection.uncertainty) <= 1e-12).all()
        assert ((selection.variance >= 0) & (selection.variance <= 1)).all()
