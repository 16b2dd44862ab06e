"""Over the nights: what the intervals up to this one came to, as small charts, a table and a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from synalign.drawing.trend import Trend, trend_chart
from synalign.evaluation.measured import RETRIEVAL, of_task
from synalign.report.nights import Night, nights
from synalign.report.section import Section
from synalign.text.numbers import change, count, figure

if TYPE_CHECKING:
    from synalign.report.material import Material

NOTHING = "\u2013"
"""What stands where a figure was not measured."""


def _score(value: float) -> str:
    return f"{value:.4f}"


def _distance(value: float) -> str:
    return figure(value, 3)


class Drawn(NamedTuple):
    """A chart, before it is drawn.

    Attributes:
        title: What is measured.
        lines: Figure, class in the style sheet and name of each line.
        shape: How a value is written.
        from_zero: Whether its axis begins at 0.
        note: What a reader must know of it.
    """

    title: str
    lines: tuple[tuple[str, str, str], ...]
    shape: Callable[[float], str]
    from_zero: bool = True
    note: str = ""


_CHARTS = (
    Drawn("Tokens", (("tokens", "plain", "tokens"),), count, note="What the model was sent and answered, as reported."),
    Drawn(
        "Accepted queries", (("new", "raw", "new"), ("carried", "mass", "carried")), count,
        note="New: asked for in that interval. Carried: of earlier ones, accepted again.",
    ),
    Drawn("Documents covered", (("documents", "plain", "documents"),), count, note="By at least one accepted query."),
    Drawn(
        "MMD\u00b2 to held-out queries",
        (("mmd2_equal", "raw", "equal weights"), ("mmd2_aligned", "weighted", "aligned weights")), _distance,
        note="Lower is closer to real traffic. Each interval has its own held-out queries.",
    ),
    Drawn(
        "Effective sample size", (("effective", "weighted", "aligned weights"),), count,
        note="So many equally weighted queries the aligned ones are worth.",
    ),
    Drawn(
        "{measure} on test queries",
        (
            ("control", "control", "real pairs alone"), ("treatment", "treatment", "with the set"),
            ("gate", "limit", "the gate's line"),
        ), _score, from_zero=False,
        note="The axis does not begin at 0. A set fails the gate when it is shown to lie below the line.",
    ),
)  # fmt: skip


class Figure(NamedTuple):
    """A chart as the page shows it.

    Attributes:
        title: What is measured.
        picture: The chart.
        legend: Class and name of each of its lines.
        note: What a reader must know of it.
    """

    title: str
    picture: Markup
    legend: list[tuple[str, str]]
    note: str


def section(material: Material) -> Section | None:
    """Show this interval beside the ones before it; None where there is no finished one before."""
    found = nights(material)
    if len(found) < 2:
        return None
    measure = of_task(material.configuration.task).words
    charts = [chart._replace(title=chart.title.format(measure=measure)) for chart in _CHARTS]
    charts = [chart for chart in charts if any(_known(found, name) for name, _, _ in chart.lines)]
    columns = [line for chart in charts for line in chart.lines if _known(found, line[0])]
    shapes = {name: chart.shape for chart in charts for name, _, _ in chart.lines}
    rows = [
        (night, [NOTHING if (value := night.figures[name]) is None else shapes[name](value) for name, _, _ in columns])
        for night in found
    ]
    return Section(
        "nights", "Over the nights", "over_the_nights.html",
        {
            "sentence": sentence(found, measure),
            "count": len(found),
            "unfinished": sum(bool(night.unfinished) for night in found[:-1]),
            "figures": [_figure(chart, found) for chart in charts],
            "heads": [
                (_head(chart, words), "number")
                for chart in charts for name, _, words in chart.lines if _known(found, name)
            ],
            "rows": rows[::-1],
        },
    )  # fmt: skip


def sentence(found: Sequence[Night], measure: str = RETRIEVAL.words) -> str:
    """Say what changed from the first interval shown to the last.

    Args:
        found: At least two, oldest first.
        measure: What retrievers or classifiers are measured by.
    """
    first, last = found[0].figures, found[-1].figures
    parts = []
    for name, words, shape in _SAID:
        before, after = first[name], last[name]
        if before is not None and after is not None:
            parts.append(f"{words} {shape(before, after)}")
    gains = [
        f"{one['treatment'] - one['control']:+.4f}".replace("-", "\u2212")
        for one in (first, last)
        if one["treatment"] is not None and one["control"] is not None
    ]
    if len(gains) == 2:
        parts.append(f"{measure} over real pairs alone {gains[0]} \u2192 {gains[1]}")
    if not parts:
        return f"Nothing was measured both in the interval up to {found[0].label} and in this one."
    return f"Since the interval up to {found[0].label}: {'; '.join(parts)}."


def _counts(before: float, after: float) -> str:
    return f"{count(before)} \u2192 {count(after)}"


_SAID: tuple[tuple[str, str, Callable[[float, float], str]], ...] = (
    ("tokens", "tokens", _counts),
    ("new", "new queries accepted", _counts),
    ("carried", "carried queries accepted", _counts),
    ("documents", "documents covered", _counts),
    ("mmd2_aligned", "MMD\u00b2 of the aligned weights", change),
    ("effective", "effective sample size", _counts),
)


def _known(found: Sequence[Night], name: str) -> bool:
    return any(night.figures[name] is not None for night in found)


def _head(chart: Drawn, words: str) -> str:
    """Return the head of a figure's column: the chart's title, and the line's name where the chart has several."""
    return chart.title if len(chart.lines) == 1 else f"{chart.title}: {words}"


def _figure(chart: Drawn, found: Sequence[Night]) -> Figure:
    trends = [
        Trend(kind, words, [night.figures[name] for night in found])
        for name, kind, words in chart.lines
        if _known(found, name)
    ]
    picture = trend_chart(
        trends,
        moments=[night.end.timestamp() for night in found],
        names=[night.label for night in found],
        label=f"{chart.title} over {len(found)} intervals: {', '.join(_ends(trend, chart.shape) for trend in trends)}",
        shape=chart.shape,
        from_zero=chart.from_zero,
    )
    return Figure(chart.title, picture, [(trend.kind, trend.name) for trend in trends], chart.note)


def _ends(trend: Trend, shape: Callable[[float], str]) -> str:
    """Say in words where a line begins and where it ends."""
    known = [value for value in trend.values if value is not None]
    return f"{trend.name} {shape(known[0])} at first, {shape(known[-1])} at last"
