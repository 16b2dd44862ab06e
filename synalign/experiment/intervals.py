"""Intervals of a difference and of a ratio of two arms' means, on the wider of two standard errors.

Which standard error is used decides whether a test keeps its error rate when the metric is skewed and one arm is small:

- *own*: each arm's variance over its own units (Welch). An arm that missed all the rare large values has a low mean and
  a low variance at the same time, so that it looks worse with great certainty. With a tenth of the traffic, and revenue
  that a tenth of the units have, this alone makes "stop for harm" wrong in 12 % of tests at a rate of 5 %.
- *pooled*: the variance over the units of both arms together, as if the arm were unknown. Under the hypothesis that an
  arm changes nothing, the arms are a random division of one set of values, and this is the variance of the difference
  over all divisions of that set (Fisher, Pitman): the large values count, in whichever arm they are. It alone errs the
  other way: an arm that drew a large value by chance is as far off as that value is large.

The wider of the two is safe on both sides. An arm below the other is held against the pooled variance, and the chance
of such a shortfall has a lighter tail than the normal distribution's if values are skewed upwards. An arm above the
other because of a few large values is held against its own variance, which grows with them as fast as the square of
the difference does (a self-normalised sum; Efron). For arms of one size and similar values the two are the same, and
nothing is lost. `make bench-experiments` compares this with other remedies.

References:
    Pitman, E. J. G. (1937). Significance tests which may be applied to samples from any populations. Supplement to the
    Journal of the Royal Statistical Society 4(1), 119-130.
    Efron, B. (1969). Student's t-test under symmetry conditions. Journal of the American Statistical Association
    64(328), 1278-1302.
    Fieller, E. C. (1954). Some problems in interval estimation. Journal of the Royal Statistical Society B 16(2),
    175-185.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from synalign.experiment.findings import Bounds

if TYPE_CHECKING:
    from tea_tasting.aggr import Aggregates

# Of a mean: variances that cancel leave the root of a double's last digits, and no log is large enough for less.
_ROUNDING = 1e-7


class Sample(NamedTuple):
    """One arm's values of a metric.

    Attributes:
        units: Their number.
        mean: Of the metric; of a ratio: the ratio of the means.
        variance: Per unit; of a ratio: of its linear part.
    """

    units: int
    mean: float
    variance: float


def variance(
    arm: Aggregates, total: Aggregates, columns: tuple[str | None, str | None, str | None, str | None]
) -> float:
    """Return the variance per unit of a metric in an arm, by the delta method, less what the covariate explains.

    Args:
        arm: Sums of the arm; of both arms for the pooled variance.
        total: Sums of both arms, from which the covariate's slope is taken (CUPED).
        columns: Numerator and denominator, and the same of the covariate; None where there is none.

    Returns:
        At least 0; NaN where a denominator is 0.
    """
    arm, total = arm.with_zero_div(), total.with_zero_div()
    metric, before = columns[:2], columns[2:]
    explained = total.ratio_var(*before)
    slope = total.ratio_cov(*columns) / explained if explained > 0.0 else 0.0
    found = arm.ratio_var(*metric) + slope * (slope * arm.ratio_var(*before) - 2.0 * arm.ratio_cov(*columns))
    return max(0.0, float(found)) if math.isfinite(found) else math.nan


def difference_interval(control: Sample, treatment: Sample, pooled: float, width: float) -> Bounds | None:
    """Return the interval of treatment minus control.

    Args:
        control: The control.
        treatment: The treatment.
        pooled: Variance per unit over both arms together.
        width: Half-width of the interval, in standard errors.

    Returns:
        The interval. None: nothing varies within the arms but by rounding, or a number is not finite.

    Examples:
        >>> few, many = Sample(100, 1.0, 1.0), Sample(900, 2.0, 9.0)
        >>> difference_interval(many, few, pooled=8.3, width=3.0)
        Bounds(lower=-1.911043358, upper=-0.08895664209)
    """
    own = math.sqrt(_own(control, treatment))
    if not own > _ROUNDING * (abs(control.mean) + abs(treatment.mean)):
        return None
    error = max(own, math.sqrt(pooled * _per_unit(control, treatment)))
    middle = treatment.mean - control.mean
    return bounds(middle - width * error, middle + width * error)


def relative_interval(control: Sample, treatment: Sample, width: float) -> Bounds | None:
    """Return the interval of treatment over control, less 1: all changes that the data do not speak against.

    A change to `ratio` times the control is spoken against when `treatment - ratio * control` is more than `width`
    standard errors from 0, own or pooled, whichever is wider (Fieller). At a change of 0 that is the rule of
    `difference_interval`.

    Args:
        control: The control; its mean must be positive.
        treatment: The treatment; its mean must be positive.
        width: Half-width of the interval, in standard errors.

    Returns:
        The interval. None: it has no upper end, since the control's mean may be 0, or nothing varies.
    """
    rest = control.units + treatment.units - 1 - width**2
    if rest <= 0.0:
        return None
    pooled = width**2 * _per_unit(control, treatment) / rest
    ends: list[float] = []
    for of_control, of_treatment in (
        (width**2 * control.variance / control.units, width**2 * treatment.variance / treatment.units),
        (pooled * control.variance * (control.units - 1), pooled * treatment.variance * (treatment.units - 1)),
    ):
        # All ratios with (treatment - ratio * control)**2 <= of_treatment + ratio**2 * of_control.
        square = control.mean**2 - of_control
        if not square > 0.0:
            return None
        middle = control.mean * treatment.mean / square
        half = math.sqrt(max(0.0, of_control * treatment.mean**2 + of_treatment * square)) / square
        ends += [middle - half, middle + half]
    return bounds(min(ends) - 1.0, max(ends) - 1.0)


def bounds(lower: float, upper: float) -> Bounds | None:
    """Return an interval; None if it is empty, a point, or not finite."""
    if not (math.isfinite(lower) and math.isfinite(upper) and lower < upper):
        return None
    return Bounds(lower=lower, upper=upper)


def _own(control: Sample, treatment: Sample) -> float:
    return control.variance / control.units + treatment.variance / treatment.units


def _per_unit(control: Sample, treatment: Sample) -> float:
    return 1.0 / control.units + 1.0 / treatment.units
