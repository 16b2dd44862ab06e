"""The retriever: what training on the set does to one, against real pairs alone, and for which queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup

from synalign.config.schemes import ALIGNED, EQUAL, EQUAL_MASS, NAMES, NONE
from synalign.drawing.svg import interval
from synalign.evaluation.arms import CONTROL, PAIRS_ONLY, TREATMENT, arm_of, contrasts, trained_arms
from synalign.evaluation.measured import CLASSIFICATION, MACRO_F1, Measured, measured
from synalign.evaluation.report import weights_in_words
from synalign.report.ladder import climbed
from synalign.report.section import Section

if TYPE_CHECKING:
    from synalign.report.material import Material

Figures = Mapping[str, float]

TELLS = {
    CONTROL: "real pairs only",
    "unweighted": "also what does not find its document, all equal",
    EQUAL: "what screening accepted, all equal",
    EQUAL_MASS: "the same, equal weight per document",
    ALIGNED: "the same, aligned weights",
    "random_subset": "as many, at random, as the aligned weights are worth",
    PAIRS_ONLY: "the treatment's pairs, without hard negatives and teacher",
}
"""What each arm is trained on."""

SEGMENTS = {
    "head": "head: the third of traffic with the most asked queries",
    "torso": "torso: the middle third",
    "tail": "tail: the third with the queries least asked",
    "known_document": "documents with real train pairs",
    "cold_document": "cold documents: no real train pair",
}
"""Segments of test queries, in words."""

LABELLED = {
    "known_document": "labels with real train texts",
    "cold_document": "cold labels: no real train text",
}
"""The same of a classifier's, where they are other words."""


class Arm(NamedTuple):
    """One arm on test queries.

    Attributes:
        name: In words.
        tells: What it is trained on.
        role: `control`, `treatment` or `other`.
        synthetic: How many written queries it has.
        measures: nDCG@10, MRR@10, recall@10 and recall@100; of a classifier, accuracy, macro-F1 and MRR@10.
        figure: The first of them with its interval.
        change: The first of them minus the control's; None of the control.
        f1: Macro-F1 minus the control's; None of the control, and of retrievers.
    """

    name: str
    tells: str
    role: str
    synthetic: int
    measures: list[float]
    figure: Markup
    change: Change | None
    f1: tuple[float, tuple[float, float] | None] | None


class Change(NamedTuple):
    """One arm against another, in points (hundredths) of nDCG@10, or of a classifier's accuracy.

    Attributes:
        name: What is compared.
        points: The difference.
        ends: Its 95 % interval; None: too few queries for one.
        p_value: Of the paired randomisation test.
        queries: How many queries it rests on.
        figure: The difference with its interval, beside 0.
        arms: Means of control and treatment, where they are those of a segment.
    """

    name: str
    points: float
    ends: tuple[float, float] | None
    p_value: float
    queries: int
    figure: Markup
    arms: tuple[float, float] | None


def section(material: Material) -> Section | None:
    """Show choice with its ladder, arms, contrasts and segments; None where step *evaluate* has not finished."""
    figures = material.metrics("evaluate")
    if not figures:
        return None
    content: dict[str, Any] = {
        "scheme": NAMES[figures["scheme"]],
        "named": weights_in_words(figures),
        "reason": figures["reason"],
        "climb": climbed(figures),
        "treatment": arm_of(figures["scheme"]).replace("_", " "),
        "alone": figures["scheme"] == NONE,
        "gate": figures["gate"],
        "figures": figures,
        "judged": "test" in figures,
        "by": measured(figures),
    }
    if "test" in figures:
        content |= _judged(figures)
    return Section("retriever", "Retriever", "retriever.html", content)


def _judged(figures: Mapping[str, Any]) -> dict[str, Any]:
    test = figures["test"]
    arms = trained_arms(test)
    against = [(arm, CONTROL) for arm in arms if arm != CONTROL]
    compared = contrasts(test)
    words = SEGMENTS | LABELLED if measured(figures) == CLASSIFICATION else SEGMENTS
    segments = {name: figures["segments"][name] for name in words if name in figures.get("segments", {})}
    span = _span([test[f"{arm}_minus_{other}"] for arm, other in (*against, *compared)] + list(segments.values()))
    effect = _change("", test[f"{TREATMENT}_minus_{CONTROL}"], span, TREATMENT)
    return {
        "effect": effect,
        "finding": _finding(effect),
        "arms": _arms(figures, arms, span),
        "contrasts": [
            _change(f"{_words(arm)} minus {_words(other)}", test[f"{arm}_minus_{other}"], span, "other")
            for arm, other in compared
        ],
        "segments": [_change(words[name], each, span, TREATMENT) for name, each in segments.items()],
        "span": (100.0 * span[0], 100.0 * span[1]),
    }


def _finding(effect: Change) -> str:
    """Say what the difference shows, by its interval."""
    if effect.ends is None:
        return "too few test queries to tell"
    if effect.ends[0] > 0.0:
        return "better than real pairs alone"
    return "worse than real pairs alone" if effect.ends[1] < 0.0 else "no difference shown"


def _arms(figures: Mapping[str, Any], names: Sequence[str], span: tuple[float, float]) -> list[Arm]:
    test = figures["test"]
    by = measured(figures)
    ends = [test[arm].get(f"{by.name}_{end}", test[arm][by.name]) for arm in names for end in ("lower", "upper")]
    room = max(max(ends) - min(ends), 1e-3) * 0.08
    whole = (min(ends) - room, max(ends) + room)
    return [_arm(figures, arm, whole, span, by) for arm in names]


def _arm(
    figures: Mapping[str, Any], arm: str, whole: tuple[float, float], span: tuple[float, float], by: Measured
) -> Arm:
    test: Mapping[str, Figures] = figures["test"]
    mine = test[arm]
    role = CONTROL if arm == CONTROL else TREATMENT if arm == figures["scheme"] else "other"
    ends = (mine[f"{by.name}_lower"], mine[f"{by.name}_upper"]) if f"{by.name}_lower" in mine else None
    return Arm(
        _words(arm),
        TELLS[arm],
        role,
        _rows(figures, arm),
        [mine[name] for name in by.all],
        interval(mine[by.name], ends, whole, test[CONTROL][by.name], role),
        None if arm == CONTROL else _change("", test[f"{arm}_minus_{CONTROL}"], span, role),
        None if arm == CONTROL else _macro_f1(test[f"{arm}_minus_{CONTROL}"]),
    )


def _macro_f1(compared: Figures) -> tuple[float, tuple[float, float] | None] | None:
    """Return a difference of macro-F1 in points, with its interval where there is one; None of retrievers."""
    keys = [f"{MACRO_F1}_{end}" for end in ("difference", "lower", "upper")]
    if keys[0] not in compared:
        return None
    value, *ends = (100.0 * compared[key] for key in keys if key in compared)
    return value, (ends[0], ends[1]) if ends else None


def _rows(figures: Mapping[str, Any], arm: str) -> int:
    """Return how many written queries an arm was trained on."""
    weights = arm_of(figures["scheme"]) if arm == PAIRS_ONLY else arm
    return int(figures["synthetic"].get(weights, {"rows": 0})["rows"])


def _change(name: str, compared: Figures, span: tuple[float, float], role: str) -> Change:
    ends = (compared["lower"], compared["upper"]) if "lower" in compared else None
    both = (compared[CONTROL], compared[TREATMENT]) if CONTROL in compared else None
    return Change(
        name,
        100.0 * compared["difference"],
        None if ends is None else (100.0 * ends[0], 100.0 * ends[1]),
        compared["p_value"],
        int(compared["queries"]),
        interval(compared["difference"], ends, span, 0.0, role),
        both,
    )


def _span(compared: Sequence[Figures]) -> tuple[float, float]:
    """Return one scale for all differences, with 0 on it."""
    ends = [each.get(end, each["difference"]) for each in compared for end in ("lower", "upper")]
    lowest, highest = min(0.0, *ends), max(0.0, *ends)
    room = max(highest - lowest, 1e-3) * 0.08
    return lowest - room, highest + room


def _words(arm: str) -> str:
    return arm.replace("_", " ")
