"""Marks inside a row: where their values are, and words that stay words."""

import re

import pytest

from synalign.drawing.svg import bar, dumbbell, interval, text


def numbers(svg: str, pattern: str) -> list[float]:
    return [float(found) for found in re.findall(pattern, svg)]


def test_marks_stand_where_their_values_are() -> None:
    places = numbers(str(dumbbell(0.5, [("raw", 0.0), ("weighted", 1.0)], 1.0)), r'cx="([\d.]+)%"')
    assert places[0] < 50.0 < places[1]
    assert places[0] + places[1] == pytest.approx(100.0)
    inside = numbers(str(interval(9.0, (-9.0, 9.0), (-1.0, 1.0), 0.0, "other")), r'(?:cx|x1|x2)="([\d.]+)%"')
    assert all(0.0 <= place <= 100.0 for place in inside)


@pytest.mark.parametrize(("share", "width"), [(-1.0, 0.0), (0.0, 0.0), (0.255, 25.5), (1.0, 100.0), (7.0, 100.0)])
def test_a_bar_never_leaves_its_cell(share: float, width: float) -> None:
    assert numbers(str(bar(share, "raw")), r'width="([\d.]+)%"') == [width]


def test_words_are_escaped() -> None:
    assert text("tick", 0, 0, '<b>&"') == '<text class="tick" x="0" y="0">&lt;b&gt;&amp;&#34;</text>'
