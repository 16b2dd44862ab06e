"""Rows in two precisions: distances, and an error of the likeness that is never exceeded."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from synalign.sampling import rows as rows_module
from synalign.sampling.rows import Rows, paired_distances, panels
from tests.sampling.oracles import clustered_rows, with_duplicates


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_likeness_is_within_its_error_of_the_truth(dtype: type) -> None:
    rows = Rows.of(clustered_rows(60, 48, seed=1).astype(dtype))
    points = rows.given.astype(np.float64)
    truth = points[:20] @ points.T - np.square(points).sum(axis=1) / 2
    found = rows.likeness(slice(0, 20), slice(0, 60))
    assert found.dtype == np.float32
    assert 0.0 < np.abs(found - truth).max() <= rows.likeness_error


@pytest.mark.parametrize("height", [7, 60, 512])
def test_closeness_is_minus_half_the_squared_distance_and_the_same_both_ways(
    height: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_module, "CLOSENESS_ROWS", height)
    given = clustered_rows(60, 48, seed=1).astype(np.float32)
    rows, found = Rows.of(given), np.empty((60, 60), dtype=np.float32)
    rows.closeness(found)
    assert np.abs(found - cdist(given, given, "sqeuclidean") / -2.0).max() <= rows.likeness_error
    apart = np.subtract.outer(np.arange(60) // height, np.arange(60) // height) != 0
    np.testing.assert_array_equal(found[apart], found.T[apart])


def test_likeness_orders_rows_as_their_distances_do() -> None:
    given = clustered_rows(40, seed=2)
    found = Rows.of(given).likeness(slice(0, 40), slice(0, 40))
    distances = cdist(given, given)
    np.testing.assert_array_equal(np.argsort(-found, axis=1)[:, :5], np.argsort(distances, axis=1)[:, :5])


def test_paired_distances_are_those_of_scipy_and_exactly_zero_for_copies() -> None:
    rows = with_duplicates(30, seed=3)
    left, right = (side.ravel() for side in np.meshgrid(np.arange(30), np.arange(30)))
    found = paired_distances(rows, left, right)
    np.testing.assert_allclose(found, cdist(rows, rows, "sqeuclidean")[right, left], atol=1e-13)
    same = (rows[left] == rows[right]).all(axis=1)
    assert same.sum() == 90 and not found[same].any() and found[~same].all()


def test_float32_rows_are_not_copied_and_exact_ones_are() -> None:
    given = clustered_rows(5).astype(np.float32)
    rows = Rows.of(given)
    assert rows.single is given
    exact = rows.exact(np.array([1, 3]))
    assert exact.rows.dtype == np.float64 and not np.shares_memory(exact.rows, given)
    np.testing.assert_allclose(exact.squares, np.square(given[[1, 3]].astype(np.float64)).sum(axis=1))


@pytest.mark.parametrize(("count", "height"), [(0, 3), (1, 3), (7, 3), (9, 3)])
def test_panels_cover_everything_once(count: int, height: int) -> None:
    parts = panels(count, height)
    assert [row for part in parts for row in range(count)[part]] == list(range(count))
    assert all(part.stop - part.start <= height for part in parts)
