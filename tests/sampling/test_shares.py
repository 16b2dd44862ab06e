"""Batches shared among labels, against a slow definition of the largest remainder and the promises made."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.errors import ArgumentError
from synalign.sampling.shares import share_batches


def hamilton(weights: list[int], seats: int) -> list[int]:
    """The largest remainder by hand, for labels that can fill any number of batches."""
    quota = [seats * weight / sum(weights) for weight in weights]
    given = [int(share) for share in quota]
    order = sorted(range(len(weights)), key=lambda n: (-(quota[n] - given[n]), -weights[n], n))
    for label in order[: seats - sum(given)]:
        given[label] += 1
    return given


@settings(max_examples=200)
@given(st.lists(st.integers(1, 500), min_size=1, max_size=12), st.integers(1, 60))
def test_without_bounds_it_is_the_largest_remainder(traffic: list[int], batches: int) -> None:
    expected = hamilton(traffic, batches)
    if batches >= len(traffic) and 0 in expected:
        return  # then every label is promised one, which the plain rule does not
    found = share_batches(traffic, [10**6] * len(traffic), batches, 8, "proportional")
    assert found.tolist() == expected


labels = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 60)), min_size=1, max_size=12)


@settings(max_examples=300)
@given(labels, st.integers(1, 60), st.integers(1, 9), st.sampled_from(["proportional", "equal"]))
def test_it_gives_all_it_can_and_no_label_more_than_it_can_fill(
    content: list[tuple[int, int]], batches: int, size: int, balance: str
) -> None:
    traffic, rows = map(list, zip(*content, strict=True))
    found = share_batches(traffic, rows, batches, size, balance)
    most = [max(count // size, 1) if count else 0 for count in rows]
    assert (found <= most).all()
    assert (found >= 0).all()
    assert found.sum() == min(batches, sum(most))
    if batches >= sum(count > 0 for count in rows):
        assert (found[np.array(rows) > 0] >= 1).all()


def test_equal_gives_every_label_the_same_and_what_is_left_to_the_busiest() -> None:
    assert share_batches([5, 90, 5], [100] * 3, 9, 8, "equal").tolist() == [3, 3, 3]
    assert share_batches([5, 90, 6], [100] * 3, 11, 8, "equal").tolist() == [3, 4, 4]


def test_fewer_batches_than_labels_go_to_the_busiest() -> None:
    for balance in ("proportional", "equal"):
        assert share_batches([1, 50, 2, 40], [100] * 4, 2, 8, balance).tolist() == [0, 1, 0, 1]


def test_labels_without_traffic_share_alike() -> None:
    assert share_batches([0, 0], [20, 20], 4, 8, "proportional").tolist() == [2, 2]


@pytest.mark.parametrize(
    ("traffic", "rows", "batches", "message"),
    [
        ([1, 2], [1], 1, "rows.shape"),
        ([-1.0], [1], 1, "traffic == "),
        ([float("nan")], [1], 1, "traffic == "),
        ([1], [-1], 1, "rows == "),
        ([1], [1], 0, "batches == 0"),
    ],
)
def test_impossible_numbers_are_named(traffic: list[float], rows: list[int], batches: int, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        share_batches(traffic, rows, batches, 8, "equal")
