"""A trial in figures: plain nested numbers for the manifest, from where MLflow and the report take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from synalign.evaluation.arms import CONTRASTS, CONTROL, TREATMENT
from synalign.evaluation.comparison import LEAST_QUERIES, Comparison, Resampled
from synalign.evaluation.segments import SEGMENTS
from synalign.retriever.measures import MEASURES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.evaluation.material import Judged
    from synalign.evaluation.trial import Trial

NDCG = MEASURES[0]


def resampled(trial: Trial, queries: int) -> Resampled | None:
    """nDCG@10 on test queries; None where there are none."""
    return Resampled(trial.scores("test")) if queries else None


def on_validation(trial: Trial) -> dict[str, dict[str, float]]:
    """By arm, the means of all measures on validation queries, and of the checkpoints that they chose."""
    return {
        arm: {name: float(trial.scores("validation", name)[arm].mean()) for name in MEASURES}
        | {"step": _step(trial, arm)}
        for arm in trial.scores("validation")
    }


def on_test(trial: Trial, scores: Resampled, treatment: str) -> dict[str, dict[str, float]]:
    """Means and comparisons on test queries, such as `aligned.ndcg_at_10` and `treatment_minus_control.p_value`.

    Args:
        trial: All outcomes.
        scores: nDCG@10 on test queries.
        treatment: The arm whose weights the training set has, the control where it is the real pairs alone.
    """
    figures: dict[str, dict[str, float]] = {}
    for arm in scores.names:
        figures[arm] = _means(trial, "test", arm)
        if scores.queries >= LEAST_QUERIES:
            _, lower, upper = scores.mean(arm)
            figures[arm] |= {f"{NDCG}_lower": lower, f"{NDCG}_upper": upper}
        if arm != CONTROL:
            figures[f"{arm}_minus_{CONTROL}"] = compared(scores.compare(arm, CONTROL))
    for arm, other in CONTRASTS:
        if other in scores.names:
            mine = treatment if arm == TREATMENT else arm
            figures[f"{arm}_minus_{other}"] = compared(scores.compare(mine, other))
    figures[TREATMENT] = figures[treatment]
    figures[f"{TREATMENT}_minus_{CONTROL}"] = compared(scores.compare(treatment, CONTROL))
    return figures


def by_segment(trial: Trial, judged: Judged, treatment: str) -> dict[str, dict[str, float]]:
    """Treatment and control on the test queries of every segment that has some, and on those of cold documents."""
    both = {arm: rows for arm, rows in trial.scores("test").items() if arm in (CONTROL, treatment)}
    members: dict[str, NDArray[np.bool_]] = {name: judged.segments == name for name in SEGMENTS}
    members |= {"cold_document": judged.cold, "known_document": ~judged.cold}
    figures = {}
    for name, rows in members.items():
        if rows.any():
            scores = Resampled({arm: values[:, rows] for arm, values in both.items()})
            means = {CONTROL: scores.mean(CONTROL).value, TREATMENT: scores.mean(treatment).value}
            figures[name] = means | compared(scores.compare(treatment, CONTROL))
    return figures


def compared(comparison: Comparison) -> dict[str, float]:
    """Return a comparison as metrics. Fewer than `LEAST_QUERIES` queries give no interval: it would be too short."""
    figures = {key: value for key, value in comparison._asdict().items() if value is not None}
    if comparison.queries < LEAST_QUERIES:
        del figures["lower"], figures["upper"]
    return figures


def _means(trial: Trial, split: str, arm: str) -> dict[str, float]:
    return {name: float(trial.scores(split, name)[arm].mean()) for name in MEASURES}


def _step(trial: Trial, arm: str) -> float:
    """Return the mean over seeds of the checkpoint that was kept."""
    return float(np.mean([outcome.step for outcome in trial.outcomes if outcome.arm == arm]))
