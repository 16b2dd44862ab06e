"""Intervals on the wider of two standard errors, against formulas written out; see also `test_effects`."""

import math

import pytest

from synalign.experiment.intervals import Sample, bounds, difference_interval, relative_interval


def test_a_difference_is_wider_than_either_standard_error_alone_allows() -> None:
    control, treatment = Sample(400, 2.0, 4.0), Sample(100, 2.5, 1.0)
    own = math.sqrt(4.0 / 400 + 1.0 / 100)
    for pooled in (0.5, 3.0):
        interval = difference_interval(control, treatment, pooled, 2.0)
        assert interval is not None
        error = max(own, math.sqrt(pooled * (1 / 400 + 1 / 100)))
        assert (interval.lower, interval.upper) == pytest.approx((0.5 - 2.0 * error, 0.5 + 2.0 * error))


def test_a_relative_interval_holds_the_ratio_and_ends_only_where_the_control_is_surely_not_nothing() -> None:
    control, treatment = Sample(400, 2.0, 4.0), Sample(400, 2.5, 4.0)
    interval = relative_interval(control, treatment, 2.0)
    assert interval is not None
    assert interval.lower < 0.25 < interval.upper
    assert relative_interval(Sample(400, 0.1, 4.0), treatment, 2.0) is None


@pytest.mark.parametrize("ends", [(1.0, 1.0), (2.0, 1.0), (math.nan, 1.0), (0.0, math.inf)])
def test_what_is_empty_or_endless_is_no_interval(ends: tuple[float, float]) -> None:
    assert bounds(*ends) is None
