"""What makes a result void, each fault once, and what is never called "no difference"."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from synalign.experiment import ExperimentPlan
from synalign.experiment.findings import Bounds, Effect
from synalign.experiment.logs import Log
from synalign.experiment.validity import undecided, void_reasons

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


def test_a_sound_experiment_is_valid(plan: Make) -> None:
    assert void_reasons(plan(), log()) == ()
    assert void_reasons(plan(), log(units={"control": 5_100, "treatment": 4_900})) == ()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"units": {"control": 5_400, "treatment": 4_600}}, "sample ratio mismatch: 5,400 units in control and 4,600"),
        ({"units": {"control": 0, "treatment": 0}}, "no unit in either arm"),
        ({"units": {"control": 11, "treatment": 0}}, "no unit in treatment"),
        ({"units": {"control": 0, "treatment": 11}}, "no unit in control"),
        ({"units": {"control": 30, "treatment": 0}}, "sample ratio mismatch: 30 units in control and 0"),
        ({"two_arms": 1}, "1 unit in both arms"),
        ({"misassigned": 1_234}, "1,234 units in the other arm than the salt 'shop-first' assigns"),
        ({"not_admitted": 2}, "2 units exposed before the ramp admitted them"),
        ({"unknown_arms": 3}, "3 exposures to an arm that is neither control nor treatment, to the letter"),
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


def metric(**fields: Any) -> Effect:
    """A primary metric of which nothing can be said, but for what is given."""
    nothing = {name: None for name in Effect.model_fields}
    content = {**nothing, "name": "clicks", "role": "primary", "better": "higher", "alpha": 0.05, "covariate": False}
    return Effect.model_validate({**content, **fields})


SAME, TWICE = {"control": 1.0, "treatment": 1.0}, {"control": 1.0, "treatment": 2.0}


@pytest.mark.parametrize(
    ("values", "units", "early", "late"),
    [
        ({**SAME, "difference": 0.0}, 5_000, None, "clicks is 1 for every unit of both arms: is it the right column?"),
        ({"control": 0.0, "treatment": 0.0}, 5_000, *["clicks is 0 for every unit of both arms"] * 2),
        # What is one number per arm is told at once, whichever way it goes.
        ({**TWICE, "difference": 1.0}, 5_000, *["clicks is 1 for every unit in control and 2 for every"] * 2),
        ({"control": 0.0, "treatment": 3.0}, 5_000, *["clicks is 0 for every unit in control and 3 for every"] * 2),
        ({"control": 3.0, "treatment": 0.0}, 5_000, *["clicks is 3 for every unit in control and 0 for every"] * 2),
        ({}, 5_000, None, "clicks cannot be computed: its denominator is 0"),
        ({**TWICE, "difference": 1.0}, 1, None, "1 unit in treatment at the end, and nothing is concluded from fewer"),
        ({**SAME, "difference": 0.0}, 99, None, "99 units in treatment at the end"),
    ],
)  # fmt: skip
def test_nothing_said_is_not_no_difference(
    plan: Make, values: dict[str, float], units: int, early: str | None, late: str
) -> None:
    made, arms = plan(), {"control": 5_000, "treatment": units}
    for day, expected in ((made.start, early), (made.stop, late)):
        found = undecided(made, [metric(**values)], arms, day)
        assert len(found) == (expected is not None)
        assert (expected or "") in "".join(found)


def test_a_guardrail_that_is_set_for_the_arm_is_told_and_one_that_is_always_0_is_not(plan: Make) -> None:
    fine = metric(control=1.0, treatment=1.0, interval=Bounds(lower=-0.1, upper=0.1))
    made, units = plan(), {"control": 500, "treatment": 500}
    for values, told in ((TWICE, 1), ({"control": 0.0, "treatment": 0.0}, 0)):
        guardrail = metric(name="latency", role="guardrail", better="lower", margin=0.02, **values)
        assert len(undecided(made, [fine, guardrail], units, made.stop)) == told
    # Secondary metrics decide nothing, and void nothing.
    assert (
        undecided(plan(), [fine, metric(role="secondary", **TWICE)], {"control": 500, "treatment": 500}, plan().stop)
        == ()
    )


def test_all_faults_are_told_together(plan: Make) -> None:
    assert len(void_reasons(plan(), log(two_arms=1, other_plan=1, no_outcomes=(date(2026, 3, 1),)))) == 3
