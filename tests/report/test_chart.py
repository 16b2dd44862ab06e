"""Charts: inside their frame, with a band where there is one."""

from __future__ import annotations

import re

import pytest

from synalign.report.chart import HEIGHT, WIDTH, Line, line_chart, round_steps
from synalign.report.svg import dumbbell, interval


def numbers(svg: str, pattern: str) -> list[float]:
    return [float(found) for found in re.findall(pattern, svg)]


@pytest.mark.parametrize("count", [1, 2, 24, 5_000])
def test_lines_stay_in_their_frame_and_have_few_points(count: int) -> None:
    heights = [1.0 / (1 + row) for row in range(count)]
    svg = str(
        line_chart(
            [Line("selected", heights, (heights, [2 * each for each in heights]))], label="a", across="b", up="c"
        )
    )
    points = re.findall(r'points="([^"]+)"', svg)
    assert len(points) == 2
    for x, y in (pair.split(",") for each in points for pair in each.split()):
        assert 0.0 <= float(x) <= WIDTH
        assert 0.0 <= float(y) <= HEIGHT
    assert all(len(each.split()) <= 400 for each in points)


@pytest.mark.parametrize("most", [1e-9, 0.013, 0.2, 0.87, 1.0, 3.0, 99.0, 12345.0])
def test_steps_are_few_and_reach_the_largest_value(most: float) -> None:
    steps = round_steps(most)
    assert steps[0] == 0.0
    assert steps[-1] >= most * (1 - 1e-9)
    assert 2 <= len(steps) <= 6
    assert steps[-2] < most


def test_marks_stand_where_their_values_are() -> None:
    places = numbers(str(dumbbell(0.5, [("raw", 0.0), ("weighted", 1.0)], 1.0)), r'cx="([\d.]+)%"')
    assert places[0] < 50.0 < places[1]
    assert places[0] + places[1] == pytest.approx(100.0)
    inside = numbers(str(interval(9.0, (-9.0, 9.0), (-1.0, 1.0), 0.0, "other")), r'(?:cx|x1|x2)="([\d.]+)%"')
    assert all(0.0 <= place <= 100.0 for place in inside)


def test_a_label_is_escaped() -> None:
    assert "<b>" not in line_chart([Line("selected", [1.0])], label="<b>", across="x", up="y")
