"""A small chart of lines over time, as SVG made from numbers: a mark for each value, and a gap where one is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from markupsafe import Markup

from synalign.drawing.chart import curve
from synalign.drawing.frame import Frame, round_range, round_steps
from synalign.drawing.svg import EMPTY, text

WIDTH, HEIGHT = 340, 190
"""View box, in about the pixels of a phone, where text keeps its size."""

LEFT, RIGHT, TOP, BOTTOM = 50, 12, 22, 26
"""Room around the lines."""

STEPS = 3
"""About so many steps between the numbers beside the axis."""


class Trend(NamedTuple):
    """One line over time.

    Attributes:
        kind: Class of line and marks in the style sheet.
        name: What it is, in words.
        values: (T,) its heights, finite; None: not measured.
    """

    kind: str
    name: str
    values: Sequence[float | None]


def trend_chart(
    trends: Sequence[Trend],
    *,
    moments: Sequence[float],
    names: Sequence[str],
    label: str,
    shape: Callable[[float], str],
    from_zero: bool = True,
) -> Markup:
    """Draw lines over time. Whoever points at a mark, or has it read out, gets its moment and its value.

    Args:
        trends: At least one, with at least one value among them.
        moments: (T,) times from left to right, ascending, in any unit.
        names: (T,) the times in words.
        label: What the picture shows, for who cannot see it.
        shape: How a value is written.
        from_zero: Whether the axis begins at 0; else it has what the values need, so that small differences show.
    """
    known = [value for trend in trends for value in trend.values if value is not None]
    least, most = min(known), max(known)
    ticks = round_steps(max(most, 0.0), min(least, 0.0), STEPS) if from_zero else round_range(least, most, STEPS)
    frame = Frame(LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM, (moments[0], moments[-1]), (ticks[0], ticks[-1]))
    parts = [frame.heights(ticks), *_ends(frame, moments, names)]
    for trend in trends:
        for run in _runs(trend.values):
            heights = [value for row in run if (value := trend.values[row]) is not None]
            parts.append(curve(frame, trend.kind, [moments[row] for row in run], heights))
        parts += _marks(frame, trend, moments, names, shape)
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, label, EMPTY.join(parts)
    )


def _ends(frame: Frame, moments: Sequence[float], names: Sequence[str]) -> Iterator[Markup]:
    """Write the first and the last moment below the frame."""
    if moments[0] == moments[-1]:
        yield text("tick", frame.x(moments[0]), HEIGHT - 8, names[0], "middle")
        return
    yield text("tick", LEFT, HEIGHT - 8, names[0])
    yield text("tick", WIDTH - RIGHT, HEIGHT - 8, names[-1], "end")


def _runs(values: Sequence[float | None]) -> Iterator[list[int]]:
    """Yield rows that follow each other and have a value, two or more: a line joins no others."""
    run: list[int] = []
    for row, value in enumerate([*values, None]):
        if value is not None:
            run.append(row)
            continue
        if len(run) > 1:
            yield run
        run = []


def _marks(
    frame: Frame, trend: Trend, moments: Sequence[float], names: Sequence[str], shape: Callable[[float], str]
) -> Iterator[Markup]:
    mark = Markup('<circle class="mark {}" cx="{}" cy="{}" r="3"><title>{}, {}: {}</title></circle>')
    for moment, name, value in zip(moments, names, trend.values, strict=True):
        if value is not None:
            yield mark.format(trend.kind, frame.x(moment), frame.y(value), trend.name, name, shape(value))
