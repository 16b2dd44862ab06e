"""The reasons to reject a query: each has all that ledger, step, report and warnings ask it for."""

import inspect
import re

import pytest

from synalign.pool import carrying
from synalign.screening.reasons import LEAVING, OF_THE_POOL, PERSONAL, REASONS, REJECTING, ROUND_TRIP, Reason


@pytest.mark.parametrize("reason", REASONS.values(), ids=REASONS)
def test_each_reason_is_whole(reason: Reason) -> None:
    assert reason.step in ("carry", "generate", "screen")
    assert reason.why and not reason.why.endswith(".") and reason.why[0].islower()
    assert reason.remedy.endswith(".") and reason.remedy[0].isupper()
    reason.score.format(count="3", figure="0.97")
    if reason.step != "screen":
        assert not (reason.cause or reason.score or reason.file)
        return
    assert reason.cause
    arguments = list(inspect.signature(reason.filter).parameters)
    assert arguments == ["candidates", "report"]


def test_reasons_are_in_the_order_of_the_steps_and_names_are_their_keys() -> None:
    steps = [reason.step for reason in REASONS.values()]
    assert steps == sorted(steps)
    assert [reason.name for reason in REASONS.values()] == list(REASONS)
    assert {PERSONAL, ROUND_TRIP, *OF_THE_POOL} <= set(REASONS)
    assert set(LEAVING) | set(REJECTING) == set(REASONS)
    assert set(LEAVING) & set(REJECTING) == {"over_length"}


def test_every_reason_that_carry_can_name_is_there() -> None:
    source = inspect.getsource(carrying)
    named = {*re.findall(r'yield "(\w+)"', source), *re.findall(r'left\["(\w+)"\]', source)}
    assert named == set(LEAVING)


def test_the_order_of_the_filters_is_the_one_that_their_rationale_asks_for() -> None:
    place = list(REASONS).index
    assert place("personal_data") == min(place(name) for name in REASONS if REASONS[name].step == "screen")
    assert place("unreadable") < min(map(place, ("inconsistent", "leak", "near_real", "near_duplicate")))
    assert place("inconsistent") < place("exact_duplicate")
    assert place("leak") < place("near_real") < place("exact_duplicate") < place("near_duplicate")
    assert list(REASONS)[-3:] == ["exact_duplicate", "near_duplicate", "judged_irrelevant"]
