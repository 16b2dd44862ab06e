"""What trained retrievers said: the sentence follows the interval, and every figure is that of the manifest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from synalign.config import Configuration
from synalign.report import retriever
from synalign.report.material import Material
from synalign.report.page import render
from tests.report.runs import made_run

Make = Callable[..., Configuration]
Content = Callable[..., dict[str, Any]]


@pytest.fixture
def content(configuration: Make) -> Content:
    """What the section shows, with some figures of the evaluation replaced."""
    made = Material(made_run(configuration()))

    def shown(**changed: Any) -> dict[str, Any]:
        made.manifests["evaluate"]["metrics"] |= changed
        section = retriever.section(made)
        assert section is not None
        return dict(section.content)

    return shown


@pytest.mark.parametrize(
    ("ends", "finding"),
    [
        ({"lower": 0.01, "upper": 0.07}, "better than real pairs alone"),
        ({"lower": -0.01, "upper": 0.07}, "no difference shown"),
        ({"lower": -0.07, "upper": -0.01}, "worse than real pairs alone"),
        ({}, "too few test queries to tell"),
    ],
)
def test_the_sentence_follows_the_interval(content: Content, ends: dict[str, float], finding: str) -> None:
    test = content()["figures"]["test"]
    compared = {key: value for key, value in test["treatment_minus_control"].items() if key not in ("lower", "upper")}
    assert content(test=test | {"treatment_minus_control": compared | ends})["finding"] == finding


def test_every_arm_is_shown_with_its_change_in_points(content: Content) -> None:
    arms = content()["arms"]
    assert [arm.name for arm in arms] == ["control", "unweighted", "equal", "equal mass", "aligned", "random subset"]
    assert [arm.role for arm in arms].count("treatment") == 1
    assert next(arm.name for arm in arms if arm.role == "treatment") == "aligned"
    assert arms[0].change is None
    assert (arms[4].change.points, arms[4].change.ends) == (
        pytest.approx(4.0),
        (pytest.approx(1.0), pytest.approx(7.0)),
    )


def test_differences_are_drawn_on_one_scale_that_holds_them_and_nothing(content: Content) -> None:
    lower, upper = content()["span"]
    assert lower < -2.0 < 0.0 < 7.0 < upper


def test_segments_too_small_for_an_interval_have_none(content: Content) -> None:
    few = {"difference": 0.2, "p_value": 1.0, "queries": 5, "seeds": 3, "control": 0.4, "treatment": 0.6}
    (segment,) = content(segments={"cold_document": few})["segments"]
    assert segment.ends is None
    assert segment.figure.count("whisker") == 0
    assert segment.arms == (0.4, 0.6)


def test_without_test_queries_the_section_says_that_nothing_was_judged(content: Content) -> None:
    figures = content()["figures"]
    del figures["test"], figures["segments"]
    assert content()["judged"] is False


def test_why_no_teacher_teaches_is_said(configuration: Make) -> None:
    material = Material(made_run(configuration()))
    assert "Hard negatives and teacher are" not in render(material)
    material.manifests["evaluate"]["metrics"]["teaching"] = {"used": False, "reason": "pairs alone are better"}
    assert "Hard negatives and teacher are not used in every arm: pairs alone are better." in render(material)


def test_a_classifier_is_shown_with_accuracy_and_macro_f1(configuration: Make) -> None:
    material = Material(made_run(configuration()))
    figures = material.manifests["evaluate"]["metrics"]
    figures["measure"] = "accuracy"
    for name, content in figures["test"].items():
        more = {"macro_f1_difference": 0.0212, "macro_f1_lower": 0.01, "macro_f1_upper": 0.03}
        ends = {"accuracy": 0.8123, "accuracy_lower": 0.8, "accuracy_upper": 0.82, "macro_f1": 0.7321}
        figures["test"][name] = content | (more if "_minus_" in name else ends)
    figures["ladder"] = [{**entry, "accuracy": entry["ndcg_at_10"]} for entry in figures["ladder"]]
    html = render(material)
    shown = html[html.index('id="retriever"') :]
    for words in ("0.8123", "0.7321", "macro-F1 minus control", "+2.12", "points of accuracy", "Kind of classifier"):
        assert words in shown, words
    assert "labels with real train texts" in shown and "documents with real train pairs" not in shown
    assert "A classifier trained on it scores" in html
