"""The pace in virtual time: against limits of every form, for no limit, and for what endpoints say of theirs."""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.generation.pace import Pace, duration, remaining
from tests.benchmarks.limited_server import Limit
from tests.generation import virtual_time

NEWLY = settings(max_examples=40)


def headers(left, limit=600, reset="1s", kind="requests"):
    values = {"limit": limit, "remaining": left, "reset": reset}
    return {f"x-ratelimit-{name}-{kind}": str(value) for name, value in values.items()}


async def through(pace, count, seconds=0.1, tokens=0, used=None):
    """Let requests through that take some seconds each; when each was sent."""
    loop, sent = asyncio.get_running_loop(), []

    async def one():
        turn = await pace.turn(tokens)
        sent.append(loop.time())
        await asyncio.sleep(seconds)
        pace.answered(turn, {}, used)

    await asyncio.gather(*(one() for _ in range(count)))
    return sent


def most_in_a_minute(times, amounts=None):
    """Naively: the most in any half-open window of 60 seconds that starts with a request."""
    amounts = amounts or [1] * len(times)
    pairs = list(zip(times, amounts, strict=True))
    return max(sum(amount for at, amount in pairs if start <= at < start + 60.0 - 1e-9) for start in times)


@NEWLY
@given(
    limit=st.integers(1, 300),
    seconds=st.floats(0.001, 30.0),
    ceiling=st.integers(1, 64),
    count=st.integers(1, 400),
)
def test_a_configured_rate_holds_in_every_minute(limit, seconds, ceiling, count):
    sent = virtual_time.run(through(Pace(ceiling, requests_per_minute=limit), min(count, 4 * limit), seconds))
    assert most_in_a_minute(sent) <= limit


def test_a_configured_rate_is_used():
    sent = virtual_time.run(through(Pace(32, requests_per_minute=600), 1200, 0.8))
    assert sent[-1] - sent[0] < 1.02 * 120


@NEWLY
@given(
    limit=st.integers(100, 5000),
    tokens=st.lists(st.integers(1, 2000), min_size=1, max_size=120),
    used=st.floats(0.0, 1.0),
    seconds=st.floats(0.01, 20.0),
)
def test_configured_tokens_hold_in_every_minute(limit, tokens, used, seconds):
    """What is used is counted for the time of sending; a request larger than the limit goes alone."""

    async def work():
        loop, pace, sent = asyncio.get_running_loop(), Pace(16, tokens_per_minute=limit), []

        async def one(most):
            turn = await pace.turn(most)
            sent.append((loop.time(), int(most * used)))
            await asyncio.sleep(seconds)
            pace.answered(turn, {}, int(most * used))

        await asyncio.gather(*map(one, tokens))
        return sent

    sent = virtual_time.run(work())
    assert len(sent) == len(tokens)
    assert most_in_a_minute(*zip(*sent, strict=True)) <= max(limit, *tokens)


def test_tokens_that_were_not_needed_are_given_back():
    sent = virtual_time.run(through(Pace(4, tokens_per_minute=1000), 100, 1.0, tokens=250, used=1))
    assert sent[-1] - sent[0] < 60


@NEWLY
@given(ceiling=st.integers(1, 40), seconds=st.floats(0.01, 5.0))
def test_the_ceiling_of_concurrency_is_reached_and_never_passed(ceiling, seconds):
    async def work():
        pace, most, now = Pace(ceiling), 0, 0

        async def one():
            nonlocal most, now
            turn = await pace.turn()
            now += 1
            most = max(most, now)
            await asyncio.sleep(seconds)
            now -= 1
            pace.answered(turn, {})

        await asyncio.gather(*(one() for _ in range(10 * ceiling)))
        return most, pace.in_flight

    assert virtual_time.run(work()) == (ceiling, 0)


class World:
    """An endpoint with a limit, and some who ask it."""

    def __init__(self, limit, *, told=True, seed=0, requests=600, ceiling=32, seconds=0.8):
        self.random, self.told, self.requests = random.Random(seed), told, requests
        self.limit, self.seconds = limit, seconds
        self.pace = Pace(ceiling)
        self.sent, self.refused, self.at_once, self.most_at_once = 0, 0, 0, 0
        self.seconds_needed = math.nan

    async def one(self):
        loop = asyncio.get_running_loop()
        while True:
            turn = await self.pace.turn()
            self.sent += 1
            await asyncio.sleep(0.01)
            admitted = self.limit(loop.time(), self.at_once)
            if not admitted[0]:
                self.refused += 1
                self.pace.refuse(turn, admitted[1] if self.told else None, {})
                continue
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            await asyncio.sleep(self.random.lognormvariate(math.log(self.seconds) - 0.11, 0.47))
            self.at_once -= 1
            self.pace.answered(turn, {})
            return

    async def work(self):
        start = asyncio.get_running_loop().time()
        await asyncio.gather(*(self.one() for _ in range(self.requests)))
        self.seconds_needed = asyncio.get_running_loop().time() - start
        return self


def windowed(form):
    """A limit of the benchmark."""
    limits = []

    def admit(now, at_once):
        limits[:] = limits or [Limit(form, now)]
        return limits[0].admit(now), limits[0].wait(now)

    return admit


@pytest.mark.parametrize("form", ["window", "full", "counting"])
@pytest.mark.parametrize("told", [True, False])
def test_an_unknown_rate_is_found_used_and_seldom_passed(form, told):
    worlds = [virtual_time.run(World(windowed(form), told=told, seed=seed).work()) for seed in range(5)]
    share = sum(world.requests / (10.0 * world.seconds_needed) for world in worlds) / len(worlds)
    refused = sum(world.refused for world in worlds) / sum(world.sent for world in worlds)
    assert share >= (0.93 if told else 0.88)
    assert refused <= (0.03 if form == "counting" else 0.011 if told else 0.02)


@pytest.mark.parametrize("rate", [0.05, 1.0, 40.0])
def test_slow_and_fast_limits_are_found_as_well(rate):
    """A token bucket of two seconds' worth, or of one."""

    def bucket():
        state = [1.0, None]

        def admit(now, at_once):
            depth = max(1.0, 2.0 * rate)
            state[0] = min(depth, state[0] + rate * (now - (state[1] if state[1] is not None else now)))
            state[1] = now
            if state[0] < 1.0:
                return False, (1.0 - state[0]) / rate
            state[0] -= 1.0
            return True, 0.0

        return admit

    world = virtual_time.run(World(bucket(), requests=300 if rate < 10 else 1500, ceiling=64).work())
    assert world.requests / world.seconds_needed >= 0.75 * rate
    assert world.refused <= 0.04 * world.sent


def test_without_a_limit_concurrency_is_the_only_bound():
    world = virtual_time.run(World(lambda now, at_once: (True, 0.0), requests=2000, ceiling=32).work())
    assert world.most_at_once == 32
    assert world.requests / world.seconds_needed >= 0.85 * 32 / 0.8


def test_a_limit_of_concurrency_is_found():
    world = virtual_time.run(World(lambda now, at_once: (at_once < 4, None), requests=600).work())
    assert world.requests / world.seconds_needed >= 0.35 * 4 / 0.8
    assert world.refused <= 0.2 * world.requests


def test_refusals_that_have_nothing_to_do_with_the_rate_do_not_stop_it():
    noise = random.Random(5)
    world = World(lambda now, at_once: (noise.random() >= 0.03, None), requests=2000, seconds=0.05)
    virtual_time.run(world.work())
    assert world.requests / world.seconds_needed >= 6.0


def test_a_limit_that_rises_is_found_again():
    def admit(now, at_once, times=deque()):  # noqa: B006
        rate = 5.0 if now < 1060.0 else 20.0
        if times and now - times[-1] < 1.0 / rate - 1e-9:
            return False, 1.0 / rate - (now - times[-1])
        times.append(now)
        return True, 0.0

    world = virtual_time.run(World(admit, requests=2000, ceiling=64).work())
    # 300 in the first minute; the other 1,700 at 20 a second need 85 s.
    assert world.seconds_needed <= 60 + 85 / 0.45


def test_a_wait_that_is_asked_for_is_kept_by_everybody():
    async def work():
        pace = Pace(8)
        first = await pace.turn()
        pace.refuse(first, 7.0, {})
        times = await through(pace, 5)
        return min(times) - first.at

    assert virtual_time.run(work()) >= 7.0


def test_refusals_of_one_round_trip_lower_concurrency_once():
    async def work():
        pace = Pace(64)
        pace.concurrency = 64.0
        turns = [await pace.turn() for _ in range(20)]
        for turn in turns:
            pace.refuse(turn, 0.1, {})
        return pace.concurrency, pace.in_flight

    concurrency, in_flight = virtual_time.run(work())
    assert (concurrency, in_flight) == (pytest.approx(64 * 0.7), 0)


def test_stopping_wakes_who_waits_and_turns_others_away():
    async def work():
        pace = Pace(1)
        held = await pace.turn()
        waiting = asyncio.ensure_future(pace.turn())
        await asyncio.sleep(0)
        pace.stop(KeyError("over"))
        with pytest.raises(KeyError):
            await waiting
        with pytest.raises(KeyError):
            await pace.turn()
        pace.answered(held, {})
        return pace.in_flight

    assert virtual_time.run(work()) == 0


@NEWLY
@given(st.lists(st.booleans(), min_size=5, max_size=40), st.integers(0, 2**32))
def test_cancelling_loses_no_place(cancelled, seed):
    # Hypothesis ends an example from within its own randoms: in a task that would leave the others waiting forever.
    chance = random.Random(seed)

    async def work():
        pace = Pace(3)

        async def one():
            turn = await pace.turn()
            await asyncio.sleep(chance.random())
            pace.answered(turn, {})

        tasks = [asyncio.ensure_future(one()) for _ in cancelled]
        for task, end in zip(tasks, cancelled, strict=True):
            await asyncio.sleep(chance.random() / 10)
            if end and not task.done() and pace.in_flight == 0:
                task.cancel()
        waiting = [asyncio.ensure_future(pace.turn()) for _ in range(4)]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*tasks, *waiting, return_exceptions=True)
        return pace.in_flight

    assert virtual_time.run(work()) == 0


def test_one_who_was_cancelled_while_waiting_does_not_stand_in_the_way():
    async def work():
        pace = Pace(1)
        held = await pace.turn()
        cancelled = asyncio.ensure_future(pace.turn())
        await asyncio.sleep(0)
        cancelled.cancel()
        pace.answered(held, {})
        async with asyncio.timeout(5):
            return await pace.turn()

    assert virtual_time.run(work()).number == 2


def test_a_turn_given_to_one_who_was_cancelled_meanwhile_is_given_back():
    async def work():
        pace = Pace(1)
        held = await pace.turn()
        waiting = asyncio.ensure_future(pace.turn())
        await asyncio.sleep(1.0)
        pace.answered(held, {})
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return pace.in_flight

    assert virtual_time.run(work()) == 0


def test_little_left_lowers_the_rate_before_a_refusal_and_only_then():
    async def work(lefts):
        pace = Pace(8)
        for _ in range(30):
            turn = await pace.turn()
            await asyncio.sleep(0.1)
            pace.answered(turn, headers(500))
        pace.refuse(await pace.turn(), 0.1, {})
        await asyncio.sleep(30.0)
        before = pace.rate(asyncio.get_running_loop().time())
        for left in lefts:
            turn = await pace.turn()
            pace.answered(turn, headers(left))
        return pace.rate(asyncio.get_running_loop().time()) / before

    assert virtual_time.run(work([500, 500])) >= 0.99
    assert virtual_time.run(work([500, 0])) < 0.97


def test_an_endpoint_that_always_says_nothing_is_left_is_not_believed():
    async def work():
        pace = Pace(8)
        for _ in range(200):
            turn = await pace.turn()
            await asyncio.sleep(0.1)
            pace.answered(turn, headers(0, reset="86400s"))
        return pace.concurrency, asyncio.get_running_loop().time() - 1000.0

    concurrency, seconds = virtual_time.run(work())
    assert concurrency == 8 and seconds < 25


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0), ("6m0s", 360.0), ("20ms", 0.02), ("1h2m3.5s", 3723.5), ("2d", 172800.0), ("0s", 0.0),
        ("1.5", 1.5), ("12", 12.0), (" 7s ", 7.0), ("1m30s500ms", 90.5), ("17.3ms", 0.0173),
        ("", None), ("s", None), ("-1s", None), ("nan", None), ("inf", None), ("1e9", None), ("1s1m", None),
        ("soon", None), ("9" * 400 + "s", None), ("१s", None), ("1s\n2s", None), ("1 s", None),
    ],
)  # fmt: skip
def test_durations_are_read_in_each_of_their_forms_and_nothing_else(text, seconds):
    assert duration(text) == (pytest.approx(seconds) if seconds is not None else None)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_any_duration_that_is_written_is_read(hours, minutes, seconds, milliseconds):
    expected = 3600 * hours + 60 * minutes + seconds + milliseconds / 1000
    assert duration(f"{hours}h{minutes}m{seconds}s{milliseconds}ms") == pytest.approx(expected)


@given(st.text(max_size=30))
def test_no_header_breaks_the_pace(text):
    found = duration(text)
    assert found is None or (math.isfinite(found) and found >= 0.0)
    left = remaining(headers(text, text, text), "requests")
    assert left is None or 0 <= left.remaining <= left.limit

    async def work():
        pace = Pace(2)
        turn = await pace.turn()
        pace.answered(turn, headers(text, text, text))
        pace.refuse(await pace.turn(), None, headers(text, text, text))
        return (await pace.turn()).at - turn.at

    assert virtual_time.run(work()) <= 10.0


def test_what_is_left_is_none_unless_it_makes_sense():
    assert remaining(headers(59, 60, "1s"), "requests") == (60, 59, 1.0)
    assert remaining(headers(59, 60, "later"), "requests") == (60, 59, None)
    for left, limit in ((61, 60), (-1, 60), ("", 60), (1, ""), (0, 0), ("1e3", 60), ("9" * 30, "9" * 30)):
        assert remaining(headers(left, limit), "requests") is None
    assert remaining({}, "tokens") is None


def test_requests_pass_in_the_order_in_which_they_came():
    async def work():
        pace, order = Pace(4, requests_per_minute=6000), []

        async def one(number):
            turn = await pace.turn()
            order.append(number)
            await asyncio.sleep(0.05)
            pace.answered(turn, {})

        await asyncio.gather(*(one(number) for number in range(50)))
        return order

    assert virtual_time.run(work()) == list(range(50))


def test_requests_are_spread_and_never_sent_in_a_burst():
    sent = virtual_time.run(through(Pace(8, requests_per_minute=600), 100, 0.5))
    assert min(after - before for before, after in pairwise(sent)) >= 0.049
