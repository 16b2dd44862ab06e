"""The frame of a chart: where a value lands in the view box, with lines and numbers along its edges."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from markupsafe import Markup

from synalign.drawing.svg import EMPTY, number, text


class Frame(NamedTuple):
    """A rectangle of the view box, and the values that its edges stand for.

    Attributes:
        left: Left edge.
        right: Right edge.
        top: Upper edge.
        bottom: Lower edge.
        across: Values at the left and at the right edge; equal ones stand in the middle.
        up: Values at the lower and at the upper edge, the first below the second.
    """

    left: int
    right: int
    top: int
    bottom: int
    across: tuple[float, float]
    up: tuple[float, float]

    def x(self, value: float) -> str:
        """Return the horizontal coordinate of a value."""
        first, last = self.across
        share = (value - first) / (last - first) if last > first else 0.5
        return number(self.left + (self.right - self.left) * share, 1)

    def y(self, value: float) -> str:
        """Return the vertical coordinate of a value."""
        lowest, highest = self.up
        return number(self.bottom - (self.bottom - self.top) * (value - lowest) / (highest - lowest), 1)

    def points(self, values: Iterable[tuple[float, float]]) -> str:
        """Return pairs of values as the `points` of a line."""
        return " ".join(f"{self.x(across)},{self.y(up)}" for across, up in values)

    def level(self, value: float, kind: str) -> Markup:
        """Draw a line from edge to edge at a height."""
        return Markup('<line class="{}" x1="{}" x2="{}" y1="{y}" y2="{y}"/>').format(
            kind, self.left, self.right, y=self.y(value)
        )

    def heights(self, ticks: Iterable[float]) -> Markup:
        """Draw a line from edge to edge and a number beside it for each tick."""
        shape = Markup('<text class="tick" x="{}" y="{}" dy="0.35em" text-anchor="end">{}</text>')
        return EMPTY.join(
            self.level(tick, "grid") + shape.format(self.left - 6, self.y(tick), short(tick)) for tick in ticks
        )

    def counts(self, last: int) -> Markup:
        """Draw the numbers of what is counted from 1 below the frame, not all where they are many."""
        shown = counted_from_one(last)
        return EMPTY.join(text("tick", self.x(one), self.bottom + 16, f"{one:,}", "middle") for one in shown)


def short(value: float) -> str:
    """Write a number that stands beside an axis, in a few characters.

    Examples:
        >>> short(0.25), short(5000.0), short(20000.0), short(1.5e6), short(0.0)
        ('0.25', '5000', '20k', '1.5M', '0')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= max(size, 1e4):
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def round_range(least: float, most: float, steps: int = 4) -> list[float]:
    """Return round numbers from `least` or just below to `most` or just above, about so many steps; 0 may be far away.

    Where both are the same, it stands in the middle. No number is negative where `least` is not.

    Examples:
        >>> round_range(0.52, 0.57), round_range(0.5, 0.5), round_range(0.0, 0.0)
        ([0.52, 0.54, 0.56, 0.58], [0.48, 0.49, 0.5, 0.51, 0.52], [0.0, 0.2, 0.4, 0.6])
    """
    room = 0.0 if most > least else abs(most) / 25.0 or 0.5
    lowest, highest = max(least - room, min(least, 0.0)), most + room
    span = highest - lowest
    size = 10.0 ** math.floor(math.log10(span / steps))
    step = next(size * factor for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if size * factor * steps >= span * (1 - 1e-9))
    first, last = math.floor(lowest / step + 1e-9), math.ceil(highest / step - 1e-9)
    return [round(step * place, 12) for place in range(first, max(last, first + 1) + 1)]


def round_steps(most: float, least: float = 0.0, steps: int = 4) -> list[float]:
    """Return round numbers from `least` or just below to `most` or just above, about so many steps, 0 among them.

    Args:
        most: >= 0.
        least: <= 0.
        steps: How many.

    Examples:
        >>> round_steps(0.87), round_steps(7.0), round_steps(0.0)
        ([0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 2.0, 4.0, 6.0, 8.0], [0.0, 1.0])
        >>> round_steps(3.0, -1.5)
        [-2.0, 0.0, 2.0, 4.0]
    """
    span = most - least
    if span <= 0.0:
        return [0.0, 1.0]
    size = 10.0 ** math.floor(math.log10(span / steps))
    step = next(size * factor for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if size * factor * steps >= span * (1 - 1e-9))
    first, last = math.floor(least / step + 1e-9), math.ceil(most / step - 1e-9)
    return [round(step * place, 12) for place in range(first, last + 1)]


def counted_from_one(last: int) -> Sequence[int]:
    """Return 1, `last`, and round numbers between that leave room for those.

    Examples:
        >>> counted_from_one(1), counted_from_one(5), counted_from_one(30)
        ([1], [1, 2, 4, 5], [1, 10, 20, 30])
    """
    wanted = [round(step) for step in round_steps(last)[1:]]
    between = {one for one in wanted if 1 < one < last and 0.08 * last < one <= 0.92 * last}
    return sorted({1, last} | between)
