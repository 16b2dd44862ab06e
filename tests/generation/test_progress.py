"""How far requests are: what came for nothing, what failed and what was spent stand beside the count."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from synalign import progress
from synalign.config import Budget
from synalign.generation import outcomes
from synalign.generation.progress import Progress
from synalign.progress import Advance, Event


def budget(**settings: Any) -> Any:
    """What a budget has counted: 2,000 tokens, 0.50 in money."""
    return SimpleNamespace(tokens=2_000, money=0.5, settings=Budget(currency="EUR", **settings))


def answer(outcome: str = "ok", *, reused: bool = False, tokens: int | None = 10) -> Any:
    content = object() if outcome == "ok" else None
    return SimpleNamespace(outcome=outcome, content=content, reused=reused, tokens_in=tokens, tokens_out=tokens)


def test_the_note_says_what_came_for_nothing_what_failed_and_what_is_spent() -> None:
    shown: list[Event] = []
    counted = Progress(Advance("generate", 10, "requests", shown.append), budget(max_tokens=9_000))
    counted.add(answer(reused=True))
    counted.add(answer("refused"))
    counted.add(answer(outcomes.OVER_BUDGET))
    assert shown[-1].done == 3
    assert shown[-1].note == (
        "1 of them from the journal, 1 failed, 1 not sent for want of budget, 2,000 of 9,000 tokens spent"
    )


def test_a_price_is_told_in_money_and_silence_about_tokens_as_a_bound() -> None:
    shown: list[Event] = []
    counted = Progress(Advance("generate", None, "requests", shown.append), budget(input_price=1.0, max_money=2.0))
    counted.add(answer(tokens=None))
    assert shown[-1].note == "at most 0.50 of 2.00 EUR spent"


def test_a_request_asked_in_parts_is_one_request_whose_parts_may_fail() -> None:
    shown: list[Event] = []
    counted = Progress(Advance("generate", None, "requests", shown.append), budget())
    counted.add(answer(), answer(), answer("timeout"), answer("timeout"))
    assert (shown[-1].done, shown[-1].note) == (1, "2 failed, 2,000 tokens spent")


def test_a_request_that_was_too_long_is_no_failure_where_its_parts_are_none() -> None:
    shown: list[Event] = []
    counted = Progress(Advance("generate", None, "requests", shown.append), budget())
    counted.add(answer(outcomes.CONTEXT_TOO_LONG), answer(), answer())
    assert (shown[-1].done, shown[-1].note) == (1, "2,000 tokens spent")


def test_that_nothing_moves_is_shown_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LOOK_SECONDS", 0.01)
    shown: list[Event] = []
    counted = Progress(Advance("generate", 10, "requests", shown.append), budget())
    with counted.shown():
        until = time.monotonic() + 20.0
        while len(shown) < 2 and time.monotonic() < until:
            time.sleep(0.01)
    assert [event.done for event in shown[:2]] == [0, 0]
    after = len(shown)
    time.sleep(0.05)
    assert len(shown) == after
