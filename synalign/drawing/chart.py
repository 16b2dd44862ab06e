"""A chart of lines over batches, as SVG made from numbers; the words on its axes are our own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from synalign.drawing.frame import Frame, round_steps
from synalign.drawing.svg import EMPTY, text

WIDTH, HEIGHT = 400, 240
"""View box, in about the pixels of a phone, where text keeps its size."""

LEFT, RIGHT, TOP, BOTTOM = 44, 12, 22, 38
"""Room around the lines."""

MOST_POINTS = 200
"""Points drawn of a line."""

Band = tuple[Sequence[float], Sequence[float]]
"""Lower and upper edge of a band around a line."""


class Line(NamedTuple):
    """One line of a chart.

    Attributes:
        kind: Class of the line in the style sheet.
        values: (T,) its heights, >= 0.
        band: (T,) and (T,) the edges of a band around it, if it has one.
    """

    kind: str
    values: Sequence[float]
    band: Band | None = None


def line_chart(lines: Sequence[Line], *, label: str, across: str, up: str) -> Markup:
    """Draw lines over batches, heights from 0.

    Args:
        lines: At least one, all with the same number of values, at least one; the first value is that of batch 1.
        label: What the picture shows, for who cannot see it.
        across: Name of the horizontal axis.
        up: Name of the vertical axis.
    """
    count = len(lines[0].values)
    ticks = round_steps(max(max(line.band[1] if line.band else line.values) for line in lines))
    frame = Frame(LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM, (1, count), (0.0, ticks[-1]))
    rows = sorted({round(step * (count - 1) / (MOST_POINTS - 1)) for step in range(MOST_POINTS)})
    batches = [row + 1 for row in rows]
    parts = [frame.heights(ticks), frame.counts(count), text("axis", WIDTH - RIGHT, HEIGHT - 4, across, "end")]
    parts.append(text("axis", 0, 11, up))
    for line in lines:
        values, *edges = ([each[row] for row in rows] for each in (line.values, *(line.band or ())))
        parts.append(curve(frame, line.kind, batches, values, (edges[0], edges[1]) if edges else None))
        if count == 1:
            parts.append(dots(frame, line.kind, batches, line.values, 4))
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, label, EMPTY.join(parts)
    )


def curve(
    frame: Frame, kind: str, across: Sequence[float], heights: Sequence[float], band: Band | None = None
) -> Markup:
    """Draw a line through some points, above the band around it.

    Args:
        frame: Where to.
        kind: Class of line and band in the style sheet.
        across: (n,) places from left to right.
        heights: (n,) heights.
        band: (n,) and (n,) the edges of a band, if there is one.
    """
    line = Markup('<polyline class="line {}" points="{}"/>').format(
        kind, frame.points(zip(across, heights, strict=True))
    )
    if band is None:
        return line
    there, back = (list(zip(across, edge, strict=True)) for edge in (band[1], band[0]))
    shape = Markup('<polygon class="band {}" points="{} {}"/>')
    return shape.format(kind, frame.points(there), frame.points(back[::-1])) + line


def dots(frame: Frame, kind: str, across: Sequence[float], heights: Sequence[float], radius: float) -> Markup:
    """Draw a mark on each of some points."""
    shape = Markup('<circle class="mark {}" cx="{}" cy="{}" r="{}"/>')
    places = zip(across, heights, strict=True)
    return EMPTY.join(shape.format(kind, frame.x(one), frame.y(height), radius) for one, height in places)
