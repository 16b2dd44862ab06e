"""The confidence sequence against its definition, and by simulation: coverage over daily looks, and power."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import integrate, stats

from synalign.errors import ArgumentError
from synalign.experiment import ExperimentPlan
from synalign.experiment.sequential import BURN_IN, planned_time, width
from synalign.experiment.sizing import critical_value, tuned

DAYS, UNITS, TESTS = 30, 600, 1000


@pytest.mark.parametrize("alpha", [0.2, 0.05, 0.0125])
@pytest.mark.parametrize("share", [0.05, 1.0, 4.0])
def test_the_width_is_where_the_mixture_of_likelihood_ratios_reaches_one_over_alpha(alpha: float, share: float) -> None:
    x, z = tuned(alpha) * share, width(share, 1.0, alpha)
    # At time 1 the sum is z, and its drift has a normal distribution of variance x.
    mixture, _ = integrate.quad(
        lambda drift: math.exp(drift * z - drift**2 / 2.0) * stats.norm.pdf(drift, scale=math.sqrt(x)), -40, 40
    )
    assert mixture == pytest.approx(1.0 / alpha, rel=1e-6)


def test_it_is_narrowest_at_the_planned_time_and_always_wider_than_a_single_look() -> None:
    times = np.geomspace(1.0, 1e6, 400)
    widths = [width(time, 1000.0, 0.05) for time in times]
    assert times[int(np.argmin(widths))] == pytest.approx(1000.0, rel=0.05)
    assert width(1000.0, 1000.0, 0.05) == pytest.approx(critical_value(0.05))
    assert min(widths) > stats.norm.isf(0.025)


@pytest.mark.parametrize(
    ("time", "planned", "alpha"),
    [(0.0, 1.0, 0.05), (-1.0, 1.0, 0.05), (math.nan, 1.0, 0.05), (math.inf, 1.0, 0.05), (1.0, 0.0, 0.05),
     (1.0, 1.0, 0.0), (1.0, 1.0, 1.0)],
)  # fmt: skip
def test_numbers_without_a_meaning_are_refused(time: float, planned: float, alpha: float) -> None:
    with pytest.raises(ArgumentError):
        width(time, planned, alpha)


def test_planned_time_by_hand(plan: Callable[..., ExperimentPlan]) -> None:
    # 100 units an arm are the least there is. 20 units a day for two days, 80 from the third on, until there are 200:
    # 20, 40, 120, 200 units on the four days.
    made = plan(
        ramp=[{"start": "2026-03-01", "share": 0.25}, {"start": "2026-03-03", "share": 1.0}],
        minimum_detectable_effect=10.0,
        baseline={"mean": 1.0, "variance": 0.01, "units_per_day": 80},
    )
    assert (made.sample_size_per_arm, made.expected_days) == (100, 4)
    assert planned_time(made) == 20 + 40 + 120 + 200


def arrivals(kind: str) -> np.ndarray:
    """Day on which each unit is first exposed, ascending; even places are control, odd ones treatment."""
    return np.zeros(UNITS, int) if kind == "at once" else np.sort(np.arange(UNITS) % DAYS)


def outcomes(rng: np.random.Generator, tests: int, kind: str) -> np.ndarray:
    """(tests, units, days) outcomes that do not depend on the arm."""
    shape = (tests, UNITS, DAYS)
    if kind == "days alike":
        return rng.gamma(2.0, 0.5, (tests, UNITS, 1)) + rng.standard_normal(shape, np.float32)
    if kind == "skewed":
        return rng.standard_exponential(shape, np.float32) ** 2
    return rng.standard_normal(shape, np.float32)


@pytest.mark.parametrize(
    ("arrive", "kind"),
    [("at once", "days independent"), ("at once", "days alike"), ("daily", "days independent"), ("daily", "days alike"),
     ("daily", "one day each"), ("daily", "skewed")],
)  # fmt: skip
def test_over_a_thousand_a_a_tests_looked_at_daily_for_30_days_it_covers_95_percent(arrive: str, kind: str) -> None:
    rng, first = np.random.default_rng(5), arrivals(arrive)
    present = [int((first <= day).sum()) for day in range(DAYS)]
    sequence, single = np.zeros(TESTS, bool), np.zeros(TESTS, bool)
    for start in range(0, TESTS, 100):
        batch, outcome = slice(start, start + 100), outcomes(rng, 100, kind)
        totals = np.zeros((100, UNITS))
        for day, units in enumerate(present):
            newest = present[day - 1] if kind == "one day each" and day else 0
            totals[:, newest:units] += outcome[:, newest:units, day]
            arms = totals[:, 1:units:2], totals[:, 0:units:2]
            if arms[0].shape[1] < BURN_IN:
                continue
            difference = abs(arms[0].mean(1) - arms[1].mean(1))
            error = np.sqrt(sum(arm.var(1, ddof=1) / arm.shape[1] for arm in arms))
            sequence[batch] |= difference > width(sum(present[: day + 1]), sum(present), 0.05) * error
            single[batch] |= difference > 1.96 * error
    assert 1.0 - sequence.mean() >= 0.95
    if kind == "days independent":
        # The simulation would notice: intervals of a single look do not cover.
        assert 1.0 - single.mean() < 0.93


def test_an_experiment_of_the_planned_size_finds_the_effect_as_often_as_planned() -> None:
    # Sums of 100 batches of observations with the drift for which the plan's size gives power 0.8.
    looks, drift = np.arange(1, 101), (critical_value(0.05) + stats.norm.isf(0.2)) / 10.0
    steps = np.random.default_rng(3).standard_normal((4000, 100)) + drift
    z = np.cumsum(steps, axis=1) / np.sqrt(looks)
    bounds = np.array([width(look, 100.0, 0.05) for look in looks])
    found = (z > bounds).any(axis=1).mean()
    fixed = (z[:, -1] > stats.norm.isf(0.025)).mean()
    # Looks on the way only add to it. A test that is read once finds it more often (0.97), and cannot stop early.
    assert 0.8 <= found < 0.9
    assert fixed == pytest.approx(stats.norm.sf(stats.norm.isf(0.025) - 10.0 * drift), abs=0.01)
    stopped = (z > bounds).argmax(axis=1)[(z > bounds).any(axis=1)]
    assert np.mean(stopped) < 75
