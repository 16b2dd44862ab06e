"""The choice as people see it: sentence, chart and table say the same as the manifest."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from synalign.config import Configuration
from synalign.evaluation.ladder import Cell, Ladder, cells, climb, walk
from synalign.report import retriever
from synalign.report.ladder import Climb, climbed
from synalign.report.material import Material
from synalign.report.page import render
from tests.report.runs import made_run

Make = Callable[..., Configuration]
MASSES = (0.0, 0.5, 2.0)


def metrics(better: dict[Cell, float], masses: tuple[float, ...] = MASSES, noise: float = 0.02) -> dict[str, Any]:
    """Metrics of a choice: arms of mean 0.5, but for some."""
    random = np.random.default_rng(0)
    scores = {}
    for cell in cells(masses):
        spread = random.normal(0.0, noise, (3, 50))
        scores[cell] = better.get(cell, 0.5) + spread - spread.mean(axis=1, keepdims=True)
    found = climb(masses, range(3), lambda cell, seed: scores[cell][seed])
    chosen = found.champion.cell
    return {
        "scheme": chosen.scheme, "mass": chosen.mass, "ladder": found.figures(),
        "queries": {"validation": 50, "test": 50},
    }  # fmt: skip


def shown(better: dict[Cell, float], masses: tuple[float, ...] = MASSES) -> Climb:
    found = climbed(metrics(better, masses))
    assert found is not None
    return found


def test_the_sentence_names_the_simpler_arm_the_gain_and_its_interval() -> None:
    found = shown({Cell(2.0, "equal_mass"): 0.6})
    match = re.fullmatch(
        r"Equal mass at mass 2 is chosen over real pairs alone, which is simpler: \+10\.00 points of nDCG@10, one "
        r"standard error either side \+(9\.\d\d) to \+(10\.\d\d) on 50 validation queries\.",
        found.sentence,
    )
    assert match is not None
    assert float(match[1]) + float(match[2]) == pytest.approx(20.0, abs=0.02)


def test_a_tie_is_told_as_kept_and_not_as_chosen() -> None:
    found = shown({Cell(0.5, "equal"): 0.5001})
    assert found.sentence.startswith(
        "Real pairs alone, the simplest arm, is kept: no other is better by more than one standard error. The best of "
        "the others, equal at mass 0.5: +0.01 points of nDCG@10, one standard error either side \u22120."
    )
    assert "chosen over" not in found.sentence


def test_every_arm_has_one_row_and_the_chosen_is_marked() -> None:
    found = shown({Cell(2.0, "aligned"): 0.6, Cell(2.0, "equal"): 0.55})
    assert [rung.name for rung in found.rungs] == [
        "real pairs alone", "equal at mass 0.5", "equal mass at mass 0.5", "aligned at mass 0.5",
        "equal at mass 2", "equal mass at mass 2", "aligned at mass 2",
    ]  # fmt: skip
    outcomes = [rung.verdict for rung in found.rungs]
    assert (outcomes[0], outcomes[4], outcomes[6]) == ("the simplest", "better, then beaten", "chosen")
    assert outcomes.count("left after the first round") == 3
    assert [rung.chosen for rung in found.rungs].count(True) == 1
    assert found.rungs[6].against == "equal at mass 2"
    assert found.rungs[0].difference is None
    for rung in found.rungs[1:]:
        assert rung.difference is not None
        assert rung.difference[1] < rung.difference[0] < rung.difference[2]


def test_the_chart_has_a_mark_for_each_arm_and_an_interval_for_each_other() -> None:
    found = shown({Cell(2.0, "aligned"): 0.6})
    tree = ElementTree.fromstring(str(found.chart))
    kinds = [circle.get("class") for circle in tree.iter("circle")]
    assert sorted(kinds) == sorted(["mark raw", "mark mass", "mark weighted"] * 2 + ["mark real"])
    lines = [line.get("class") for line in tree.iter("polyline")]
    assert [line for line in lines if line and line.startswith("line")] == ["line raw", "line mass", "line weighted"]
    # The chosen one is compared with itself.
    assert len([line for line in lines if line and line.startswith("whisker")]) == 6
    masses = [text.text for text in tree.iter("text") if text.get("text-anchor") == "middle"]
    assert masses == ["0", "0.5", "2"]
    top = min(tree.iter("circle"), key=lambda circle: float(circle.get("cy") or 0))
    assert top.get("class") == "mark weighted"
    (dashed,) = [line for line in tree.iter("line") if line.get("class") == "reference"]
    assert dashed.get("y1") == top.get("cy")


@pytest.mark.parametrize("masses", [(0.0,), (2.0,), (4.0, 0.5)])
def test_few_masses_are_drawn_too(masses: tuple[float, ...]) -> None:
    found = shown({}, masses)
    assert len(list(ElementTree.fromstring(str(found.chart)).iter("circle"))) == len(found.rungs) == len(cells(masses))
    if masses == (0.0,):
        assert found.sentence == "Real pairs alone is the only arm that evaluation.masses has."


def test_equal_scores_draw_a_flat_chart() -> None:
    scores = {cell: np.full((3, 20), 0.5) for cell in cells(MASSES)}
    figures = Ladder(walk(scores), scores).figures()
    found = climbed({"scheme": "none", "mass": 0.0, "ladder": figures, "queries": {"validation": 20}})
    assert found is not None
    assert "nan" not in str(found.chart).lower()


def test_what_was_not_chosen_by_validation_queries_or_before_masses_has_no_ladder() -> None:
    assert climbed({"scheme": "equal", "reason": "not validated", "queries": {"validation": 0}}) is None


@pytest.mark.parametrize("scheme", ["none", "aligned", "equal_mass"])
def test_the_page_shows_what_was_chosen(configuration: Make, scheme: str) -> None:
    material = Material(made_run(configuration(), scheme=scheme))
    section = retriever.section(material)
    assert section is not None
    whole = render(material)
    assert str(section.content["climb"].chart) in whole
    assert ("the set is the real pairs alone" in whole) == (scheme == "none")
    # Among the arms, and among the weights and on the map where it has some.
    assert whole.count('<span class="tag">training set</span>') == (1 if scheme == "none" else 3)
