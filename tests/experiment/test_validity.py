"""What makes a result void; the sample ratio against cases worked out by hand."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from scipy import stats

from synalign.experiment import ExperimentPlan
from synalign.experiment.logs import Log
from synalign.experiment.validity import sample_ratio_p_value, void_reasons

Make = Callable[..., ExperimentPlan]


def log(**fields: Any) -> Log:
    """The log of a sound experiment, but for what is given."""
    sound = Log(
        units={"control": 5_000, "treatment": 5_000},
        unit_days=30_000.0,
        sums={},
        two_arms=0,
        misassigned=0,
        not_admitted=0,
        early=0,
        unknown_arms=0,
        other_plan=0,
        before_start=0,
        no_exposures=(),
        no_outcomes=(),
    )
    return sound._replace(**fields)


def test_the_sample_ratio_by_hand(plan: Make) -> None:
    # 5,100 and 4,900 of 10,000: two squares of 100 over 5,000 are 4, and chi-square of 4 with one degree is 0.0455.
    assert sample_ratio_p_value(plan(), {"control": 5_100, "treatment": 4_900}) == pytest.approx(0.04550026)
    # Kohavi, Tang and Xu (2020), chapter 21: 821,588 against 815,482 has p = 1.8e-6.
    published = {"control": 821_588, "treatment": 815_482}
    assert sample_ratio_p_value(plan(), published) == pytest.approx(1.8e-6, rel=0.03)


def test_the_sample_ratio_of_another_split_and_of_few_units(plan: Make) -> None:
    tenth = plan(treatment_share=0.1)
    # 9,150 and 850 where 9,000 and 1,000 are expected: 150 squared over each.
    chi_square = 150**2 / 9_000 + 150**2 / 1_000
    expected = stats.chi2.sf(chi_square, 1)
    assert sample_ratio_p_value(tenth, {"control": 9_150, "treatment": 850}) == pytest.approx(expected)
    # All ten in one arm: one in 2 ** 9.
    assert sample_ratio_p_value(plan(), {"control": 10, "treatment": 0}) == pytest.approx(2.0**-9)


def test_a_sound_experiment_is_valid(plan: Make) -> None:
    assert void_reasons(plan(), log()) == ()
    assert void_reasons(plan(), log(units={"control": 5_100, "treatment": 4_900})) == ()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"units": {"control": 5_400, "treatment": 4_600}}, "sample ratio mismatch: 5,400 units in control and 4,600"),
        ({"units": {"control": 0, "treatment": 0}}, "no unit in either arm"),
        ({"units": {"control": 11, "treatment": 0}}, "sample ratio mismatch: 11 units in control and 0"),
        ({"two_arms": 1}, "1 unit in both arms"),
        ({"misassigned": 1_234}, "1,234 units in the other arm than the salt 'shop-first' assigns"),
        ({"not_admitted": 2}, "2 units exposed before the ramp admitted them"),
        ({"unknown_arms": 3}, "3 exposures to an arm that is neither control nor treatment"),
        ({"other_plan": 4}, "4 exposures under another plan than "),
        ({"before_start": 5}, "5 exposures before the start on 2026-03-01"),
        ({"early": 101}, "101 units of 10,000 with outcomes before exposure, more than 1%"),
        ({"no_exposures": (date(2026, 3, 2),)}, "no exposures on 2026-03-02"),
        ({"no_outcomes": (date(2026, 3, 2), date(2026, 3, 4))}, "no outcomes on 2026-03-02, 2026-03-04"),
        ({"no_outcomes": tuple(date(2026, 3, day) for day in range(1, 9))}, "2026-03-05 and 3 more days"),
    ],
)
def test_every_fault_is_told(plan: Make, fields: dict[str, Any], reason: str) -> None:
    (told,) = void_reasons(plan(), log(**fields))
    assert reason in told


def test_a_few_early_outcomes_are_tolerated(plan: Make) -> None:
    assert void_reasons(plan(), log(early=100)) == ()


def test_all_faults_are_told_together(plan: Make) -> None:
    assert len(void_reasons(plan(), log(two_arms=1, other_plan=1, no_outcomes=(date(2026, 3, 1),)))) == 3
