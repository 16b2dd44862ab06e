"""The ceiling of a budget with real requests in flight: endpoints that count in their own way, and processes killed."""

from __future__ import annotations

import asyncio
import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.config import Budget as Settings
from synalign.generation.budget import RECORD, Budget, held_back, most_tokens_of
from synalign.generation.client import Client
from synalign.generation.endpoint import Endpoint
from synalign.generation.journal import Journal
from synalign.generation.request import parameters
from synalign.generation.spending import Spending
from tests.generation import virtual_time
from tests.generation.chaos_client import ASKED, CONCURRENCY, CONFIGURATION, DONE, UNFINISHED, clients
from tests.generation.test_client import completion, configured, ok, request, served

IN_FLIGHT = 32


def counts(tokens_in, tokens_out):
    return {**completion(), "usage": {"prompt_tokens": tokens_in, "completion_tokens": tokens_out}}


def spend(folder, reported, requests, *, max_tokens, max_output_tokens=256):
    """Ask many requests, 32 at a time, of an endpoint that reports so many times the bounds of each."""
    bound_in = most_tokens_of(parameters(request("0000"), configured()))
    body = counts(*(round(times * bound) for times, bound in zip(reported, (bound_in, max_output_tokens), strict=True)))
    with served(ok(body), delay=0.02) as server:
        configuration = configured(server, concurrency=IN_FLIGHT)
        generation = configuration.generation.model_copy(
            update={"budget": Settings(max_tokens=max_tokens), "max_output_tokens": max_output_tokens}
        )
        configuration = configuration.model_copy(update={"generation": generation})

        async def work():
            with Journal(folder / "journal") as journal:
                where = Endpoint(generation.endpoint, "none")
                async with Client(configuration, where, journal, record=folder / RECORD) as client:
                    asked = (client.ask(request(f"{number:04d}")) for number in range(requests))
                    return await asyncio.gather(*asked), client.budget

        answers, budget = asyncio.run(work())
        return [answer.outcome for answer in answers], budget, len(server.asked), server.most, bound_in


@pytest.mark.slow
@pytest.mark.parametrize("ratio", [0.1, 1.0, 1.5, 10.0])
@pytest.mark.parametrize("way", ["out", "in", "both"])
def test_the_correction_is_the_worst_ratio_and_the_run_ends_at_its_ceiling(tmp_path, ratio, way):
    reported = (ratio if way != "out" else 0.5, ratio if way != "in" else 0.5)
    bound = most_tokens_of(parameters(request("0000"), configured())) + 256
    ceiling = 60 * bound
    outcomes, budget, asked, _, _ = spend(tmp_path, reported, 150, max_tokens=ceiling)
    in_, out = budget.correction.ratio_in, budget.correction.ratio_out
    assert (in_, out) == pytest.approx(
        [max(1.0, ratio if way != "out" else 1), max(1.0, ratio if way != "in" else 1)], rel=0.01
    )
    one = round(reported[0] * (bound - 256)) + round(reported[1] * 256)
    assert budget.tokens == asked * one and outcomes.count("ok") == asked
    if asked < 150:
        # Refused only what would have passed it, as far as can be known before it is sent.
        assert budget.tokens + in_ * (bound - 256) + out * 256 > ceiling
    # Only those in flight before the first report can pass it.
    assert budget.tokens <= ceiling + IN_FLIGHT * max(0.0, one - bound)


def test_of_one_hundred_only_the_ceiling_is_spent_at_half_as_much_again(tmp_path):
    """What was reported: with 32 in flight the correction compounded to 191,751, and the run ended at 1 %."""
    outcomes, budget, _, most, bound_in = spend(tmp_path, (0.3, 1.5), 300, max_tokens=100_000)
    # As many as a client begins with, however slow the machine is.
    assert most >= 8
    assert budget.correction.ratio_out == 1.5
    assert 100_000 - (bound_in + 384) < budget.tokens <= 100_000
    assert outcomes.count("over_budget") > 0


@pytest.mark.parametrize("usage", [(10**8, 10**8), (1e15, 1e15), (-5, -5), ("7", None), (float("nan"), float("inf"))])
def test_counts_that_cannot_be_are_taken_as_none(tmp_path, usage, caplog):
    """The most that the requests can have cost counts; one absurd count does not end a run."""
    with served(ok(raw=json.dumps(counts(*usage)).encode())) as server:
        configuration = configured(server)

        async def work():
            with Journal(tmp_path) as journal:
                async with Client(
                    configuration, Endpoint(configuration.generation.endpoint, "none"), journal
                ) as client:
                    answer = await client.ask(request())
                    return answer, client.budget

        answer, budget = asyncio.run(work())
    bound = most_tokens_of(parameters(request(), configuration)) + configuration.generation.max_output_tokens
    assert answer.outcome == "ok" and answer.tokens_in is None and answer.tokens_out is None
    assert budget.tokens == bound and budget.correction.ratio_out == 1.0


@settings(max_examples=60)
@given(
    requests=st.lists(
        st.tuples(
            st.integers(1, 400), st.integers(1, 400), st.floats(0.0, 12.0), st.floats(0.0, 12.0), st.floats(0.0, 5.0),
            st.sampled_from(["reported", "unreported", "refused", "in_only"]),
        ),
        max_size=60,
    ),
    ceiling=st.integers(100, 50_000),
)  # fmt: skip
def test_in_any_order_of_completion_the_correction_is_the_worst_ratio_reported(requests, ceiling):
    worst = [1.0, 1.0]

    async def work():
        budget = Budget(Settings(max_tokens=ceiling))

        async def one(bound_in, bound_out, times_in, times_out, seconds, how):
            held = await budget.hold(bound_in, bound_out)
            await asyncio.sleep(seconds / 3)
            sent = None if held is None else await budget.send(held)
            if sent is None:
                return
            await asyncio.sleep(seconds)
            used = [int(times_in * bound_in), int(times_out * bound_out)]
            told = {"reported": used, "unreported": (None, None), "refused": (0, 0), "in_only": (used[0], None)}[how]
            for way, bound in enumerate((bound_in, bound_out)):
                worst[way] = max(worst[way], (told[way] or 0) / bound)
            before = budget.tokens
            budget.settle(sent, *told)
            # Nothing is counted beyond what was reported, or what was set aside where nothing was.
            most = [t if t is not None else s for t, s in zip(told, (sent.tokens_in, sent.tokens_out), strict=True)]
            assert budget.tokens - before == sum(most)

        await asyncio.gather(*(one(*each) for each in requests))
        assert (budget.correction.ratio_in, budget.correction.ratio_out) == tuple(worst)
        assert not budget._reserved

    virtual_time.run(work())


def test_a_request_that_waits_its_turn_has_no_line_in_the_record(tmp_path):
    """Only what is sent is written down: killed while it waits, it costs nothing."""

    async def work():
        budget = Budget(Settings(max_tokens=10_000), record=tmp_path / RECORD)
        sent = [await budget.reserve(100, 100, f"sent {number}") for number in range(3)]
        waiting = [await budget.hold(100, 100, f"waiting {number}") for number in range(20)]
        assert None not in sent + waiting

    asyncio.run(work())
    assert Budget(Settings(max_tokens=10_000), record=tmp_path / RECORD).tokens == 600


def test_what_an_endpoint_counts_is_known_to_the_next_process(tmp_path):
    async def work():
        budget = Budget(Settings(max_tokens=10_000), record=tmp_path / RECORD)
        budget.settle(await budget.reserve(100, 100, "a"), 30, 250)
        budget.settle(await budget.reserve(100, 101, "b"), None, None)
        budget.close()

    asyncio.run(work())
    for _ in range(3):
        later = Budget(Settings(max_tokens=10_000), record=tmp_path / RECORD)
        assert (later.correction.ratio_in, later.correction.ratio_out) == (1.0, 2.5)
        later.close()


def test_a_disk_that_fills_while_the_record_is_written_leaves_it_readable(tmp_path):
    """Half a line is cut off again: the next line would be joined to it, and the run could never go on."""
    script = (
        "import asyncio, resource, signal, sys\n"
        "from synalign.config import Budget as Settings\n"
        "from synalign.errors import StorageError\n"
        "from synalign.generation.budget import Budget\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "async def work():\n"
        "    budget = Budget(Settings(max_tokens=10**6), record=sys.argv[1])\n"
        "    first = await budget.reserve(10, 10, 'k' * 64)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (120, 10**9))\n"
        "    try:\n"
        "        await budget.reserve(10, 10, 'k' * 64)\n"
        "    except StorageError:\n"
        "        resource.setrlimit(resource.RLIMIT_FSIZE, (10**9, 10**9))\n"
        "        budget.settle(first, 1, 1)\n"
        "        budget.settle(await budget.reserve(10, 10, 'k' * 64), 2, 2)\n"
        "        print(budget.tokens)\n"
        "asyncio.run(work())\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / RECORD)], capture_output=True, text=True)
    assert done.stdout == "6\n", done.stderr
    assert Budget(Settings(), record=tmp_path / RECORD).tokens == 6


# What follows kills real processes.


@pytest.fixture(scope="module")
def process():
    with clients() as process:
        yield process


def quiet(server):
    """Wait until a server is done with what a killed client sent."""
    deadline = time.monotonic() + 10
    while server.running and time.monotonic() < deadline:
        time.sleep(0.01)


def started(process, order):
    process.stdin.write(json.dumps(order).encode() + b"\n")
    return int(process.stdout.readline())


def ended(process):
    return int(process.stdout.readline())


GOOD = json.dumps({"attributes": [{"name": "form", "values_seen": ["question"], "values_generalised": []}]})
REQUESTS = 100


def bound_of_one():
    sent = max(most_tokens_of(parameters(asked, CONFIGURATION)) for asked in ASKED[:REQUESTS])
    return sent + CONFIGURATION.generation.max_output_tokens


@pytest.mark.parametrize("kills", [5, 20])
@pytest.mark.slow
def test_each_kill_costs_at_most_what_was_in_flight_and_the_run_goes_on(process, tmp_path, kills):
    generator = random.Random(kills)
    bound = bound_of_one()
    # Room for what the kills cost, and for the rest.
    ceiling = (kills * CONCURRENCY + REQUESTS) * bound
    with served(ok(completion(GOOD)), delay=0.05) as server:
        order = {
            "url": f"http://127.0.0.1:{server.server_port}/v1", "folder": str(tmp_path / "journal"),
            "output": str(tmp_path / "answers"), "record": str(tmp_path / RECORD), "max_tokens": ceiling,
            "requests": REQUESTS,
        }  # fmt: skip
        lost = 0
        for _ in range(kills):
            child = started(process, order)
            before = len(server.asked)
            while len(server.asked) == before and not select.select([process.stdout], [], [], 0.002)[0]:
                pass
            time.sleep(generator.uniform(0.0, 0.03))
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            ended(process)
            quiet(server)
            still_open = open_tries(tmp_path)
            assert still_open - lost <= CONCURRENCY, "a kill cost more than what can be in flight"
            lost = still_open
        started(process, order)
        status = ended(process)
    assert status == DONE and 0 < lost < kills * CONCURRENCY
    with Journal(tmp_path / "journal") as journal:
        assert len(journal) == REQUESTS
    # Every request at the server beyond one each is one that was open at a kill.
    assert len(server.asked) - REQUESTS <= lost


def open_tries(folder):
    """Requests of the record whose cost nobody knows."""
    with Journal(folder / "journal") as journal:
        record = Spending(folder / RECORD, journal.cost)
        record.close()
    return sum(not each.known for each in record.tries)


@pytest.mark.slow
def test_a_ceiling_that_kills_have_used_up_says_so_and_goes_on_when_it_is_raised(process, tmp_path, caplog):
    bound = bound_of_one()
    with served(ok(completion(GOOD)), delay=0.3) as server:
        order = {
            "url": f"http://127.0.0.1:{server.server_port}/v1", "folder": str(tmp_path / "journal"),
            "output": str(tmp_path / "answers"), "record": str(tmp_path / RECORD), "max_tokens": 12 * bound,
            "requests": 6,
        }  # fmt: skip
        for _ in range(5):
            child = started(process, order)
            before, deadline = len(server.asked), time.monotonic() + 5
            while len(server.asked) == before and time.monotonic() < deadline:
                if select.select([process.stdout], [], [], 0.005)[0]:
                    break
            time.sleep(0.2)
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            if ended(process) == UNFINISHED:
                break
        # Whatever the server was asked, it is no more than the ceiling allows.
        assert len(server.asked) * bound <= 12 * bound
        assert "held back" in held_back(tmp_path / RECORD, Settings())
        server.delay = 0.0
        started(process, {**order, "max_tokens": 30 * bound})
        assert ended(process) == DONE
