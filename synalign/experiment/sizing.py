"""How many units an experiment needs, and how many days they take.

A daily look is paid for: the interval that is valid at every look is wider than the one that is valid at a single
look, so an experiment sized for a single look would end undecided more often than not. The size here is that of a
single-look test as strict as the confidence sequence is at the sample size it is tuned for; looks before and after
that moment only add power.

References:
    Waudby-Smith, I., Arbour, D., Sinha, R., Kennedy, E. H., & Ramdas, A. (2024). Time-uniform central limit theory and
    asymptotic confidence sequences. Annals of Statistics 52(6), 2613-2640. arXiv:2103.06476 (theorem 2.2).

A sized plan is read where the statistics library is not installed, so that is imported by what calls it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from synalign.errors import SetupError

TOLERANCE = 0.01
"""Relative difference up to which a size given in a plan agrees with the closed form."""

LEAST = 100
"""Units an arm has at least: the intervals are asymptotic, and mean nothing on a handful."""


def critical_value(alpha: float) -> float:
    """Return the half-width of the confidence sequence at the sample size it is tuned for, in standard errors.

    The sequence's half-width after n units is `sqrt((1 + 1/x) * log((1 + x) / alpha**2))` standard errors with
    `x = n * rho**2`. Minimising over rho gives `x = log(1 + x) - 2 * log(alpha)`, a contraction, and there the
    half-width is `sqrt(1 + x)`.

    Args:
        alpha: Error rate of the two-sided sequence over all looks together, in (0, 1).

    Returns:
        Standard errors: 3.04 for 0.05, where a single look needs 1.96.

    Examples:
        >>> round(critical_value(0.05), 2)
        3.04
    """
    return math.sqrt(1.0 + tuned(alpha))


def tuned(alpha: float) -> float:
    """Return the `n * rho**2` at which the sequence is narrowest after n units: rho is `sqrt(tuned(alpha) / n)`.

    Args:
        alpha: Error rate of the two-sided sequence, in (0, 1).
    """
    x = 1.0 - 2.0 * math.log(alpha)
    for _ in range(200):
        x, before = math.log1p(x) - 2.0 * math.log(alpha), x
        if abs(x - before) < 1e-14 * x:
            break
    return x


def sample_size(
    mean: float, variance: float, effect: float, alpha: float, power: float, treatment_share: float = 0.5
) -> int:
    """Return how many units the smaller arm needs, by tea-tasting's analysis of power.

    Args:
        mean: Of the metric in the control; not 0.
        variance: Of the metric per unit (of the linearised ratio, for a ratio), > 0.
        effect: The smallest relative effect worth finding, > 0.
        alpha: Error rate of the two-sided confidence sequence.
        power: Chance of excluding 0 when the true effect is `effect`.
        treatment_share: Share of units in the treatment.

    Returns:
        Units per arm, at least 100; where the split is not equal, those of the smaller arm.

    Raises:
        SetupError: tea-tasting is not installed.

    Examples:
        >>> sample_size(mean=0.4, variance=0.24, effect=0.05, alpha=0.05, power=0.8)
        18035
    """
    try:
        import tea_tasting
        from tea_tasting.aggr import Aggregates
    except ImportError as error:
        raise SetupError(
            "tea-tasting is not installed, and a plan without sample_size_per_arm needs it.",
            remedy="install synalign[jobs], or take the two figures from `synalign experiment check` run elsewhere",
        ) from error
    if closed_form(mean, variance, effect, alpha, power, treatment_share) <= LEAST:
        return LEAST
    # In units of the standard deviation nothing overflows.
    metric = tea_tasting.Mean(
        "metric",
        effect_size=effect * abs(mean) / math.sqrt(variance),
        alpha=2.0 * NormalDist().cdf(-critical_value(alpha)),
        power=power,
        ratio=treatment_share / (1.0 - treatment_share),
        use_t=False,
    )
    one = Aggregates(count_=2, mean_={"metric": 0.0}, var_={"metric": 1.0}, cov_={})
    units = metric.solve_power_from_aggregates(one, "n_obs")[0].n_obs
    return max(LEAST, math.ceil(units * min(treatment_share, 1.0 - treatment_share)))


def closed_form(
    mean: float, variance: float, effect: float, alpha: float, power: float, treatment_share: float = 0.5
) -> float:
    """Compute `sample_size` by the textbook's formula, without a library.

    `variance * (critical value + z(power))**2 / (delta**2 * share * (1 - share))` units in all, where delta is the
    absolute effect; the chance of excluding 0 on the wrong side is left out.

    Takes what `sample_size` takes.

    Returns:
        Units of the smaller arm.
    """
    strictness = critical_value(alpha) + NormalDist().inv_cdf(power)
    in_all = variance * (strictness / (effect * mean)) ** 2 / (treatment_share * (1.0 - treatment_share))
    return max(float(LEAST), in_all * min(treatment_share, 1.0 - treatment_share))


def effective_variance(
    mean: float, variance: float, effect: float, alpha: float, power: float, treatment_share: float, *, grows: bool
) -> float:
    """Return the variance that `sample_size` has to be given so that the effect is found as often as promised.

    Two things make an experiment larger than the variance of the control alone does. A change of the mean usually
    stretches all values, and the variance of the treatment with them, by `(1 + effect)**2`; where it is the mean that
    falls, the variance is taken as it is. And the intervals that decide use the wider of two standard errors
    (`synalign.experiment.intervals`): in units of all units together, these have the variances

    - own: `stretched / share + variance / (1 - share)`;
    - pooled: `stretched / (1 - share) + variance / share + (effect * mean)**2`.

    The effect must exceed `critical value * wider + z(power) * own`, in standard errors.

    Takes what `sample_size` takes, and `grows`: whether the effect that is looked for takes the mean away from 0.

    Returns:
        At least `variance`.

    Examples:
        >>> round(effective_variance(0.4, 0.24, 0.05, 0.05, 0.8, 0.5, grows=True), 4)
        0.2524
    """
    stretched = variance * (1.0 + effect) ** 2 if grows else variance
    share, rest = treatment_share, 1.0 - treatment_share
    own = stretched / share + variance / rest
    pooled = stretched / rest + variance / share + (effect * mean) ** 2
    wide, normal = critical_value(alpha), NormalDist().inv_cdf(power)
    needed = (wide * math.sqrt(max(own, pooled)) + normal * math.sqrt(own)) / (wide + normal)
    return needed**2 * share * rest


def agrees(given: int, formula: float) -> bool:
    """Check that a size agrees with the closed form: within 1 %, or two units."""
    return abs(given - formula) <= max(2.0, TOLERANCE * formula)


def days_needed(units: float, units_per_day: float, shares: Sequence[tuple[int, float]]) -> int:
    """Count the days until so many units are in the experiment.

    Args:
        units: In both arms together.
        units_per_day: New eligible units a day, of all traffic.
        shares: Days since the start and the share of traffic from that day on, ascending; the first is day 0.

    Returns:
        Days, at least 1. Units turned away before a ramp step and seen again after it are not counted, so it may
        take less.

    Examples:
        >>> days_needed(1_000, 100, [(0, 0.1), (5, 1.0)])
        15
    """
    have = 0.0
    for place, (since, share) in enumerate(shares):
        daily = units_per_day * share
        last = place + 1 == len(shares)
        reached = since + math.ceil(max(0.0, units - have) / daily - 1e-9)
        if last or reached <= shares[place + 1][0]:
            return max(1, reached)
        have += daily * (shares[place + 1][0] - since)
    raise AssertionError("shares is never empty")
