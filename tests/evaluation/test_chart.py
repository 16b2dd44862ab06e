"""What a person sees of an evaluation: bars as high as the arms are good."""

import xml.etree.ElementTree as ElementTree

import pytest

from synalign.evaluation.arms import ARMS
from synalign.evaluation.chart import chart
from synalign.evaluation.measured import CLASSIFICATION
from tests.evaluation.test_report import evaluation


def drawn(image: str, tag: str) -> list[tuple[str, str]]:
    """Class and points, or words, of elements in the order they are drawn."""
    found = ElementTree.fromstring(image).iter(f"{{http://www.w3.org/2000/svg}}{tag}")
    return [(element.get("class", ""), element.get("points") or element.text or "") for element in found]


def heights(points: str) -> list[float]:
    return [float(pair.split(",")[1]) for pair in points.split()]


def test_bars_are_as_high_as_the_arms_are_good() -> None:
    bars = drawn(chart(evaluation()["test"], "equal_mass"), "polygon")
    found = [max(heights(points)) - min(heights(points)) for _, points in bars]
    assert len(found) == len(ARMS)
    for place, height in enumerate(found):
        assert height / found[0] == pytest.approx((0.301 + place / 100) / 0.301, rel=1e-3)
    kinds = [kind.split()[1] for kind, _ in bars]
    assert kinds == ["control", "other", "other", "treatment", "other", "other"]


def test_an_interval_reaches_as_far_as_its_ends() -> None:
    test = evaluation()["test"]
    image = chart(test, "aligned")
    (bar, *_), whiskers = drawn(image, "polygon"), drawn(image, "polyline")
    foot, top = max(heights(bar[1])), min(heights(bar[1]))
    scale = (foot - top) / test["control"]["ndcg_at_10"]
    lower, upper, upright = (heights(points) for _, points in whiskers[:3])
    assert upright == [lower[0], upper[0]]
    assert (lower[0] - top, top - upper[0]) == pytest.approx((0.02 * scale, 0.02 * scale), abs=0.2)


def test_names_heights_and_the_treatment_are_told_in_words() -> None:
    words = [text for _, text in drawn(chart(evaluation()["test"], "equal_mass"), "text")]
    assert "450 test queries, 3 trainings per arm, 95 % intervals" in words
    assert words[words.index("equal mass") :][:3] == ["equal mass", "0.331", "training set"]
    assert words.count("training set") == 1


def test_too_few_queries_for_an_interval_are_said_to_be_too_few() -> None:
    image = chart(evaluation(19)["test"], "equal_mass")
    assert "too few for intervals" in image
    assert drawn(image, "polyline") == []


def test_the_same_figures_give_the_same_image() -> None:
    assert chart(evaluation()["test"], "aligned") == chart(evaluation()["test"], "aligned")


def test_bars_of_classifiers_are_their_accuracy() -> None:
    test = {name: {**content, "accuracy": 0.8, "accuracy_lower": 0.7, "accuracy_upper": 0.9}
            for name, content in evaluation()["test"].items()}  # fmt: skip
    image = chart(test, "equal_mass", CLASSIFICATION)
    found = {max(heights(points)) - min(heights(points)) for kind, points in drawn(image, "polygon")}
    assert max(found) == pytest.approx(min(found), abs=0.2)
    assert ("axis", "accuracy") in drawn(image, "text")
    assert "nDCG" not in image
