"""The verdict for every combination that matters, and the sentence that goes with it."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from synalign.experiment import ExperimentPlan
from synalign.experiment.findings import Bounds, Effect
from synalign.experiment.verdict import decide, sentence, void_sentence

Make = Callable[..., ExperimentPlan]
EARLY, LAST = date(2026, 3, 5), date(2026, 3, 30)
FEW, MANY = {"control": 5_000, "treatment": 5_100}, {"control": 40_000, "treatment": 40_100}


def effect(role: Any, passed: bool | None, lower: float, upper: float, **fields: Any) -> Effect:
    middle = (lower + upper) / 2.0
    content = {
        "name": {"primary": "clicks", "guardrail": "latency", "secondary": "orders"}[role],
        "role": role,
        "better": "lower" if role == "guardrail" else "higher",
        "margin": 0.02 if role == "guardrail" else None,
        "alpha": 0.025,
        "covariate": False,
        "control": 1.0,
        "treatment": 1.0 + middle,
        "difference": middle,
        "interval": Bounds(lower=lower, upper=upper),
        "relative": middle,
        "relative_interval": Bounds(lower=lower, upper=upper),
        "fixed_interval": None,
        "p_value": 0.5,
        "adjusted_p_value": 0.5,
        "passed": passed,
    }
    return Effect.model_validate({**content, **fields})


BETTER, UNSURE, WORSE = (
    effect("primary", True, 0.02, 0.08),
    effect("primary", None, -0.01, 0.03),
    effect("primary", False, -0.08, -0.02),
)
SAFE, OPEN, HARMED = (
    effect("guardrail", True, -0.01, 0.009),
    effect("guardrail", None, -0.01, 0.03),
    effect("guardrail", False, 0.03, 0.05),
)
UNKNOWN = effect("guardrail", None, 0.0, 1.0, interval=None, relative=None, relative_interval=None)


@pytest.mark.parametrize(
    ("primary", "guardrail", "early", "late"),
    [
        (BETTER, SAFE, "ship", "ship"),
        (BETTER, OPEN, "keep going", "no difference"),
        (BETTER, UNKNOWN, "keep going", "no difference"),
        (BETTER, HARMED, "stop for harm", "stop for harm"),
        (UNSURE, SAFE, "keep going", "no difference"),
        (UNSURE, HARMED, "stop for harm", "stop for harm"),
        (WORSE, SAFE, "stop for harm", "stop for harm"),
        (WORSE, OPEN, "stop for harm", "stop for harm"),
    ],
)
def test_the_verdict(plan: Make, primary: Effect, guardrail: Effect, early: str, late: str) -> None:
    made, both = plan(), [primary, guardrail]
    assert MANY["control"] >= made.sample_size_per_arm > FEW["treatment"]
    assert decide(made, both, FEW, EARLY) == early
    assert decide(made, both, FEW, LAST) == late
    assert decide(made, both, MANY, EARLY) == late
    # One arm that is large enough is not enough.
    assert decide(made, both, {"control": 5_000, "treatment": 10**9}, EARLY) == early


def test_secondary_metrics_decide_nothing(plan: Make) -> None:
    for passed in (True, False, None):
        shown = [UNSURE, SAFE, effect("secondary", passed, 0.1, 0.2)]
        assert decide(plan(), shown, FEW, EARLY) == "keep going"


def test_without_guardrails_the_primary_metric_decides(plan: Make) -> None:
    assert decide(plan(), [BETTER], FEW, EARLY) == "ship"


def told(plan: Make, effects: list[Effect], units: dict[str, int] = FEW, day: date = EARLY) -> str:
    return sentence(plan(), decide(plan(), effects, units, day), effects, units, day)


def test_ship_says_what_was_gained_and_what_it_costs_at_most(plan: Make) -> None:
    assert told(plan, [BETTER, SAFE]) == (
        "Ship: after 5 of 30 days, with 5,000 units in control and 5,100 in treatment, clicks rose by 5.0 % (between "
        "+2.0 % and +8.0 %), which is better, and latency is at most 0.90 % worse, of 2.0 % tolerated."
    )


def test_harm_says_what_was_harmed_and_nothing_else(plan: Make) -> None:
    assert told(plan, [WORSE, OPEN]) == (
        "Stop for harm: after 5 of 30 days, with 5,000 units in control and 5,100 in treatment, clicks fell by 5.0 % "
        "(between -8.0 % and -2.0 %), which is worse."
    )
    assert "latency is worse by 4.0 % (between +3.0 % and +5.0 %), more than the 2.0 % that is tolerated" in told(
        plan, [BETTER, HARMED]
    )
    assert "clicks" not in told(plan, [BETTER, HARMED])


def test_no_difference_says_why_now_and_what_is_ruled_out(plan: Make) -> None:
    assert told(plan, [UNSURE, SAFE], MANY).startswith("No difference: after 5 of 30 days, with 40,000 units")
    assert "the planned number of units is reached" in told(plan, [UNSURE, SAFE], MANY)
    assert told(plan, [UNSURE, SAFE], FEW, LAST).endswith(
        "this was the last day; clicks shows no difference beyond chance (between -1.0 % and +3.0 %), and latency is "
        "at most 0.90 % worse, of 2.0 % tolerated. The improvement of 5.0 % that was looked for is ruled out."
    )
    wide = effect("primary", None, -0.01, 0.07)
    assert told(plan, [wide], FEW, LAST).endswith("looked for is not ruled out.")
    # Which way is good decides what is ruled out.
    lower = effect("primary", None, -0.07, 0.01, better="lower")
    assert told(plan, [lower], FEW, LAST).endswith("looked for is not ruled out.")


def test_no_difference_does_not_hide_a_guardrail_that_held_a_better_retriever_back(plan: Make) -> None:
    assert (
        "clicks rose by 5.0 % (between +2.0 % and +8.0 %), which is better, and latency is not shown to be within the "
        "2.0 % that is tolerated (between -1.0 % and +3.0 %)."
    ) in told(plan, [BETTER, OPEN], FEW, LAST)


def test_keep_going_says_what_is_missing(plan: Make) -> None:
    needed = f"{plan().sample_size_per_arm:,}"
    assert told(plan, [UNSURE, SAFE]).endswith(f"The smaller arm has 5,000 of {needed} planned units.")
    nothing = effect("primary", None, 0.0, 1.0, interval=None, relative_interval=None)
    few = told(plan, [nothing, UNKNOWN], {"control": 7, "treatment": 9})
    assert "nothing can be said of clicks yet" in few
    assert few.endswith("Nothing is concluded from fewer than 100 units in an arm.")


def test_a_metric_without_a_relative_effect_is_told_in_its_own_units(plan: Make) -> None:
    loss = effect("primary", True, 0.125, 0.5, relative=None, relative_interval=None)
    assert "clicks rose by 0.312 (a difference between +0.125 and +0.5), which is better" in told(plan, [loss])


def test_void_says_all_reasons() -> None:
    assert void_sentence(["one", "two"]) == "Void: one; two. No effect is reported until that is mended."
    assert void_sentence(["why?"]) == "Void: why? No effect is reported until that is mended."
