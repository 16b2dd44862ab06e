"""The evaluation as a page of Markdown: choice, gate, arms and segments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from synalign.config.schemes import NONE
from synalign.evaluation.arms import CONTROL, TREATMENT, arm_of, contrasts, trained_arms
from synalign.evaluation.measured import MACRO_F1, Measured, measured

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SEGMENTS = ("head", "torso", "tail", "known_document", "cold_document")


def report(evaluation: Mapping[str, Any]) -> str:
    """Write an evaluation for people.

    Args:
        evaluation: Metrics of the step *evaluate*.

    Returns:
        Markdown.
    """
    gate, by = evaluation["gate"], measured(evaluation)
    parts = [
        "# Evaluation",
        f"Weights of the training set: **{weights_in_words(evaluation)}**, {evaluation['reason']}.",
        f"Gate **{gate['status']}**: {gate['reason']}.",
    ]
    if "test" in evaluation:
        parts.append(
            f"`{evaluation['retriever']}` {by.model}s, {evaluation['seeds']} trainings per arm, "
            f"{evaluation['real_pairs']} real pairs, ranking {evaluation['documents_ranked']} {by.ranked}s. "
            "Intervals are for 95 %, over queries and trainings; p by paired randomisation, not corrected for the "
            "number of arms."
        )
        at = f" at mass {evaluation['arms_mass']:g}" if "arms_mass" in evaluation else ""
        parts += [f"## Arms on test queries{at}", _arms(evaluation["test"], arm_of(evaluation["scheme"]), by)]
        parts += ["## Arm against arm", _contrasts(evaluation["test"], by)]
        parts += ["## Treatment against control by segment", _segments(evaluation["segments"], by)]
    if "ladder" in evaluation:
        parts += ["## Arms on validation queries, from the simplest up", _ladder(evaluation["ladder"], by)]
    return "\n\n".join(parts) + "\n"


def weights_in_words(evaluation: Mapping[str, Any]) -> str:
    """Return what a training set has, by the metrics of *evaluate*.

    >>> weights_in_words({"scheme": "aligned", "mass": 0.5}), weights_in_words({"scheme": "none", "mass": 0.0})
    ('aligned at mass 0.5', 'real pairs alone')
    """
    if evaluation["scheme"] == NONE:
        return "real pairs alone"
    # Before masses were chosen there was none among the metrics.
    return str(evaluation["scheme"]) + (f" at mass {evaluation['mass']:g}" if "mass" in evaluation else "")


def _ladder(entries: Sequence[Mapping[str, Any]], by: Measured) -> str:
    rows = [["round", "arm", "trainings", by.words, "against", "difference \u00b1 one standard error", "replaced it"]]
    for entry in entries:
        name, score = weights_in_words(entry), f"{entry[by.name]:.4f}"
        against = weights_in_words(entry["against"]) if "against" in entry else ""
        apart = f"{entry['difference']:+.4f} \u00b1 {entry['standard_error']:.4f}" if against else ""
        replaced = ("yes" if entry["replaced"] else "no") if against else ""
        rows.append([str(entry["round"]), name, str(entry["seeds"]), score, against, apart, replaced])
    return _table(rows)


def _arms(test: Mapping[str, Mapping[str, float]], treatment: str, by: Measured) -> str:
    f1 = [f"{by.others[MACRO_F1]} minus control"] if MACRO_F1 in by.others else []
    rows = [["arm", *by.all.values(), f"{by.words} minus control", "p", *f1]]
    for arm in trained_arms(test):
        compared = test.get(f"{arm}_minus_{CONTROL}")
        name = f"{arm} ({TREATMENT})" if arm == treatment else arm
        figures = [f"{test[arm][measure]:.4f}" for measure in by.all]
        apart = [difference(compared), f"{compared['p_value']:.4f}"] if compared else ["", ""]
        apart += [difference(compared, f"{MACRO_F1}_") if compared else "" for _ in f1]
        rows.append([name, *figures, *apart])
    return _table(rows)


def _contrasts(test: Mapping[str, Mapping[str, float]], by: Measured) -> str:
    rows = [[f"{by.words} of", "minus that of", "difference", "p"]]
    for arm, other in contrasts(test):
        compared = test[f"{arm}_minus_{other}"]
        rows.append([arm, other, difference(compared), f"{compared['p_value']:.4f}"])
    return _table(rows)


def _segments(segments: Mapping[str, Mapping[str, float]], by: Measured) -> str:
    rows = [["segment", "queries", "control", "treatment", "difference", "p"]]
    for name, figures in ((name, segments[name]) for name in _SEGMENTS if name in segments):
        both = [f"{figures[arm]:.4f}" for arm in (CONTROL, TREATMENT)]
        queries = f"{figures['queries']:.0f}"
        rows.append(
            [
                name.replace("_", " ").replace("document", by.ranked),
                queries,
                *both,
                difference(figures),
                f"{figures['p_value']:.4f}",
            ]
        )
    return _table(rows)


def difference(figures: Mapping[str, float], of: str = "") -> str:
    """Format a difference with its interval, where there are queries enough for one.

    Args:
        figures: A comparison.
        of: What the keys begin with; empty: those of the measure that chooses.

    >>> difference({"difference": 0.02, "lower": -0.01, "upper": 0.05})
    '+0.0200 [-0.0100, +0.0500]'
    """
    if f"{of}lower" not in figures:
        return f"{figures[f'{of}difference']:+.4f} (too few queries for an interval)"
    return f"{figures[f'{of}difference']:+.4f} [{figures[f'{of}lower']:+.4f}, {figures[f'{of}upper']:+.4f}]"


def _table(rows: list[list[str]]) -> str:
    head, *body = ("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *body])
