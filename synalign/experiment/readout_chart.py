"""The chart that grows: the primary metric's effect day by day, with the interval that is valid at every look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from synalign.drawing.chart import curve, dots
from synalign.drawing.frame import Frame, round_steps
from synalign.drawing.picture import picture
from synalign.drawing.svg import EMPTY, number, text
from synalign.experiment.findings import Bounds, Effect, Readout
from synalign.text.numbers import shown

_WIDTH, _PANEL, _PLOT = 640, 158, 104
"""Width of the picture, height of a panel with its title, height of what is drawn in it."""

_HEAD, _FOOT, _LEFT, _RIGHT = 34, 34, 64, 16
_LETTERS, _APART = 12, 30
"""Height of a line of letters, and least pixels between the middles of two words."""

_MOST_GUARDRAILS = 3
_LONGEST = 64
"""Characters of a name that the plan allows, and that have room."""


class _Day(NamedTuple):
    """A day on which a metric has an interval."""

    look: int
    middle: float
    lower: float
    upper: float


def chart(readouts: Sequence[Readout]) -> str:
    """Draw one panel for the primary metric and one for each of the first three guardrails.

    Args:
        readouts: Of one experiment, by day, at least one.

    Returns:
        An SVG image. The same read-outs give the same text.
    """
    last = readouts[-1]
    names = _names(readouts) or ["no valid day yet"]
    height = _HEAD + _PANEL * len(names) + _FOOT
    title = f"{_name(last.experiment)}, {last.day}: {last.verdict}"
    parts = [text("title", 12, 20, title)]
    parts += [_panel(_HEAD + _PANEL * row, name, readouts) for row, name in enumerate(names)]
    lowest = Frame(_LEFT, _WIDTH - _RIGHT, 0, height - _FOOT, _across(readouts), (0.0, 1.0))
    parts += [lowest.counts(last.look), text("axis", _WIDTH - _RIGHT, height - 4, "day of the experiment", "end")]
    return picture(_WIDTH, height, f"Effects by day of {title}", parts)


def _name(text: str) -> str:
    return shown(text, _LONGEST)[:_LONGEST]


def _names(readouts: Sequence[Readout]) -> list[str]:
    latest = next((each for each in reversed(readouts) if each.effects), None)
    if latest is None:
        return []
    primary = [effect.name for effect in latest.effects if effect.role == "primary"]
    return primary + [effect.name for effect in latest.effects if effect.role == "guardrail"][:_MOST_GUARDRAILS]


def _across(readouts: Sequence[Readout]) -> tuple[float, float]:
    return 0.5, readouts[-1].look + 0.5


def _panel(top: int, name: str, readouts: Sequence[Readout]) -> Markup:
    """Draw the days of one metric; in relative terms if it has them on every day."""
    effects = [effect for each in readouts if (effect := each.effect(name))]
    relative = all(effect.relative_interval or not effect.interval for effect in effects)
    days = [day for each in readouts if (day := _day(each.look, each.effect(name), relative))]
    margin = _margin(effects[-1]) if effects and relative else None
    heights = [0.0, margin or 0.0, *(end for day in days for end in (day.lower, day.upper))]
    ticks = round_steps(max(heights), min(heights))
    bottom = top + _PANEL
    frame = Frame(_LEFT, _WIDTH - _RIGHT, bottom - _PLOT, bottom, _across(readouts), (ticks[0], ticks[-1]))
    unit = "change, %" if relative else "difference"
    parts = [text("axis", 12, top + 24, f"{_name(name)}: {unit}"), frame.heights(ticks)]
    parts += [frame.level(0.0, "zero"), *_void_days(frame, readouts), *_measured(frame, days)]
    if margin is not None:
        parts += [frame.level(margin, "limit"), _beside(frame, margin)]
    return EMPTY.join(parts)


def _beside(frame: Frame, margin: float) -> Markup:
    """Name the line of the margin: on its side that is away from 0, if there is room within the frame."""
    y = float(frame.y(margin))
    above = y - frame.top >= _LETTERS if margin > 0.0 else frame.bottom - y < _LETTERS
    return text("limit", frame.right, number(y - 4 if above else y + _LETTERS, 1), "margin", "end")


def _measured(frame: Frame, days: Sequence[_Day]) -> list[Markup]:
    """Draw the effect with its intervals: lines as well as a band, which a first day does not have."""
    if not days:
        return []
    looks, middle, lower, upper = zip(*days, strict=True)
    whisker = Markup('<polyline class="whisker effect" points="{}"/>')
    return [
        curve(frame, "effect", looks, middle, (lower, upper)),
        *(whisker.format(frame.points([(day.look, day.lower), (day.look, day.upper)])) for day in days),
        dots(frame, "effect", looks, middle, 2),
    ]


def _void_days(frame: Frame, readouts: Sequence[Readout]) -> list[Markup]:
    """Draw a line on each void day, and say what it is where there is room to."""
    parts, free = [], 0.0
    for each in readouts:
        if each.valid:
            continue
        x = frame.x(each.look)
        shape = Markup('<line class="void" x1="{x}" x2="{x}" y1="{}" y2="{}"/>')
        parts.append(shape.format(frame.top, frame.bottom, x=x))
        if float(x) >= free:
            parts.append(text("void", x, frame.top - 5, "void", "middle"))
            free = float(x) + _APART
    return parts


def _day(look: int, effect: Effect | None, relative: bool) -> _Day | None:
    interval = _interval(effect, relative) if effect else None
    if effect is None or interval is None:
        return None
    scale = 100.0 if relative else 1.0
    middle = (effect.relative if relative else effect.difference) or 0.0
    return _Day(look, scale * middle, scale * interval.lower, scale * interval.upper)


def _interval(effect: Effect, relative: bool) -> Bounds | None:
    return effect.relative_interval if relative else effect.interval


def _margin(effect: Effect) -> float | None:
    """Return the worst change that a guardrail tolerates, in per cent."""
    if effect.margin is None:
        return None
    return 100.0 * (-effect.margin if effect.better == "higher" else effect.margin)
