"""Sample sizes against SciPy, brute force and a simulation of the test that is really run."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import optimize, stats

from synalign.experiment import ExperimentPlan, sizing


def half_width(x: float, alpha: float) -> float:
    """Of the confidence sequence in standard errors, as in the paper's theorem 2.2, at `x = n * rho**2`."""
    return math.sqrt(2.0 * (x + 1.0) / x * math.log(math.sqrt(x + 1.0) / alpha))


@pytest.mark.parametrize("alpha", [0.3, 0.05, 0.025, 0.001])
def test_the_critical_value_is_the_narrowest_half_width_there_is(alpha: float) -> None:
    found = optimize.minimize_scalar(
        lambda log_x: half_width(math.exp(log_x), alpha), bounds=(-5, 10), method="bounded"
    )
    assert sizing.critical_value(alpha) == pytest.approx(found.fun, rel=1e-9)
    assert half_width(sizing.tuned(alpha), alpha) == pytest.approx(found.fun, rel=1e-9)


@pytest.mark.parametrize(
    ("mean", "variance", "effect", "alpha", "power", "share"),
    [
        (0.4, 0.24, 0.05, 0.05, 0.8, 0.5),
        (-12.0, 900.0, 0.02, 0.01, 0.95, 0.5),
        (1e-3, 1e-3, 0.1, 0.05, 0.9, 0.1),
        (3.0, 50.0, 0.3, 0.2, 0.5, 0.8),
    ],
)
def test_tea_tasting_scipy_and_the_closed_form_agree(
    mean: float, variance: float, effect: float, alpha: float, power: float, share: float
) -> None:
    z = optimize.minimize_scalar(
        lambda log_x: half_width(math.exp(log_x), alpha), bounds=(-5, 10), method="bounded"
    ).fun

    def missing(in_all: float) -> float:
        error = math.sqrt(variance / (in_all * share) + variance / (in_all * (1 - share)))
        shift = effect * abs(mean) / error
        return float(stats.norm.sf(z - shift) + stats.norm.cdf(-z - shift)) - power

    by_scipy = optimize.brentq(missing, 10, 1e12) * min(share, 1 - share)
    size = sizing.sample_size(mean, variance, effect, alpha, power, share)
    assert size == pytest.approx(by_scipy, rel=1e-4, abs=2)
    assert sizing.agrees(size, sizing.closed_form(mean, variance, effect, alpha, power, share))


def test_a_textbook_case_by_hand() -> None:
    """Variance 1, effect 0.1: 2 * (z + 0.8416)**2 / 0.1**2 units an arm, z = 3.0353 for alpha 0.05."""
    assert sizing.sample_size(1.0, 1.0, 0.1, 0.05, 0.8) == pytest.approx(2 * (3.0353 + 0.8416) ** 2 / 0.01, rel=1e-3)


@pytest.mark.parametrize("effect", [0.0, 0.1])
def test_the_sequence_has_the_planned_power_at_the_planned_size_and_keeps_alpha(effect: float) -> None:
    """5,000 tests of a normal metric, looked at in 30 equal steps up to the planned size."""
    alpha, looks, repeats = 0.05, 30, 5_000
    size = sizing.sample_size(1.0, 1.0, 0.1, alpha, 0.8)
    steps = np.full(looks, size / looks)
    random = np.random.default_rng(5)
    # The difference of two sums of n units each has mean n * effect and variance 2 n.
    total = np.cumsum(random.normal(effect * steps, np.sqrt(2 * steps), (repeats, looks)), axis=1)
    seen = np.cumsum(steps)
    width = np.array([half_width(sizing.tuned(alpha) * n / size, alpha) for n in seen])
    excluded = (np.abs(total) / np.sqrt(2 * seen) > width).any(axis=1).mean()
    if effect:
        assert 0.8 <= excluded < 0.9
    else:
        assert excluded < alpha


def test_the_smallest_size_is_one_on_which_an_asymptotic_interval_means_something() -> None:
    assert sizing.sample_size(5.0, 1e-9, 10.0, 0.5, 0.5, 0.9) == sizing.LEAST
    assert sizing.agrees(sizing.LEAST, sizing.closed_form(5.0, 1e-9, 10.0, 0.5, 0.5, 0.9))


@pytest.mark.parametrize("grows", [True, False])
@pytest.mark.parametrize(
    ("mean", "effect", "share"), [(1.0, 0.5, 0.1), (-1.0, 0.5, 0.9), (1.0, 0.01, 0.5), (2.0, 0.7, 0.3)]
)
def test_the_effective_variance_gives_the_power_that_is_promised(
    mean: float, effect: float, share: float, grows: bool
) -> None:
    alpha, power, variance = 0.05, 0.8, 100.0
    assumed = sizing.effective_variance(mean, variance, effect, alpha, power, share, grows=grows)
    units = sizing.closed_form(mean, assumed, effect, alpha, power, share) / min(share, 1.0 - share)
    treated, rest, change = units * share, units * (1.0 - share), effect * abs(mean)
    stretched = variance * ((1.0 + effect) ** 2 if grows else 1.0)
    own = math.sqrt(stretched / treated + variance / rest)
    # Of two groups of values with these means and variances, put together.
    together = share * stretched + (1.0 - share) * variance + share * (1.0 - share) * change**2
    wider = max(own, math.sqrt(together * (1.0 / treated + 1.0 / rest)))
    assert stats.norm.sf(sizing.critical_value(alpha) * wider, loc=change, scale=own) == pytest.approx(power, abs=1e-6)
    assert assumed >= variance


def test_a_plan_of_before_is_sized_as_it_was_and_a_new_one_for_what_it_is_judged_by(
    plan: Callable[..., ExperimentPlan],
) -> None:
    old, new = plan(stopping={"rule": "confidence_sequence"}), plan()
    assert old.sample_size_per_arm == sizing.sample_size(0.4, 0.24, 0.05, 0.05, 0.8)
    assert new.sample_size_per_arm == pytest.approx(old.sample_size_per_arm * 0.2524 / 0.24, rel=1e-3)
    # Where lower is better the mean is to fall, and the variance does not grow.
    falls = plan(primary={"name": "latency", "numerator": "ms", "better": "lower"})
    assert falls.sample_size_per_arm == pytest.approx(old.sample_size_per_arm, rel=1e-3)


def test_extremes_have_a_size_too() -> None:
    size = sizing.sample_size(1e-9, 1e20, 1e-4, 1e-3, 0.99, 0.01)
    assert size == pytest.approx(sizing.closed_form(1e-9, 1e20, 1e-4, 1e-3, 0.99, 0.01), rel=1e-3)


def naive_days(units: float, per_day: float, shares: list[tuple[int, float]]) -> int:
    have, day = 0.0, 0
    while have < units - 1e-6:
        have += per_day * [share for since, share in shares if since <= day][-1]
        day += 1
    return max(1, day)


@pytest.mark.parametrize(
    "shares", [[(0, 1.0)], [(0, 0.1), (5, 1.0)], [(0, 0.01), (1, 0.05), (2, 0.2), (9, 0.9)], [(0, 0.3), (40, 0.4)]]
)
@pytest.mark.parametrize("units", [0, 1, 99, 100, 101, 1_000, 12_345])
def test_days_are_those_of_counting_day_by_day(units: int, shares: list[tuple[int, float]]) -> None:
    assert sizing.days_needed(units, 100.0, shares) == naive_days(units, 100.0, shares)


def test_without_tea_tasting_a_sized_plan_is_read_and_an_unsized_one_says_what_to_do(
    plan: Callable[..., ExperimentPlan], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    from synalign.errors import SetupError

    size = plan().sample_size_per_arm
    monkeypatch.setitem(sys.modules, "tea_tasting", None)
    plan(sample_size_per_arm=size)
    with pytest.raises(SetupError, match="tea-tasting is not installed"):
        plan()
