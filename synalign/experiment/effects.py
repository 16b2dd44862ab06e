"""Effects on a plan's metrics, from sums: estimates by tea-tasting, intervals that hold at every daily look.

Two families of figures come of one analysis. The intervals that decide are confidence sequences, each with its share
of the plan's alpha (`ExperimentPlan.alpha_of`): as the shares add up to alpha, all of them hold at all looks in all but
alpha of the tests, however the metrics depend on each other. Step-down procedures such as Holm's are sharper, but they
adjust p-values of a single look and give no intervals, so they are left to the p-values that are shown for information.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tea_tasting
import tea_tasting.experiment
from tea_tasting.metrics.mean import MeanResult

from synalign.experiment.findings import Bounds, Effect
from synalign.experiment.intervals import Sample, bounds, difference_interval, relative_interval, variance
from synalign.experiment.plan import Guardrail
from synalign.experiment.sequential import BURN_IN, planned_time, width

if TYPE_CHECKING:
    from tea_tasting.aggr import Aggregates

    from synalign.experiment.findings import Role
    from synalign.experiment.plan import ExperimentPlan, Metric

BEFORE = "before\x1f"
"""Begins the name of a column's sum over the days before the experiment; no column of a log begins so."""

# Of a mean: variances that cancel leave the root of a double's last digits, and no log is large enough for less.
_ROUNDING = 1e-7


class Columns(NamedTuple):
    """What must be summed for a plan's metrics.

    Attributes:
        values: Columns of the outcomes, each summed per unit.
        names: Of the sums per unit: the values, and with a covariate the same again with `BEFORE` in front.
        pairs: Names whose covariance is needed.
    """

    values: tuple[str, ...]
    names: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]


def columns(plan: ExperimentPlan) -> Columns:
    """Which columns a plan's metrics need, in the plan's order."""
    found = [column for metric in plan.metrics for column in (metric.numerator, metric.denominator) if column]
    values = tuple(dict.fromkeys(found))
    names = (*values, *(BEFORE + column for column in values)) if plan.covariate else values
    wanted = {
        pair
        for metric in plan.metrics
        for pair in _estimator(metric, covariate=plan.covariate is not None).aggr_cols.cov_cols
    }
    return Columns(values, names, tuple(sorted(wanted)))


def effects(plan: ExperimentPlan, sums: Mapping[str, Aggregates], unit_days: float) -> tuple[Effect, ...]:
    """Estimate the effect of the treatment on each of a plan's metrics.

    Args:
        plan: The experiment.
        sums: By arm: count, and mean, variance and covariances per unit of `columns(plan).names`.
        unit_days: Days of units in both arms so far.

    Returns:
        Primary, guardrails and secondary metrics, in this order.
    """
    enough = min(arm.count() for arm in sums.values()) >= BURN_IN
    planned = planned_time(plan)
    analyses = [_analysis(plan, metric, sums["control"], sums["treatment"]) for metric in plan.metrics]
    adjusted = _adjusted(plan, analyses)
    found = []
    for analysis in analyses:
        name = analysis.metric.name
        wide = width(unit_days, planned, plan.alpha_of(name)) if enough else None
        found.append(_effect(plan, analysis, wide, adjusted.get(name)))
    return tuple(found)


def role(plan: ExperimentPlan, metric: Metric) -> Role:
    """Return the role of a metric in its plan."""
    if metric.name == plan.primary.name:
        return "primary"
    return "guardrail" if isinstance(metric, Guardrail) else "secondary"


class _Analysis(NamedTuple):
    """One metric, compared.

    Attributes:
        metric: The metric.
        covariate: Whether what units did before was taken out.
        once: tea-tasting's result for a single look, at the plan's alpha: Welch's t.
        control: The control's values, less what the covariate explains.
        treatment: The treatment's.
        pooled: Variance per unit over both arms together.
    """

    metric: Metric
    covariate: bool
    once: MeanResult
    control: Sample
    treatment: Sample
    pooled: float


def _analysis(plan: ExperimentPlan, metric: Metric, control: Aggregates, treatment: Aggregates) -> _Analysis:
    covariate = plan.covariate is not None and _explains(metric, control, treatment)
    estimator, total = _estimator(metric, covariate, 1.0 - plan.alpha), control + treatment
    once = _analysed(estimator, control, treatment)
    columns = (estimator.numer, estimator.denom, estimator.numer_covariate, estimator.denom_covariate)
    return _Analysis(
        metric,
        covariate,
        once,
        Sample(control.count(), once.control, variance(control, total, columns)),
        Sample(treatment.count(), once.treatment, variance(treatment, total, columns)),
        variance(total, total, columns),
    )


def _analysed(estimator: tea_tasting.RatioOfMeans, control: Aggregates, treatment: Aggregates) -> MeanResult:
    """Return tea-tasting's result; NaN where only rounding varies, since then nothing is known of the error."""
    try:
        with np.errstate(invalid="ignore", divide="ignore"):
            result = estimator.analyze_aggregates(control, treatment)
    except ValueError:
        # The root of a variance that is 0, and negative by rounding: a ratio of two columns that are proportional.
        result = MeanResult(*[math.nan] * len(MeanResult._fields))
        return result._replace(**_ratios(estimator, control, treatment))
    widest = result.effect_size_ci_upper - result.effect_size_ci_lower
    if widest > _ROUNDING * (abs(result.control) + abs(result.treatment)):
        return result
    known = {"control", "treatment", "effect_size", "rel_effect_size"}
    return result._replace(**{field: math.nan for field in MeanResult._fields if field not in known})


def _ratios(estimator: tea_tasting.RatioOfMeans, control: Aggregates, treatment: Aggregates) -> dict[str, float]:
    """Return the estimates alone, of a metric that varies in neither arm."""
    before, after = (
        arm.mean(estimator.numer) / arm.mean(estimator.denom)
        for arm in (control.with_zero_div(), treatment.with_zero_div())
    )
    return {
        "control": before,
        "treatment": after,
        "effect_size": after - before,
        "rel_effect_size": after / before - 1.0 if before else math.nan,
    }


def _effect(plan: ExperimentPlan, analysis: _Analysis, width: float | None, adjusted: float | None) -> Effect:
    """Turn the analysis of one metric into its effect.

    Args:
        plan: The experiment.
        analysis: The metric's analysis.
        width: Half-width of the intervals that decide, in standard errors; None: too few units.
        adjusted: p-value adjusted for several metrics.
    """
    metric, once = analysis.metric, analysis.once
    positive = once.control > 0.0 and once.treatment > 0.0
    interval = relative = None
    if width is not None:
        interval = difference_interval(analysis.control, analysis.treatment, analysis.pooled, width)
        relative = relative_interval(analysis.control, analysis.treatment, width) if positive and interval else None
    margin = metric.margin if isinstance(metric, Guardrail) else None
    return Effect(
        name=metric.name,
        role=role(plan, metric),
        better=metric.better,
        margin=margin,
        alpha=plan.alpha_of(metric.name),
        covariate=analysis.covariate,
        control=_finite(once.control),
        treatment=_finite(once.treatment),
        difference=_finite(once.effect_size),
        interval=interval,
        relative=_finite(once.rel_effect_size) if positive else None,
        relative_interval=relative,
        fixed_interval=bounds(once.effect_size_ci_lower, once.effect_size_ci_upper),
        p_value=_finite(once.pvalue),
        adjusted_p_value=adjusted,
        passed=_passed(relative if margin is not None else interval, metric.better, margin or 0.0),
    )


def _passed(interval: Bounds | None, better: str, margin: float) -> bool | None:
    """Return True if an interval lies wholly above the worst that is tolerated, False if wholly below, else None."""
    if interval is None:
        return None
    lower, upper = (interval.lower, interval.upper) if better == "higher" else (-interval.upper, -interval.lower)
    if lower > -margin:
        return True
    return False if upper < -margin else None


def _estimator(metric: Metric, covariate: bool, level: float = 0.95) -> tea_tasting.RatioOfMeans:
    """Return tea-tasting's metric: a mean is a ratio of means without a denominator."""
    before = [BEFORE + column if covariate and column else None for column in (metric.numerator, metric.denominator)]
    return tea_tasting.RatioOfMeans(
        metric.numerator, metric.denominator, *before, alternative="two-sided", confidence_level=level, equal_var=False,
    )  # fmt: skip


def _explains(metric: Metric, control: Aggregates, treatment: Aggregates) -> bool:
    """Whether there is anything before the experiment to take out: units that are new have no past."""
    arms, denominator = (control, treatment), metric.denominator
    if not all(arm.var(BEFORE + metric.numerator) > 0.0 for arm in arms):
        return False
    return denominator is None or all(arm.mean(BEFORE + denominator) > 0.0 for arm in arms)


def _adjusted(plan: ExperimentPlan, analyses: Sequence[_Analysis]) -> dict[str, float]:
    """p-values for several metrics, by the plan's correction; metrics without a p-value are left out."""
    results = {each.metric.name: each.once for each in analyses if math.isfinite(each.once.pvalue)}
    if not results:
        return {}
    if plan.correction == "bonferroni":
        return {name: min(1.0, len(results) * result.pvalue) for name, result in results.items()}
    family = tea_tasting.experiment.ExperimentResult(results)
    if plan.correction == "holm":
        # Metrics of the same units depend on each other, in ways that nobody knows.
        found = tea_tasting.adjust_fwer(family, alpha=plan.alpha, arbitrary_dependence=True, method="bonferroni")
    else:
        found = tea_tasting.adjust_fdr(family, alpha=plan.alpha)
    return {str(row["metric"]): float(row["pvalue_adj"]) for row in found.to_dicts()}


def _finite(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None
