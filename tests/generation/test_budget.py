"""The budget: its ceiling under any interleaving, over kills, and for endpoints that report nothing or too much."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.config import Budget as Settings
from synalign.generation.budget import RECORD, Budget, cost, most_tokens_of, tokens_of
from tests.generation import virtual_time

TEXTS = {
    # What a tokenizer makes of them that suits the text badly: one token a digit, two a Chinese character.
    "english": ("The quick brown fox jumps over the lazy dog.", 10),
    "digits": ("3.14159265358979", 15),
    "chinese": ("如何修理热水壶", 14),
    "emoji": ("👩‍👩‍👧‍👦", 18),
}


@pytest.mark.parametrize(("text", "tokens"), TEXTS.values(), ids=TEXTS)
def test_an_estimate_is_not_too_low_in_any_script(text, tokens):
    assert tokens_of([{"role": "user", "content": text}]) >= tokens
    assert most_tokens_of({"messages": [{"role": "user", "content": text}]}) >= len(text.encode())


def test_an_estimate_is_not_far_too_high_for_prose():
    text = "How do I repair a kettle that smells of plastic and does not switch itself off any more? " * 20
    # Such prose has about 1.3 tokens a word.
    assert tokens_of([{"role": "user", "content": text}]) <= 2.2 * 1.3 * len(text.split())


@given(st.text(max_size=300))
def test_the_bound_is_never_below_the_bytes_nor_below_the_estimate(text):
    messages = [{"role": "user", "content": text}]
    assert most_tokens_of({"messages": messages}) >= len(text.encode("utf-8", "surrogatepass"))
    assert most_tokens_of({"messages": messages}) >= tokens_of(messages) > 0


def test_the_schema_counts_as_well():
    messages = [{"role": "user", "content": "hello"}]
    schema = {"type": "json_schema", "json_schema": {"schema": {"description": "x" * 500}}}
    both = most_tokens_of({"messages": messages, "response_format": schema})
    assert both >= most_tokens_of({"messages": messages}) + 500


def test_money_is_by_the_million_and_half_in_a_batch():
    prices = Settings(input_price=3.0, output_price=15.0)
    assert cost(1_000_000, 0, prices, "online") == 3.0
    assert cost(200_000, 100_000, prices, "online") == pytest.approx(0.6 + 1.5)
    assert cost(200_000, 100_000, prices, "batch") == pytest.approx((0.6 + 1.5) / 2)


@settings(max_examples=60)
@given(
    requests=st.lists(
        st.tuples(st.integers(1, 400), st.integers(1, 400), st.floats(0.0, 1.0), st.floats(0.0, 5.0), st.booleans()),
        max_size=40,
    ),
    most_tokens=st.one_of(st.none(), st.integers(1, 5000)),
    most_money=st.one_of(st.none(), st.floats(1e-6, 0.02)),
)
def test_the_ceiling_is_never_passed_and_what_fits_is_sent(requests, most_tokens, most_money):
    """Whatever is in flight, in whatever order requests end; some of them report nothing."""
    prices = Settings(input_price=1.0, output_price=4.0, max_tokens=most_tokens, max_money=most_money)

    async def work():
        budget, really, refused = Budget(prices), [0, 0], []

        async def one(most_in, most_out, share, seconds, reported):
            reservation = await budget.reserve(most_in, most_out)
            if reservation is None:
                refused.append((most_in, most_out))
                return
            used = [int(share * most_in), int(share * most_out)] if reported else [most_in, most_out]
            really[0], really[1] = really[0] + used[0], really[1] + used[1]
            assert most_tokens is None or sum(really) <= most_tokens
            assert most_money is None or (really[0] + 4 * really[1]) / 1e6 <= most_money * (1 + 1e-12)
            await asyncio.sleep(seconds)
            budget.settle(reservation, *(used if reported else (None, None)))

        await asyncio.gather(*(one(*request) for request in requests))
        assert budget.tokens == sum(really)
        for most_in, most_out in refused:
            over = most_tokens is not None and sum(really) + most_in + most_out > most_tokens
            money = (really[0] + most_in + 4 * (really[1] + most_out)) / 1e6
            assert over or (most_money is not None and money > most_money * (1 - 1e-12))

    virtual_time.run(work())


def test_a_smaller_request_still_goes_when_a_larger_one_does_not_fit():
    async def work():
        budget = Budget(Settings(max_tokens=100))
        assert await budget.reserve(200, 0) is None
        return await budget.reserve(50, 50)

    assert asyncio.run(work()) is not None


def test_what_only_lacks_room_because_of_others_in_flight_waits_for_them():
    async def work():
        budget = Budget(Settings(max_tokens=100))
        first = await budget.reserve(80, 0)
        second = asyncio.ensure_future(budget.reserve(80, 0))
        await asyncio.sleep(0.01)
        assert not second.done()
        budget.settle(first, 10, 0)
        assert (await second) is not None
        third = asyncio.ensure_future(budget.reserve(80, 0))
        await asyncio.sleep(0)
        budget.settle(second.result(), None, None)
        return await third, budget.tokens

    assert asyncio.run(work()) == (None, 90)


def test_a_kill_leaves_what_was_in_flight_counted_as_spent(tmp_path):
    settings, path = Settings(max_tokens=1000), tmp_path / "run" / RECORD

    async def killed():
        budget = Budget(settings, record=path)
        done = await budget.reserve(100, 100)
        budget.settle(done, 10, 20)
        await budget.reserve(300, 200)

    asyncio.run(killed())

    async def again():
        budget = Budget(settings, record=path)
        before = budget.tokens
        unfit, fits = await budget.reserve(471, 0), await budget.reserve(470, 0)
        budget.settle(fits, 0, 0)
        budget.close()
        return before, unfit, fits is not None

    assert asyncio.run(again()) == (30 + 500, None, True)
    assert Budget(settings, record=path).tokens == 530


def test_an_endpoint_that_counts_more_than_the_bound_is_bounded_higher_from_then_on():
    async def work():
        budget = Budget(Settings(max_tokens=1000))
        budget.settle(await budget.reserve(100, 0), 200, 0)
        return await budget.reserve(401, 0), await budget.reserve(400, 0)

    refused, granted = asyncio.run(work())
    assert refused is None and granted.tokens_in == 800


def test_without_a_record_what_the_journal_holds_counts(tmp_path):
    budget = Budget(Settings(max_tokens=100))
    budget.count(60, 30)
    assert budget.tokens == 90
    recorded = Budget(Settings(max_tokens=100), record=tmp_path / RECORD)
    recorded.count(60, 30)
    assert recorded.tokens == 0
