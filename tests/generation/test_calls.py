"""Calls of a server that is no writer: what they may cost, and that one that fails for good ends all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from synalign.config import Budget as BudgetSettings
from synalign.config import Configuration
from synalign.errors import EndpointError, GenerationError
from synalign.generation.budget import Budget
from synalign.generation.calls import Call, Calls
from synalign.generation.endpoint import Endpoint
from tests.encoders.double import Double, embedding

Make = Callable[..., Configuration]


def test_the_most_that_a_call_can_cost_are_its_bytes_and_what_servers_add() -> None:
    assert Call({}, []).most_tokens == 64
    assert Call({}, ["abc", "\u732b", "\ud800"]).most_tokens == 64 + 3 * 8 + 3 + 3 + 3


def ask(make: Make, double: Double, calls: int, **runtime: Any) -> tuple[list[Any], Calls]:
    """Make so many calls at once; returns what came of each."""

    async def all_() -> tuple[list[Any], Calls]:
        client = Calls(
            make(runtime=runtime), Endpoint(f"{double.url}/v1", ""), "/embeddings",
            budget=Budget(BudgetSettings()), section="there", remedies={"rejected": "ask better"},
            backoff_seconds=0.01,
        )  # fmt: skip
        asked = [Call({"model": "m", "input": [f"text {number}"]}, [f"text {number}"]) for number in range(calls)]
        async with client:
            answers = (client.answer(call, lambda content: len(content["data"]), lambda *_: 5) for call in asked)
            return await asyncio.gather(*answers, return_exceptions=True), client

    return asyncio.run(all_())


def test_answers_are_read_and_their_cost_counted(configuration: Make) -> None:
    with embedding() as double:
        found, client = ask(configuration, double, 20)
    assert found == [1] * 20
    assert client.budget.tokens == 100


def test_a_call_that_fails_for_good_ends_all_with_the_servers_words(configuration: Make) -> None:
    with embedding() as double:
        double.instead = lambda number, body: (400, {}, {"error": "no such text as 'text 3'"})
        found, client = ask(configuration, double, 50, concurrency=2)
        assert len(double.asked) <= 4
    assert {type(error) for error in found} == {EndpointError}
    assert str(found[0]).startswith("there.endpoint == ")
    assert "ask better; then run the step again" in str(found[0])
    assert client.budget.tokens == 0


def test_what_nobody_answers_in_time_is_tried_again_and_counted_in_full(configuration: Make) -> None:
    with embedding() as double:
        double.instead = lambda number, body: (500, {}, {"error": "busy"})
        found, client = ask(configuration, double, 1, attempts=3)
        assert len(double.asked) == 3
    assert type(found[0]) is GenerationError
    assert client.budget.tokens == 3 * Call({}, ["text 0"]).most_tokens
