"""Charts: inside their frame, with a band where there is one."""

from __future__ import annotations

import re

import pytest

from synalign.drawing.chart import HEIGHT, WIDTH, Line, line_chart


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


def test_a_label_is_escaped() -> None:
    assert "<b>" not in line_chart([Line("selected", [1.0])], label="<b>", across="x", up="y")
