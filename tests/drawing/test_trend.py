"""Charts over time: gaps, single values, and axes with and without 0."""

from __future__ import annotations

import re
from collections.abc import Sequence

from synalign.drawing.trend import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Trend, trend_chart
from synalign.text.numbers import count


def drawn(*lines: Sequence[float | None], from_zero: bool = True) -> str:
    trends = [Trend("raw", f"line {row}", values) for row, values in enumerate(lines)]
    moments = [float(moment) for moment in range(len(lines[0]))]
    names = [f"day {row}" for row in range(len(lines[0]))]
    return str(trend_chart(trends, moments=moments, names=names, label="<a>", shape=count, from_zero=from_zero))


def marks(svg: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r'cx="([^"]+)" cy="([^"]+)"', svg)]


def test_a_missing_value_breaks_the_line_and_a_value_between_two_gaps_is_a_mark_alone() -> None:
    svg = drawn([1.0, 2.0, None, 3.0, None, 4.0, 5.0, 6.0])
    assert [len(points.split()) for points in re.findall(r'polyline[^>]*points="([^"]+)"', svg)] == [2, 3]
    assert len(marks(svg)) == 6


def test_marks_stand_where_their_moment_and_value_are() -> None:
    (first, last) = marks(drawn([0.0, 8.0]))
    assert first == (LEFT, HEIGHT - BOTTOM)
    assert last[0] == WIDTH - RIGHT
    assert TOP <= last[1] < HEIGHT / 2


def test_time_is_true_to_scale() -> None:
    svg = str(
        trend_chart(
            [Trend("raw", "a", [1.0, 1.0, 1.0])], moments=[0.0, 1.0, 4.0], names=["a", "b", "c"], label="", shape=count
        )
    )
    (first, second, third) = (x for x, _ in marks(svg))
    assert abs((third - second) - 3 * (second - first)) < 0.5


def test_a_single_moment_is_one_mark_in_the_middle() -> None:
    svg = drawn([3.0])
    assert "<polyline" not in svg
    assert marks(svg)[0][0] == (LEFT + WIDTH - RIGHT) / 2
    assert svg.count(">day 0<") == 1


def test_an_axis_that_does_not_begin_at_zero_makes_small_differences_visible() -> None:
    near, far = (marks(drawn([0.52, 0.54], from_zero=zero)) for zero in (False, True))
    assert abs(near[0][1] - near[1][1]) > 5 * abs(far[0][1] - far[1][1])


def test_names_and_label_are_escaped_and_read_out() -> None:
    svg = str(trend_chart([Trend("raw", "<b>", [1.0])], moments=[0.0], names=["<i>"], label="<a>", shape=count))
    assert not {"<a>", "<b>", "<i>"} & set(re.findall(r"<\w>", svg))
    assert "<title>&lt;b&gt;, &lt;i&gt;: 1</title>" in svg
