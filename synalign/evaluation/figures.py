"""A trial in figures: plain nested numbers for the manifest, from where MLflow and the report take them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from synalign.evaluation.arms import CONTRASTS, CONTROL, TREATMENT
from synalign.evaluation.comparison import LEAST_QUERIES, Comparison, Resampled
from synalign.evaluation.macro_f1 import MacroF1
from synalign.evaluation.measured import MACRO_F1
from synalign.evaluation.segments import SEGMENTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.evaluation.material import Judged
    from synalign.evaluation.trial import Trial


def resampled(trial: Trial, queries: int) -> Resampled | None:
    """Return nDCG@10 on test queries, or accuracy on test texts; None where there are none."""
    return Resampled(trial.scores("test")) if queries else None


def on_validation(trial: Trial) -> dict[str, dict[str, float]]:
    """By arm, the means of all measures on validation queries, and of the checkpoints that they chose."""
    return {
        arm: {name: float(trial.scores("validation", name)[arm].mean()) for name in trial.names}
        | {"step": _step(trial, arm)}
        for arm in trial.scores("validation")
    }


def on_test(trial: Trial, scores: Resampled, treatment: str) -> dict[str, dict[str, float]]:
    """Means and comparisons on test queries, such as `aligned.ndcg_at_10` and `treatment_minus_control.p_value`.

    Args:
        trial: All outcomes.
        scores: What `resampled` gives.
        treatment: The arm whose weights the training set has, the control where it is the real pairs alone.
    """
    figures = _by_measure(trial, scores, treatment)
    labels = trial.labels("test")
    if labels is not None:
        _add_macro_f1(figures, MacroF1(*labels), treatment, scores.queries >= LEAST_QUERIES)
    return figures


def _by_measure(trial: Trial, scores: Resampled, treatment: str) -> dict[str, dict[str, float]]:
    figures: dict[str, dict[str, float]] = {}
    main = trial.measured.name
    for arm in scores.names:
        figures[arm] = _means(trial, "test", arm)
        if scores.queries >= LEAST_QUERIES:
            _, lower, upper = scores.mean(arm)
            figures[arm] |= {f"{main}_lower": lower, f"{main}_upper": upper}
        if arm != CONTROL:
            figures[f"{arm}_minus_{CONTROL}"] = compared(scores.compare(arm, CONTROL))
    for arm, other in CONTRASTS:
        if other in scores.names:
            mine = treatment if arm == TREATMENT else arm
            figures[f"{arm}_minus_{other}"] = compared(scores.compare(mine, other))
    figures[TREATMENT] = figures[treatment]
    figures[f"{TREATMENT}_minus_{CONTROL}"] = compared(scores.compare(treatment, CONTROL))
    return figures


def _add_macro_f1(figures: dict[str, dict[str, float]], found: MacroF1, treatment: str, with_interval: bool) -> None:
    """Add macro-F1 to every arm and its difference to every comparison, with intervals where texts are enough."""
    for name, content in figures.items():
        arm, minus, other = name.partition("_minus_")
        mine, against = (treatment if part == TREATMENT else part for part in (arm, other))
        key = f"{MACRO_F1}_difference" if minus else MACRO_F1
        value, lower, upper = found.difference(mine, against) if minus else found.mean(mine)
        content[key] = value
        if with_interval:
            content |= {f"{MACRO_F1}_lower": lower, f"{MACRO_F1}_upper": upper}


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
    return {name: float(trial.scores(split, name)[arm].mean()) for name in trial.names}


def _step(trial: Trial, arm: str) -> float:
    """Return the mean over seeds of the checkpoint that was kept."""
    return float(np.mean([outcome.step for outcome in trial.outcomes if outcome.arm == arm]))
