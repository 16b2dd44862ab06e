"""The correction is the worst ratio of reported to bound, and no report that cannot be right counts."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from synalign.generation.correction import UNBELIEVABLE, Correction, believed

COUNTS = st.integers(1, 10**5)


@given(st.lists(st.tuples(COUNTS, COUNTS, COUNTS, COUNTS), max_size=8), COUNTS, COUNTS)
def test_most_is_the_bound_times_the_worst_ratio(reports, bound_in, bound_out):
    correction = Correction()
    for report in reports:
        correction.learn(*report)
    exact = [
        ceil(bound * max([Fraction(1), *(Fraction(report[2 + way], report[way]) for report in reports)]))
        for way, bound in enumerate((bound_in, bound_out))
    ]
    assert all(abs(most - true) <= 1 for most, true in zip(correction.most(bound_in, bound_out), exact, strict=True))


@given(COUNTS, COUNTS)
def test_a_request_that_is_the_worst_one_again_gets_what_it_needed(bound, reported):
    correction = Correction()
    correction.learn(bound, bound, reported, 0)
    assert correction.most(bound, bound) == (max(bound, reported), bound)


def test_counts_that_cannot_be_are_no_report():
    assert believed(UNBELIEVABLE * 10, 10) == 10_000 and believed(UNBELIEVABLE * 10 + 1, 10) is None
    assert believed(None, 10) is None and believed(-1, 10) is None and believed(0, 0) == 0
