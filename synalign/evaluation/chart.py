"""The arms as bars: nDCG@10 (a classifier's accuracy) on test queries, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from synalign.drawing.frame import Frame, round_steps
from synalign.drawing.picture import picture
from synalign.drawing.svg import EMPTY, text
from synalign.evaluation.arms import CONTROL, TREATMENT, trained_arms
from synalign.evaluation.comparison import LEAST_QUERIES
from synalign.evaluation.measured import RETRIEVAL, Measured

if TYPE_CHECKING:
    from collections.abc import Mapping

_WIDTH, _HEIGHT = 640, 340
_HALF, _CAP = 0.35, 0.05
"""Half the width of a bar, and of the ends of its interval, where bars are 1 apart."""


def chart(test: Mapping[str, Mapping[str, float]], treatment: str, by: Measured = RETRIEVAL) -> str:
    """Draw one bar per arm, the control and the treatment in colours of their own, a line at the control's height.

    Args:
        test: Figures of the arms on test queries, as `synalign.evaluation.figures.on_test` gives them.
        treatment: The arm whose weights the training set has; the control where it is the real pairs alone.
        by: What the arms are measured by.

    Returns:
        An SVG image. The same figures give the same text.
    """
    highest = max(test[arm].get(f"{by.name}_upper", test[arm][by.name]) for arm in trained_arms(test))
    ticks = round_steps(highest)
    frame = Frame(56, _WIDTH - 12, 56, _HEIGHT - 64, (-0.5, len(trained_arms(test)) - 0.5), (0.0, ticks[-1]))
    title = _title(test)
    parts = [text("title", 12, 20, title), text("axis", 12, 44, by.words), frame.heights(ticks)]
    parts += [
        _bar(frame, place, arm, test[arm], arm == treatment, by.name) for place, arm in enumerate(trained_arms(test))
    ]
    parts.append(frame.level(test[CONTROL][by.name], "reference"))
    return picture(_WIDTH, _HEIGHT, f"{by.words} of the arms: {title}", parts)


def _bar(frame: Frame, place: int, arm: str, figures: Mapping[str, float], is_treatment: bool, measure: str) -> Markup:
    """Draw one arm: its bar, its interval if it has one, and its name, height and part below."""
    height = figures[measure]
    kind = CONTROL if arm == CONTROL else TREATMENT if is_treatment else "other"
    corners = [(place - _HALF, 0.0), (place - _HALF, height), (place + _HALF, height), (place + _HALF, 0.0)]
    parts = [Markup('<polygon class="bar {}" points="{}"/>').format(kind, frame.points(corners))]
    if f"{measure}_lower" in figures:
        # A mean may lie outside of its percentiles by rounding.
        lower, upper = min(height, figures[f"{measure}_lower"]), max(height, figures[f"{measure}_upper"])
        lines = [[(place - _CAP, end), (place + _CAP, end)] for end in (lower, upper)]
        lines.append([(place, lower), (place, upper)])
        parts += [Markup('<polyline class="whisker" points="{}"/>').format(frame.points(line)) for line in lines]
    below = [("tick", arm.replace("_", " ")), ("value", f"{height:.3f}"), ("tick", "training set")]
    for row, (style, words) in enumerate(below if is_treatment else below[:2]):
        parts.append(text(style, frame.x(place), frame.bottom + 18 + 15 * row, words, "middle"))
    return EMPTY.join(parts)


def _title(test: Mapping[str, Mapping[str, float]]) -> str:
    compared = test[f"{TREATMENT}_minus_{CONTROL}"]
    queries, seeds = int(compared["queries"]), int(compared["seeds"])
    ends = "95 % intervals" if queries >= LEAST_QUERIES else "too few for intervals"
    return f"{queries} test queries, {seeds} training{'' if seeds == 1 else 's'} per arm, {ends}"
