"""How wide an interval must be that is looked at every day: an asymptotic confidence sequence.

A 95 % interval of a test that is read once leaves out the truth in 5 % of tests; the same interval, read daily for a
month and acted on when it first excludes 0, in some 20 %. A confidence sequence is wide enough for all looks together,
so that one may stop at any of them, for any reason.

With `s` the standard error of the estimate (the wider of two, see `synalign.experiment.intervals`) and `x = rho**2 * t`
at time `t`, the sequence is `estimate +- s * sqrt((1 + 1/x) * log((1 + x) / alpha**2))` (theorem 2.2: Robbins' normal
mixture, made asymptotic). How fast `t` runs changes only where the sequence is narrowest, as long as it does not run
slower than what is learnt: two looks must be at least as alike as those at `t1 < t2` of a Brownian motion are, `sqrt(t1
/ t2)` (Slepian: likeness makes a crossing rarer). The paper's `t` counts observations. Here a unit goes on giving
outcomes after it was counted, so `t` counts days of units, as if every day of a unit were new. Days of one unit
resemble each other, and that errs on the safe side; a test simulates days that do, and days that do not, with units
that come at once, by and by, or only once.
`rho` makes the sequence narrowest at the planned sample size.

References:
    Waudby-Smith, I., Arbour, D., Sinha, R., Kennedy, E. H., & Ramdas, A. (2024). Time-uniform central limit theory and
    asymptotic confidence sequences. Annals of Statistics 52(6), 2613-2640. arXiv:2103.06476.
    Robbins, H. (1970). Statistical methods related to the law of the iterated logarithm. Annals of Mathematical
    Statistics 41(5), 1397-1409.
    Slepian, D. (1962). The one-sided barrier problem for Gaussian noise. Bell System Technical Journal 41(2), 463-501.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TYPE_CHECKING

from synalign.errors import ArgumentError
from synalign.experiment.sizing import LEAST, tuned

if TYPE_CHECKING:
    from synalign.experiment.plan import ExperimentPlan

BURN_IN = LEAST
"""Units that both arms must have before anything is concluded: the sequence is asymptotic, from a first look on."""


def width(time: float, planned: float, alpha: float) -> float:
    """Return the half-width of the confidence sequence, in standard errors of the estimate.

    Args:
        time: Days of units so far: every unit counts once for each day since its first exposure, that day included.
        planned: Days of units at which the sequence is to be narrowest.
        alpha: Error rate over all looks together, of both sides.

    Returns:
        At least `sizing.critical_value(alpha)`, which it is at `time == planned`.

    Raises:
        ArgumentError: A number is not positive, or alpha is not below 1.

    Examples:
        >>> [round(width(time, 1000, alpha=0.05), 2) for time in (10, 100, 1000, 3000)]
        [8.94, 3.82, 3.04, 3.1]
    """
    if not 0.0 < time < math.inf:
        raise ArgumentError("time", time, "must be > 0 and finite")
    if not 0.0 < planned < math.inf:
        raise ArgumentError("planned", planned, "must be > 0 and finite")
    if not 0.0 < alpha < 1.0:
        raise ArgumentError("alpha", alpha, "must be > 0 and < 1")
    x = tuned(alpha) * time / planned
    return math.sqrt((1.0 + 1.0 / x) * (math.log1p(x) - 2.0 * math.log(alpha)))


def planned_time(plan: ExperimentPlan) -> float:
    """Count the days of units when the plan reaches its sample size, if traffic is as the plan expects."""
    smaller = min(plan.treatment_share, 1.0 - plan.treatment_share)
    wanted = plan.sample_size_per_arm / smaller
    units = total = 0.0
    for number in range(plan.expected_days):
        share = plan.traffic_share(plan.start + timedelta(days=number))
        units = min(wanted, units + plan.baseline.units_per_day * share)
        total += units
    return total
