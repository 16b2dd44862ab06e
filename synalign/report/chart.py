"""A chart of lines over batches, as SVG made from numbers; the words on its axes are our own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from synalign.report.svg import EMPTY, number

WIDTH, HEIGHT = 400, 240
"""View box, in about the pixels of a phone, where text keeps its size."""

LEFT, RIGHT, TOP, BOTTOM = 44, 12, 22, 38
"""Room around the lines."""

MOST_POINTS = 200
"""Points drawn of a line."""


class Line(NamedTuple):
    """One line of a chart.

    Attributes:
        kind: Class of the line in the style sheet.
        values: (T,) its heights, >= 0.
        band: (T,) lower and (T,) upper edge of a band around it, if it has one.
    """

    kind: str
    values: Sequence[float]
    band: tuple[Sequence[float], Sequence[float]] | None = None


class _Frame(NamedTuple):
    """Where a value lands in the view box."""

    batches: int
    top: float

    def x(self, row: int) -> str:
        share = row / (self.batches - 1) if self.batches > 1 else 0.5
        return number(LEFT + (WIDTH - LEFT - RIGHT) * share, 1)

    def y(self, height: float) -> str:
        return number(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * height / self.top, 1)

    def points(self, rows: Sequence[int], heights: Sequence[float]) -> str:
        return " ".join(f"{self.x(row)},{self.y(float(heights[row]))}" for row in rows)


def line_chart(lines: Sequence[Line], *, label: str, across: str, up: str) -> Markup:
    """Lines over batches, heights from 0.

    Args:
        lines: At least one, all with the same number of values, at least one; the first value is that of batch 1.
        label: What the picture shows, for who cannot see it.
        across: Name of the horizontal axis.
        up: Name of the vertical axis.
    """
    count = len(lines[0].values)
    ticks = round_steps(max(max(line.band[1] if line.band else line.values) for line in lines))
    frame = _Frame(count, ticks[-1])
    rows = sorted({round(step * (count - 1) / (MOST_POINTS - 1)) for step in range(MOST_POINTS)})
    drawn = [part for line in lines for part in _line(line, frame, rows)]
    parts = [_heights(ticks, frame), _batches(frame), _names(across, up), *drawn]
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, label, EMPTY.join(parts)
    )


def round_steps(most: float, steps: int = 4) -> list[float]:
    """Round numbers from 0 to `most` or just above, about so many steps.

    Examples:
        >>> round_steps(0.87), round_steps(7.0), round_steps(0.0)
        ([0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 2.0, 4.0, 6.0, 8.0], [0.0, 1.0])
    """
    if most <= 0.0:
        return [0.0, 1.0]
    size = 10.0 ** math.floor(math.log10(most / steps))
    step = next(size * factor for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if size * factor * steps >= most * (1 - 1e-9))
    return [round(step * place, 12) for place in range(math.ceil(most / step - 1e-9) + 1)]


def _line(line: Line, frame: _Frame, rows: Sequence[int]) -> list[Markup]:
    parts = []
    if line.band is not None:
        lower, upper = line.band
        there, back = frame.points(rows, upper), frame.points(rows[::-1], lower)
        parts.append(Markup('<polygon class="band {}" points="{} {}"/>').format(line.kind, there, back))
    points = frame.points(rows, line.values)
    parts.append(Markup('<polyline class="line {}" points="{}"/>').format(line.kind, points))
    if len(rows) == 1:
        x, y = points.split(",")
        parts.append(Markup('<circle class="mark {}" cx="{}" cy="{}" r="4"/>').format(line.kind, x, y))
    return parts


def _heights(ticks: Sequence[float], frame: _Frame) -> Markup:
    shape = Markup(
        '<line class="grid" x1="{}" x2="{}" y1="{y}" y2="{y}"/>'
        '<text class="tick" x="{}" y="{y}" dy="0.35em" text-anchor="end">{}</text>'
    )
    return EMPTY.join(shape.format(LEFT, WIDTH - RIGHT, LEFT - 6, f"{tick:g}", y=frame.y(tick)) for tick in ticks)


def _batches(frame: _Frame) -> Markup:
    """The batches' numbers: the first, the last, and round ones between that leave room for those."""
    wanted = [round(step) for step in round_steps(frame.batches)[1:]]
    between = {batch for batch in wanted if 1 < batch < frame.batches and batch <= 0.92 * frame.batches}
    shape = Markup('<text class="tick" x="{}" y="{}" text-anchor="middle">{}</text>')
    numbers = sorted({1, frame.batches} | {batch for batch in between if batch > 0.08 * frame.batches})
    return EMPTY.join(shape.format(frame.x(batch - 1), HEIGHT - BOTTOM + 16, f"{batch:,}") for batch in numbers)


def _names(across: str, up: str) -> Markup:
    return Markup(
        '<text class="axis" x="{}" y="{}" text-anchor="end">{}</text><text class="axis" x="0" y="11">{}</text>'
    ).format(WIDTH - RIGHT, HEIGHT - 4, across, up)
