"""The evaluation as a page of Markdown: choice, gate, arms and segments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from synalign.config.schemes import NONE
from synalign.evaluation.arms import CONTROL, TREATMENT, arm_of, contrasts, trained_arms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAMES = {"ndcg_at_10": "nDCG@10", "mrr_at_10": "MRR@10", "recall_at_10": "recall@10", "recall_at_100": "recall@100"}

_SEGMENTS = ("head", "torso", "tail", "known_document", "cold_document")


def report(evaluation: Mapping[str, Any]) -> str:
    """Write an evaluation for people.

    Args:
        evaluation: Metrics of the step *evaluate*.

    Returns:
        Markdown.
    """
    gate = evaluation["gate"]
    parts = [
        "# Evaluation",
        f"Weights of the training set: **{weights_in_words(evaluation)}**, {evaluation['reason']}.",
        f"Gate **{gate['status']}**: {gate['reason']}.",
    ]
    if "test" in evaluation:
        parts.append(
            f"`{evaluation['retriever']}` retrievers, {evaluation['seeds']} trainings per arm, "
            f"{evaluation['real_pairs']} real pairs, ranking {evaluation['documents_ranked']} documents. "
            "Intervals are for 95 %, over queries and trainings; p by paired randomisation, not corrected for the "
            "number of arms."
        )
        at = f" at mass {evaluation['arms_mass']:g}" if "arms_mass" in evaluation else ""
        parts += [f"## Arms on test queries{at}", _arms(evaluation["test"], arm_of(evaluation["scheme"]))]
        parts += ["## Arm against arm", _contrasts(evaluation["test"])]
        parts += ["## Treatment against control by segment", _segments(evaluation["segments"])]
    if "ladder" in evaluation:
        parts += ["## Arms on validation queries, from the simplest up", _ladder(evaluation["ladder"])]
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


def _ladder(entries: Sequence[Mapping[str, Any]]) -> str:
    rows = [["round", "arm", "trainings", "nDCG@10", "against", "difference \u00b1 one standard error", "replaced it"]]
    for entry in entries:
        name, score = weights_in_words(entry), f"{entry['ndcg_at_10']:.4f}"
        against = weights_in_words(entry["against"]) if "against" in entry else ""
        apart = f"{entry['difference']:+.4f} \u00b1 {entry['standard_error']:.4f}" if against else ""
        replaced = ("yes" if entry["replaced"] else "no") if against else ""
        rows.append([str(entry["round"]), name, str(entry["seeds"]), score, against, apart, replaced])
    return _table(rows)


def _arms(test: Mapping[str, Mapping[str, float]], treatment: str) -> str:
    rows = [["arm", *_NAMES.values(), "nDCG@10 minus control", "p"]]
    for arm in trained_arms(test):
        compared = test.get(f"{arm}_minus_{CONTROL}")
        name = f"{arm} ({TREATMENT})" if arm == treatment else arm
        figures = [f"{test[arm][measure]:.4f}" for measure in _NAMES]
        rows.append([name, *figures, *([difference(compared), f"{compared['p_value']:.4f}"] if compared else ["", ""])])
    return _table(rows)


def _contrasts(test: Mapping[str, Mapping[str, float]]) -> str:
    rows = [["nDCG@10 of", "minus that of", "difference", "p"]]
    for arm, other in contrasts(test):
        compared = test[f"{arm}_minus_{other}"]
        rows.append([arm, other, difference(compared), f"{compared['p_value']:.4f}"])
    return _table(rows)


def _segments(segments: Mapping[str, Mapping[str, float]]) -> str:
    rows = [["segment", "queries", "control", "treatment", "difference", "p"]]
    for name, figures in ((name, segments[name]) for name in _SEGMENTS if name in segments):
        both = [f"{figures[arm]:.4f}" for arm in (CONTROL, TREATMENT)]
        queries = f"{figures['queries']:.0f}"
        rows.append([name.replace("_", " "), queries, *both, difference(figures), f"{figures['p_value']:.4f}"])
    return _table(rows)


def difference(figures: Mapping[str, float]) -> str:
    """Format a difference with its interval, where there are queries enough for one.

    >>> difference({"difference": 0.02, "lower": -0.01, "upper": 0.05})
    '+0.0200 [-0.0100, +0.0500]'
    """
    if "lower" not in figures:
        return f"{figures['difference']:+.4f} (too few queries for an interval)"
    return f"{figures['difference']:+.4f} [{figures['lower']:+.4f}, {figures['upper']:+.4f}]"


def _table(rows: list[list[str]]) -> str:
    head, *body = ("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *body])
