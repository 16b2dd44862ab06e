"""The chart that grows: the primary metric's effect day by day, with the interval that is valid at every look."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from synalign.experiment.findings import Bounds, Effect, Readout

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The same figures give the same bytes, and text stays text.
_STYLE: Any = {
    "svg.hashsalt": "synalign", "svg.fonttype": "none", "text.parse_math": False, "font.size": 9,
    "axes.spines.top": False, "axes.spines.right": False,
}  # fmt: skip
_COLOUR, _VOID, _MARGIN = "#0b6e99", "#c0392b", "#c0392b"
_MOST_GUARDRAILS = 3


def chart(readouts: Sequence[Readout]) -> bytes:
    """An SVG picture: one panel for the primary metric and one for each of the first three guardrails.

    Args:
        readouts: Of one experiment, by day, at least one.
    """
    with rc_context(_STYLE):
        names = _names(readouts)
        figure = Figure(figsize=(7.0, 1.0 + 1.9 * max(1, len(names))), layout="constrained")
        FigureCanvasSVG(figure)
        panels = figure.subplots(max(1, len(names)), 1, squeeze=False, sharex=True)[:, 0]
        for panel, name in zip(panels, names or ["no valid day yet"], strict=True):
            _draw(panel, name, readouts)
        panels[-1].set(xlabel="day of the experiment", xlim=(0.5, readouts[-1].look + 0.5))
        panels[-1].xaxis.get_major_locator().set_params(integer=True)
        figure.suptitle(f"{readouts[-1].experiment}, {readouts[-1].day}: {readouts[-1].verdict}", fontsize=10)
        picture = io.BytesIO()
        figure.savefig(picture, format="svg", metadata={"Date": None})
    return picture.getvalue()


def _names(readouts: Sequence[Readout]) -> list[str]:
    latest = next((each for each in reversed(readouts) if each.effects), None)
    if latest is None:
        return []
    primary = [effect.name for effect in latest.effects if effect.role == "primary"]
    return primary + [effect.name for effect in latest.effects if effect.role == "guardrail"][:_MOST_GUARDRAILS]


def _draw(panel: Axes, name: str, readouts: Sequence[Readout]) -> None:
    relative = all(effect.relative_interval or not effect.interval for effect in _effects(readouts, name))
    panel.axhline(0.0, color="#888888", linewidth=0.8)
    drawn = [(each.look, effect) for each in readouts if (effect := each.effect(name)) and _interval(effect, relative)]
    scale = 100.0 if relative else 1.0
    days = [look for look, _ in drawn]
    middle = [scale * ((effect.relative if relative else effect.difference) or 0.0) for _, effect in drawn]
    bounds = [interval for _, effect in drawn if (interval := _interval(effect, relative))]
    lower, upper = [scale * each.lower for each in bounds], [scale * each.upper for each in bounds]
    # Lines as well as a band: on the first day there is no band yet.
    panel.fill_between(days, lower, upper, color=_COLOUR, alpha=0.2, linewidth=0)
    panel.vlines(days, lower, upper, color=_COLOUR, linewidth=0.8)
    panel.plot(days, middle, color=_COLOUR, marker="o", markersize=3)
    for each in readouts:
        if not each.valid:
            panel.axvline(each.look, color=_VOID, linestyle=":", linewidth=1.0)
            panel.annotate("void", (each.look, 1.0), xycoords=("data", "axes fraction"), color=_VOID, fontsize=7)
    for effect in _effects(readouts, name)[-1:]:
        if effect.margin is not None and relative:
            worst = -effect.margin if effect.better == "higher" else effect.margin
            panel.axhline(scale * worst, color=_MARGIN, linestyle="--", linewidth=0.8)
            panel.annotate(
                "margin", (0.0, scale * worst), (3, 3), ("axes fraction", "data"), "offset points",
                color=_MARGIN, fontsize=7,
            )  # fmt: skip
    panel.set(title=name, ylabel="change, %" if relative else "difference")


def _effects(readouts: Sequence[Readout], name: str) -> list[Effect]:
    return [effect for each in readouts if (effect := each.effect(name))]


def _interval(effect: Effect, relative: bool) -> Bounds | None:
    return effect.relative_interval if relative else effect.interval
