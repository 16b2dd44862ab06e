"""Checks of what callers pass, and distances against NumPy's own."""

from typing import Any

import numpy as np
import pytest

from synalign.arrays.checks import (
    Distinct,
    Points,
    counts_of,
    embedding_rows,
    evenly_spaced,
    median_distance,
    positive_widths,
    real_number,
    squared_distances,
    squared_norms,
    unit_rows,
    whole_number,
)  # fmt: skip
from synalign.errors import ArgumentError


def rows(count: int, dimensions: int = 5, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(count, dimensions))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def test_squared_distances_are_those_of_a_loop() -> None:
    left, right = rows(7), rows(4, seed=1)
    expected = [[float(((a - b) ** 2).sum()) for b in right] for a in left]
    np.testing.assert_allclose(squared_distances(Points.of(left), Points.of(right)), expected, atol=1e-14)
    np.testing.assert_allclose(squared_norms(left.astype(np.float32)), np.ones(7), rtol=1e-6)


def test_the_median_distance_is_that_of_all_pairs_and_never_nothing() -> None:
    drawn = rows(40)
    pairs = [np.linalg.norm(drawn[a] - drawn[b]) for a in range(40) for b in range(a)]
    assert median_distance(drawn) == pytest.approx(np.median(pairs))
    assert median_distance(np.repeat(drawn[:1], 9, axis=0)) == 1.0
    mostly_one = np.concatenate([np.repeat(drawn[:1], 9, axis=0), drawn[1:2]])
    assert median_distance(mostly_one) == pytest.approx(np.linalg.norm(drawn[0] - drawn[1]))


@pytest.mark.parametrize("check", [unit_rows, embedding_rows])
@pytest.mark.parametrize(
    "value",
    [
        np.ones(3), np.ones((0, 3)), np.ones((2, 3), dtype=int), 2.0 * rows(2), np.array([[np.nan, 1.0]]),
        np.ma.array(rows(2), mask=True), "text",
    ],
)  # fmt: skip
def test_both_checks_of_embeddings_refuse_the_same(check: Any, value: Any) -> None:
    with pytest.raises(ArgumentError, match="e"):
        check("vectors", value)


def test_single_precision_stays_as_it_is_and_halves_become_single() -> None:
    given = rows(3).astype(np.float32)
    assert embedding_rows("vectors", given) is given
    assert unit_rows("vectors", given).dtype == np.float64
    with pytest.raises(ArgumentError, match="must have 4 columns"):
        embedding_rows("vectors", given, width=4)


@pytest.mark.parametrize("value", [[1.0, -1.0], [0.0, 0.0], [1.0], [1.0, np.inf], ["a", "b"], [1j, 1.0]])
def test_counts_that_count_nothing_are_refused(value: Any) -> None:
    with pytest.raises(ArgumentError, match="counts"):
        counts_of("counts", value, 2)
    assert counts_of("counts", None, 2).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("value", [True, 1.5, "3", None, 0])
def test_a_whole_number_is_one(value: Any) -> None:
    with pytest.raises(ArgumentError, match="whole number"):
        whole_number("k", value, 1)
    assert whole_number("k", np.int64(3), 1) == 3


@pytest.mark.parametrize("value", ["1", np.nan, np.inf, np.ones(1), -1.0, 0.0, 9.0])
def test_a_real_number_is_finite_and_within_its_bounds(value: Any) -> None:
    with pytest.raises(ArgumentError, match="must be"):
        real_number("x", value, above=0.0, most=8.0)
    with pytest.raises(ArgumentError, match="bandwidths"):
        positive_widths([value] if value != 9.0 else [])


@pytest.mark.parametrize(("count", "most"), [(0, 3), (3, 9), (10, 3), (1_000, 7)])
def test_evenly_spaced_rows_are_distinct_and_begin_with_the_first(count: int, most: int) -> None:
    taken = evenly_spaced(count, most)
    assert len(set(taken.tolist())) == len(taken) == min(count, most)
    assert taken.tolist() == sorted(taken.tolist())
    assert set(np.diff(taken).tolist()) <= {count // max(1, len(taken)), count // max(1, len(taken)) + 1}


def test_copies_are_found_whatever_the_sign_of_zero() -> None:
    given = np.array([[0.0, 1.0], [1.0, 0.0], [-0.0, 1.0], [1.0, 0.0]])
    found = Distinct.of(given)
    assert (found.first.tolist(), found.group.tolist(), found.copies.tolist()) == ([0, 1], [0, 1, 0, 1], [2, 2])
    labelled = Distinct.of(given, np.array([0, 0, 0, 1]))
    assert labelled.group.tolist() == [0, 1, 0, 2]
