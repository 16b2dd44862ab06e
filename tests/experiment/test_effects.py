"""Effects against SciPy, against tea-tasting on the raw data, and against formulas written out in NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tea_tasting
from scipy import stats
from tea_tasting.aggr import Aggregates, read_aggregates

from synalign.experiment import ExperimentPlan
from synalign.experiment.effects import BEFORE, columns, effects
from synalign.experiment.findings import Effect
from synalign.experiment.sequential import planned_time, width

Make = Callable[..., ExperimentPlan]
UNITS, DAYS_OF_UNITS = 6_000, 30_000.0
METRICS: dict[str, Any] = {
    "primary": {"name": "ctr", "numerator": "clicks", "denominator": "searches"},
    "guardrails": [
        {"name": "latency", "numerator": "ms", "denominator": "searches", "better": "lower", "margin": 0.05}
    ],
    "secondary": [{"name": "orders", "numerator": "orders"}, {"name": "clicks", "numerator": "clicks"}],
}


@pytest.fixture(scope="module")
def units() -> pa.Table:
    """One row per unit: sums since its exposure, and before; the treatment clicks 8 % more."""
    rng = np.random.default_rng(1)
    treated, activity = rng.random(UNITS) < 0.5, rng.gamma(2.0, 0.5, UNITS)
    searches, before = rng.poisson(4.0 * activity), rng.poisson(4.0 * activity)
    values = {
        "clicks": rng.binomial(searches, 0.4 * (1.0 + 0.08 * treated)),
        "searches": searches,
        "ms": searches * 120.0 + 50.0 * np.sqrt(searches) * rng.standard_normal(UNITS),
        "orders": rng.binomial(searches, 0.03),
        BEFORE + "clicks": rng.binomial(before, 0.4),
        BEFORE + "searches": before,
        BEFORE + "ms": before * 120.0 + 50.0 * np.sqrt(before) * rng.standard_normal(UNITS),
        BEFORE + "orders": rng.binomial(before, 0.03),
    }
    return pa.table({"arm": np.where(treated, "treatment", "control"), **values})


def analysed(plan: ExperimentPlan, table: pa.Table) -> dict[str, Effect]:
    needed = columns(plan)
    sums = read_aggregates(
        table, "arm", has_count=True, mean_cols=needed.names, var_cols=needed.names, cov_cols=needed.pairs
    )
    return {
        effect.name: effect for effect in effects(plan, {str(arm): each for arm, each in sums.items()}, DAYS_OF_UNITS)
    }


def arms(table: pa.Table, name: str) -> tuple[np.ndarray, np.ndarray]:
    values, treated = table[name].to_numpy().astype(float), table["arm"].to_numpy(zero_copy_only=False) == "treatment"
    return values[~treated], values[treated]


def test_a_mean_is_welchs_t_test(plan: Make, units: pa.Table) -> None:
    effect = analysed(plan(**METRICS), units)["orders"]
    control, treatment = arms(units, "orders")
    welch = stats.ttest_ind(treatment, control, equal_var=False)
    interval = welch.confidence_interval(0.95)
    assert effect.role == "secondary"
    assert not effect.covariate
    assert effect.p_value == pytest.approx(welch.pvalue, rel=1e-8)
    assert effect.fixed_interval is not None
    assert (effect.fixed_interval.lower, effect.fixed_interval.upper) == pytest.approx((interval.low, interval.high))
    assert effect.difference == pytest.approx(treatment.mean() - control.mean())
    assert effect.relative == pytest.approx(treatment.mean() / control.mean() - 1.0)


def linear(plan_alpha: float, made: ExperimentPlan, *arms_: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    """Difference of two ratios and its half-width: on the wider of each arm's own and the pooled standard error."""
    per_unit = sum(1.0 / len(numerator) for numerator, _ in arms_)
    own, ratios = 0.0, []
    for numerator, denominator in arms_:
        ratios.append(numerator.mean() / denominator.mean())
        own += ((numerator - ratios[-1] * denominator) / denominator.mean()).var(ddof=1) / len(numerator)
    numerator, denominator = (np.concatenate(each) for each in zip(*arms_, strict=True))
    together = (numerator - numerator.mean() / denominator.mean() * denominator) / denominator.mean()
    error = np.sqrt(max(own, together.var(ddof=1) * per_unit))
    return ratios[1] - ratios[0], width(DAYS_OF_UNITS, planned_time(made), plan_alpha) * error


def test_a_ratio_has_the_error_of_its_linear_part(plan: Make, units: pa.Table) -> None:
    made = plan(**METRICS)
    effect = analysed(made, units)["ctr"]
    pairs = zip(arms(units, "clicks"), arms(units, "searches"), strict=True)
    middle, half = linear(made.alpha_of("ctr"), made, *pairs)
    assert effect.interval is not None
    assert effect.interval.lower == pytest.approx(middle - half)
    assert effect.interval.upper == pytest.approx(middle + half)


@pytest.mark.parametrize("better", ["control", "treatment"])
def test_a_small_arm_is_held_against_its_own_variance_or_against_that_of_all(plan: Make, better: str) -> None:
    rng = np.random.default_rng(2)
    few, many = rng.standard_exponential(400), rng.standard_exponential(3_600)
    # One large value in the smaller arm widens its own error; in the larger arm it counts for the smaller one too.
    (few if better == "treatment" else many)[0] = 200.0
    table = pa.table({"arm": ["treatment"] * 400 + ["control"] * 3_600, "clicks": np.concatenate([few, many])})
    made = plan(treatment_share=0.1)
    effect = analysed(made, table)["clicks"]
    middle, half = linear(0.05, made, (many, np.ones(3_600)), (few, np.ones(400)))
    own = np.sqrt(few.var(ddof=1) / 400 + many.var(ddof=1) / 3_600)
    ratio = half / width(DAYS_OF_UNITS, planned_time(made), 0.05) / own
    assert ratio == pytest.approx(1.0) if better == "treatment" else ratio > 2.0
    assert effect.interval is not None
    assert (effect.interval.lower, effect.interval.upper) == pytest.approx((middle - half, middle + half))


def test_the_relative_interval_has_all_changes_that_the_data_do_not_speak_against(plan: Make, units: pa.Table) -> None:
    made = plan(**METRICS)
    effect = analysed(made, units)["orders"]
    control, treatment = arms(units, "orders")
    wide = width(DAYS_OF_UNITS, planned_time(made), made.alpha_of("orders"))

    def kept(change: float) -> bool:
        """Whether `treatment` could be `control` times so much, by the two samples as they then are."""
        scaled = control * (1.0 + change)
        own = treatment.var(ddof=1) / len(treatment) + scaled.var(ddof=1) / len(scaled)
        pooled = np.concatenate([scaled, treatment]).var(ddof=1) * (1.0 / len(scaled) + 1.0 / len(treatment))
        return bool(abs(treatment.mean() - scaled.mean()) <= wide * np.sqrt(max(own, pooled)))

    assert effect.relative_interval is not None
    lower, upper = effect.relative_interval.lower, effect.relative_interval.upper
    for inside, outside in ((lower + 1e-6, lower - 1e-6), (upper - 1e-6, upper + 1e-6)):
        assert kept(inside)
        assert not kept(outside)
    # At a change of 0 it is the interval of the difference.
    assert effect.interval is not None
    assert (lower > 0.0) == (effect.interval.lower > 0.0)


def test_cuped_subtracts_the_regression_on_the_days_before(plan: Make, units: pa.Table) -> None:
    made = plan(**METRICS, covariate={"days": 7})
    plain, effect = analysed(plan(**METRICS), units)["clicks"], analysed(made, units)["clicks"]
    values, before = units["clicks"].to_numpy().astype(float), units[BEFORE + "clicks"].to_numpy().astype(float)
    slope = np.cov(values, before)[0, 1] / before.var(ddof=1)
    adjusted = pa.table({"arm": units["arm"], "clicks": values - slope * (before - before.mean())})
    control, treatment = arms(adjusted, "clicks")
    welch = stats.ttest_ind(treatment, control, equal_var=False)
    assert effect.covariate
    assert effect.difference == pytest.approx(treatment.mean() - control.mean())
    assert effect.p_value == pytest.approx(welch.pvalue, rel=1e-3)
    assert effect.interval is not None
    assert plain.interval is not None
    shorter = (effect.interval.upper - effect.interval.lower) / (plain.interval.upper - plain.interval.lower)
    assert shorter == pytest.approx(np.sqrt(1.0 - np.corrcoef(values, before)[0, 1] ** 2), rel=0.02)


@pytest.mark.parametrize("covariate", [None, {"days": 7}])
def test_tea_tasting_says_the_same_of_the_raw_data(plan: Make, units: pa.Table, covariate: Any) -> None:
    found = analysed(plan(**METRICS, covariate=covariate), units)
    past = [BEFORE + name if covariate else None for name in ("clicks", "searches", "ms", "orders")]
    raw = tea_tasting.Experiment(
        ctr=tea_tasting.RatioOfMeans("clicks", "searches", past[0], past[1]),
        latency=tea_tasting.RatioOfMeans("ms", "searches", past[2], past[1]),
        orders=tea_tasting.Mean("orders", past[3]),
        clicks=tea_tasting.Mean("clicks", past[0]),
    ).analyze(units.rename_columns(["variant", *units.column_names[1:]]), control="control")
    for name, effect in found.items():
        expected: Any = raw[name]
        assert effect.fixed_interval is not None
        assert (effect.control, effect.treatment) == pytest.approx((expected.control, expected.treatment))
        assert effect.fixed_interval.lower == pytest.approx(expected.effect_size_ci_lower)
        assert effect.fixed_interval.upper == pytest.approx(expected.effect_size_ci_upper)
        assert effect.p_value == pytest.approx(expected.pvalue)


def test_p_values_are_adjusted_as_the_plan_says(plan: Make, units: pa.Table) -> None:
    found = {name: analysed(plan(**METRICS, correction=name), units)
             for name in ("holm", "bonferroni", "benjamini_hochberg")}  # fmt: skip
    names = list(found["holm"])
    raw = np.array([found["holm"][name].p_value for name in names], float)
    order = np.argsort(raw)
    holm = np.empty(4)
    holm[order] = np.minimum(1.0, np.maximum.accumulate(raw[order] * np.array([4, 3, 2, 1])))
    assert [found["holm"][name].adjusted_p_value for name in names] == pytest.approx(holm)
    assert [found["bonferroni"][name].adjusted_p_value for name in names] == pytest.approx(np.minimum(1.0, 4.0 * raw))
    expected = stats.false_discovery_control(raw)
    assert [found["benjamini_hochberg"][name].adjusted_p_value for name in names] == pytest.approx(expected)


def test_the_error_rates_add_up_to_the_plans(plan: Make, units: pa.Table) -> None:
    for metrics in (METRICS, {"primary": METRICS["primary"]}):
        assert sum(effect.alpha for effect in analysed(plan(**metrics), units).values()) == pytest.approx(0.05)


def sums(units: int, **means: tuple[float, float]) -> Aggregates:
    names = sorted(means)
    return Aggregates(
        count_=units,
        mean_={name: mean for name, (mean, _) in means.items()},
        var_={name: variance for name, (_, variance) in means.items()},
        cov_={(a, b): 0.0 for a in names for b in names if a < b},
    )


@pytest.mark.parametrize(
    ("better", "mean", "passed"),
    [("lower", 1.0, True), ("lower", 0.5, True), ("lower", 1.05, None), ("lower", 1.2, False),
     ("higher", 1.0, True), ("higher", 1.5, True), ("higher", 0.95, None), ("higher", 0.8, False)],
)  # fmt: skip
def test_a_guardrail_is_judged_against_its_margin(plan: Make, better: str, mean: float, passed: bool | None) -> None:
    guardrail = {"name": "g", "numerator": "g", "better": better, "margin": 0.05}
    # Standard error 0.006 of the difference, some 3.5 of them to either side: 0.02.
    arms_ = {
        "control": sums(55_000, clicks=(0.4, 0.24), g=(1.0, 1.0)),
        "treatment": sums(55_000, clicks=(0.4, 0.24), g=(mean, 1.0)),
    }
    (_, effect) = effects(plan(guardrails=[guardrail]), arms_, 200_000.0)
    assert effect.passed is passed


@pytest.mark.parametrize(("better", "change", "passed"), [("higher", 0.1, True), ("lower", 0.1, False),
                                                          ("higher", -0.1, False), ("lower", -0.1, True),
                                                          ("higher", 0.001, None), ("lower", 0.001, None)])  # fmt: skip
def test_which_way_is_good_decides(plan: Make, better: str, change: float, passed: bool | None) -> None:
    made = plan(primary={"name": "clicks", "numerator": "clicks", "better": better})
    arms_ = {"control": sums(50_000, clicks=(0.4, 0.24)), "treatment": sums(50_000, clicks=(0.4 + change, 0.24))}
    assert effects(made, arms_, 100_000.0)[0].passed is passed


def test_negative_means_have_a_difference_and_no_relative_one(plan: Make) -> None:
    arms_ = {"control": sums(50_000, clicks=(-0.4, 0.24)), "treatment": sums(50_000, clicks=(-0.2, 0.24))}
    (effect,) = effects(plan(), arms_, 100_000.0)
    assert (effect.passed, effect.relative, effect.relative_interval) == (True, None, None)


@pytest.mark.parametrize("units_", [1, 2, 99])
def test_nothing_is_concluded_from_a_handful(plan: Make, units_: int) -> None:
    arms_ = {"control": sums(units_, clicks=(0.0, 0.1)), "treatment": sums(units_, clicks=(9.0, 0.1))}
    (effect,) = effects(plan(), arms_, 2.0 * units_)
    assert (effect.difference, effect.interval, effect.passed) == (9.0, None, None)


def test_nothing_is_concluded_where_nothing_varies(plan: Make) -> None:
    arms_ = {"control": sums(5_000, clicks=(0.0, 0.0)), "treatment": sums(5_000, clicks=(1.0, 0.0))}
    (effect,) = effects(plan(), arms_, 10_000.0)
    assert (effect.interval, effect.fixed_interval, effect.p_value, effect.passed) == (None, None, None, None)
    assert (effect.control, effect.treatment, effect.difference) == (0.0, 1.0, 1.0)


def test_where_one_arm_varies_not_at_all_the_other_one_tells(plan: Make) -> None:
    arms_ = {"control": sums(5_000, clicks=(0.0, 0.0)), "treatment": sums(5_000, clicks=(1.0, 0.5))}
    (effect,) = effects(plan(), arms_, 10_000.0)
    assert effect.passed is True
    assert effect.interval is not None
    assert effect.relative_interval is None


def test_a_ratio_of_proportional_columns_is_no_discovery(plan: Make, units: pa.Table) -> None:
    same = units.set_column(3, "ms", pa.array(units["searches"].to_numpy() * 0.1))
    for covariate in (None, {"days": 7}):
        effect = analysed(plan(**METRICS, covariate=covariate), same)["latency"]
        assert (effect.interval, effect.p_value, effect.passed) == (None, None, None)


def test_a_ratio_over_nothing_is_left_out(plan: Make) -> None:
    metric = {"name": "ctr", "numerator": "clicks", "denominator": "searches"}
    nothing = sums(5_000, clicks=(0.0, 0.0), searches=(0.0, 0.0))
    (effect,) = effects(plan(primary=metric), {"control": nothing, "treatment": nothing}, 10_000.0)
    assert (effect.control, effect.interval, effect.passed) == (None, None, None)


def test_units_without_a_past_are_compared_as_they_are(plan: Make, units: pa.Table) -> None:
    none = {name: pa.array(np.zeros(UNITS)) for name in units.column_names if name.startswith(BEFORE)}
    new = pa.table({name: none.get(name, units[name]) for name in units.column_names})
    with_past, without = analysed(plan(**METRICS, covariate={"days": 7}), new), analysed(plan(**METRICS), units)
    for name, effect in with_past.items():
        assert not effect.covariate
        assert effect.interval == without[name].interval
