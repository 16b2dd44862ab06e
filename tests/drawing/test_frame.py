"""Axes: round numbers that reach what is shown, and no more of them than have room."""

import itertools

import pytest

from synalign.drawing.frame import Frame, counted_from_one, round_steps


@pytest.mark.parametrize("most", [1e-9, 0.013, 0.2, 0.87, 1.0, 3.0, 99.0, 12345.0])
def test_steps_are_few_and_reach_the_largest_value(most: float) -> None:
    steps = round_steps(most)
    assert steps[0] == 0.0
    assert steps[-1] >= most * (1 - 1e-9)
    assert 2 <= len(steps) <= 6
    assert steps[-2] < most


@pytest.mark.parametrize(("least", "most"), [(-1e-9, 0.0), (-0.3, 0.013), (-99.0, 1.0), (-7.0, 7.0), (-0.02, 0.0)])
def test_steps_on_both_sides_of_nothing_reach_both_ends_and_hold_nothing(least: float, most: float) -> None:
    steps = round_steps(most, least)
    assert steps[0] <= least * (1 - 1e-9)
    assert steps[-1] >= most * (1 - 1e-9)
    assert 0.0 in steps
    assert 2 <= len(steps) <= 7


@pytest.mark.parametrize("last", [1, 2, 3, 9, 28, 100, 365, 12_345])
def test_numbers_of_what_is_counted_begin_with_the_first_end_with_the_last_and_stand_apart(last: int) -> None:
    found = counted_from_one(last)
    assert (found[0], found[-1]) == (1, last)
    assert len(found) <= 7
    assert all(after - before > 0.07 * last for before, after in itertools.pairwise(found))


def test_edges_are_where_their_values_are() -> None:
    frame = Frame(10, 110, 20, 220, (0.0, 4.0), (-1.0, 1.0))
    assert frame.points([(0.0, -1.0), (4.0, 1.0), (1.0, 0.0)]) == "10,220 110,20 35,120"
    assert Frame(10, 110, 20, 220, (1, 1), (0.0, 1.0)).x(1) == "60"
