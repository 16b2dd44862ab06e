"""The arms as bars: nDCG@10 on test queries, with intervals."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure

from synalign.evaluation.arms import ARMS, CONTROL, TREATMENT
from synalign.evaluation.comparison import LEAST_QUERIES

if TYPE_CHECKING:
    from collections.abc import Mapping

_GREY, _BLUE, _PALE = "#b5b5b5", "#5b9bd5", "#cfe0f3"


def chart(test: Mapping[str, Mapping[str, float]], treatment: str) -> str:
    """One bar per arm; the control grey, the treatment dark, a line at the control's height.

    Args:
        test: Figures of the arms on test queries, as `synalign.evaluation.figures.on_test` gives them.
        treatment: The arm whose weights the training set has.

    Returns:
        An SVG image. The same figures give the same text.
    """
    # No pyplot: it would keep the figure in a state shared by the whole process.
    figure = Figure(figsize=(7.0, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for place, arm in enumerate(ARMS):
        figures = test[arm]
        height = figures["ndcg_at_10"]
        axes.bar(place, height, color=_GREY if arm == CONTROL else _BLUE if arm == treatment else _PALE, width=0.7)
        if "ndcg_at_10_lower" in figures:
            ends = [[height - figures["ndcg_at_10_lower"]], [figures["ndcg_at_10_upper"] - height]]
            axes.errorbar(place, height, yerr=_positive(ends), color="black", capsize=4)
        axes.annotate(f"{height:.3f}", (place, 0.0), ha="center", va="bottom")
    axes.axhline(test[CONTROL]["ndcg_at_10"], color=_GREY, linewidth=0.8, linestyle="--")
    axes.set_xticks(range(len(ARMS)), [arm.replace("_", " ") for arm in ARMS])
    axes.set_ylabel("nDCG@10")
    axes.set_title(_title(test), fontsize=10)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return _svg(figure)


def _positive(ends: list[list[float]]) -> list[list[float]]:
    """Lengths as matplotlib takes them; a mean may lie outside percentiles by rounding."""
    return [[max(0.0, length) for length in side] for side in ends]


def _title(test: Mapping[str, Mapping[str, float]]) -> str:
    compared = test[f"{TREATMENT}_minus_{CONTROL}"]
    queries, seeds = int(compared["queries"]), int(compared["seeds"])
    ends = "95 % intervals" if queries >= LEAST_QUERIES else "too few for intervals"
    return (
        f"{queries} test queries, {seeds} training{'' if seeds == 1 else 's'} per arm, {ends}; dark: the training set"
    )


def _svg(figure: Figure) -> str:
    """The figure as text; element ids by hash of their content and no date, so that it does not change by itself."""
    target = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "synalign", "svg.fonttype": "none"}):
        figure.savefig(target, format="svg", metadata={"Date": None})
    return target.getvalue()
