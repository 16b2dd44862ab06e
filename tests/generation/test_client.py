"""The client against a real server on a real socket, with every fault a provider has."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections import Counter
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from synalign.config import Configuration
from synalign.errors import GenerationError
from synalign.generation import client as client_module
from synalign.generation import outcomes
from synalign.generation.client import Client, Request
from synalign.generation.endpoint import Endpoint
from synalign.generation.journal import FILE, Journal
from synalign.generation.schemas import QUERIES, WrittenQueries
from tests.generation.servers import serving

KEY = "sk-very-secret-0123456789"
GOOD = '{"documents": [{"document": 0, "queries": ["a query"]}]}'


def completion(content=GOOD, finish="stop", refusal=None, usage=True):
    return {
        "id": "x", "object": "chat.completion", "created": 0, "model": "reported-model",
        "choices": [{"index": 0, "finish_reason": finish,
                     "message": {"role": "assistant", "content": content, "refusal": refusal}}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10} if usage else None,
    }  # fmt: skip


def ok(body=None, raw=None, content_type="application/json"):
    return (200, {"Content-Type": content_type}, raw if raw is not None else json.dumps(body or completion()).encode())


def error(status, code=None, headers=None, message="no"):
    body = {"error": {"message": message, "type": "t", "param": None, "code": code}}
    return (status, {"Content-Type": "application/json", **(headers or {})}, json.dumps(body).encode())


DROP = "drop"


class Script(ThreadingHTTPServer):
    """Answers with the given steps in order, the last one for ever; remembers what it was asked and when."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, steps, delay=0.0, port=0):
        super().__init__(("127.0.0.1", port), Handler)
        self.steps, self.delay = list(steps), delay
        self.asked, self.times, self.running, self.most = [], [], 0, 0
        self.lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            server.asked.append(body)
            server.times.append(time.monotonic())
            server.running += 1
            server.most = max(server.most, server.running)
            step = server.steps.pop(0) if len(server.steps) > 1 else server.steps[0]
        time.sleep(server.delay)
        with server.lock:
            server.running -= 1
        if step == DROP:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        status, headers, content = step
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@contextmanager
def served(*steps, delay=0.0):
    with serving(Script(steps, delay)) as server:
        yield server


def configured(server=None, **runtime):
    url = f"http://127.0.0.1:{server.server_port}/v1" if server else "https://example.invalid/v1"
    content = {
        "retriever": "r", "schedule": {"start": "2026-01-01"}, "source": {"kind": "beir", "path": "x"},
        "generation": {"endpoint": url, "model": "configured-model"},
        "runtime": {"attempts": 3, "timeout_seconds": 5, **runtime},
    }  # fmt: skip
    return Configuration.model_validate(content)


def request(text="hello", batch="b"):
    return Request("write", batch, "v1", [{"role": "user", "content": text}], QUERIES, WrittenQueries)


def ask(server, folder, *requests, **runtime):
    configuration = configured(server, **runtime)

    async def work():
        with Journal(folder) as journal:
            where = Endpoint(configuration.generation.endpoint, KEY)
            async with Client(configuration, where, journal, backoff_seconds=0.01) as client:
                asked = (client.ask(item) for item in requests or [request()])
                return await asyncio.gather(*asked, return_exceptions=True)

    return asyncio.run(work())


def one(folder, *steps, **runtime):
    """The end of one request, and how often the server was asked."""
    with served(*steps) as server:
        (answer,) = ask(server, folder, **runtime)
        if isinstance(answer, Exception):
            raise answer
        return answer, len(server.asked)


def test_a_good_answer_is_validated_counted_and_kept(tmp_path):
    answer, asked = one(tmp_path, ok())
    assert (answer.outcome, answer.model, asked) == ("ok", "reported-model", 1)
    assert (answer.tokens_in, answer.tokens_out) == (7, 3)
    assert answer.content.documents[0].queries == ["a query"]
    with Journal(tmp_path) as journal:
        assert len(journal) == 1


def test_what_is_sent_is_the_strict_schema_and_every_parameter(tmp_path):
    with served(ok()) as server:
        ask(server, tmp_path)
        (sent,) = server.asked
    schema = sent["response_format"]["json_schema"]
    assert (schema["name"], schema["strict"], schema["schema"]["additionalProperties"]) == (QUERIES, True, False)
    assert schema["schema"]["properties"]["documents"]["items"]["additionalProperties"] is False
    assert "$ref" not in json.dumps(schema) and "maxLength" not in json.dumps(schema)
    assert {"model", "messages", "temperature", "max_completion_tokens", "seed"} <= set(sent)


def test_an_answer_in_the_journal_is_not_asked_for_again(tmp_path):
    with served(ok()) as server:
        (first,) = ask(server, tmp_path)
        (second,) = ask(server, tmp_path)
        (other,) = ask(server, tmp_path, request("something else"))
        assert len(server.asked) == 2
    assert second.reused and not other.reused
    assert second == first._replace(reused=True)


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (error(500), outcomes.SERVER_ERROR),
        (error(503), outcomes.SERVER_ERROR),
        (error(409), outcomes.SERVER_ERROR),
        (error(408), outcomes.TIMEOUT),
        (error(429), outcomes.RATE_LIMITED),
        (DROP, outcomes.CONNECTION),
        (ok(raw=b'{"choices": ['), outcomes.INVALID_OUTPUT),
        (ok(raw=b"[1, 2]"), outcomes.INVALID_OUTPUT),
        (ok(raw=b'{"choices": "abc", "usage": [1]}'), outcomes.INVALID_OUTPUT),
        (ok({"choices": []}), outcomes.INVALID_OUTPUT),
        (ok(completion("not json")), outcomes.INVALID_OUTPUT),
        (ok(completion('{"documents": [{"document": "0", "queries": []}]}')), outcomes.INVALID_OUTPUT),
        (ok(completion('{"documents": [], "more": 1}')), outcomes.INVALID_OUTPUT),
        (ok(completion(None)), outcomes.INVALID_OUTPUT),
    ],
)
def test_a_passing_fault_is_counted_and_tried_again(tmp_path, step, reason):
    answer, asked = one(tmp_path, step, ok())
    assert (answer.outcome, asked, answer.failures) == ("ok", 2, Counter({reason: 1}))


def test_tokens_of_failed_tries_are_counted(tmp_path):
    answer, _ = one(tmp_path, ok(completion("not json")), ok())
    assert (answer.tokens_in, answer.tokens_out) == (14, 6)


@pytest.mark.parametrize(
    ("step", "outcome", "tries"),
    [
        (error(500), outcomes.SERVER_ERROR, 3),
        (ok(completion("{}")), outcomes.INVALID_OUTPUT, 3),
        (DROP, outcomes.CONNECTION, 3),
        (ok(completion(None, refusal="I cannot")), outcomes.REFUSED, 1),
        (ok(completion(None, "content_filter")), outcomes.REFUSED, 1),
        (ok(completion(GOOD[:20], "length")), outcomes.TRUNCATED, 1),
        (error(400, "context_length_exceeded"), outcomes.CONTEXT_TOO_LONG, 1),
        (error(413), outcomes.CONTEXT_TOO_LONG, 1),
        (error(400, message="rate limit quota 429 api key"), outcomes.REJECTED, 1),
        (error(422), outcomes.REJECTED, 1),
    ],
)
def test_a_lasting_fault_ends_the_request_after_as_many_tries_as_make_sense(tmp_path, step, outcome, tries):
    answer, asked = one(tmp_path, step)
    assert (answer.outcome, asked, answer.content, answer.model) == (outcome, tries, None, "configured-model")
    with Journal(tmp_path) as journal:
        assert len(journal) == 0


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (error(429, "insufficient_quota", message=f"key {KEY}"), "billing"),
        (error(402, message=f"key {KEY}"), "billing"),
        (error(401, "invalid_api_key", message=f"Incorrect API key provided: {KEY}"), "OPENAI_API_KEY"),
        (error(403, message=f"key {KEY}"), "OPENAI_API_KEY"),
        (error(404, "model_not_found", message=f"key {KEY}"), "configured-model"),
    ],
)
def test_a_final_fault_stops_at_once_without_showing_the_key(tmp_path, step, says, caplog):
    caplog.set_level("DEBUG", logger="synalign")
    with pytest.raises(GenerationError, match=says) as caught:
        one(tmp_path, step)
    shown = str(caught.value) + repr(caught.value) + caplog.text
    assert KEY not in shown
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_a_final_fault_stops_the_others_but_keeps_what_is_in_flight(tmp_path):
    requests = [request(str(number)) for number in range(6)]
    with served(error(401), ok(), delay=0.8) as server:
        answers = ask(server, tmp_path, *requests, concurrency=2)
        assert len(server.asked) == 2
    assert sum(isinstance(answer, GenerationError) for answer in answers) == 5
    with Journal(tmp_path) as journal:
        assert len(journal) == 1


@pytest.mark.slow
def test_retry_after_is_honoured_by_all_requests_and_costs_no_try(tmp_path):
    requests = [request(str(number)) for number in range(3)]
    limited = error(429, headers={"Retry-After": "0.6"})
    with served(*[limited] * 4, ok()) as server:
        answers = ask(server, tmp_path, *requests, concurrency=1, attempts=1)
        gaps = [after - before for before, after in zip(server.times, server.times[1:], strict=False)]
    assert [answer.outcome for answer in answers] == ["ok"] * 3
    assert sum(gap >= 0.59 for gap in gaps) == 4


def test_a_rate_limit_without_end_exhausts_patience(tmp_path, monkeypatch):
    monkeypatch.setattr(client_module, "PATIENCE", 0.3)
    answer, asked = one(tmp_path, error(429, headers={"Retry-After": "0.2"}))
    assert (answer.outcome, asked) == (outcomes.RATE_LIMITED, 2)


def test_a_wait_of_a_day_ends_the_run_at_once_for_everybody(tmp_path):
    with served(error(429, headers={"Retry-After": "86400"})) as server:
        ended = ask(server, tmp_path, *(request(str(number)) for number in range(20)), concurrency=1)
        assert len(server.asked) == 1
    assert all(isinstance(end, GenerationError) and "86400 s" in str(end) for end in ended)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "-4"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_each_of_its_forms(headers, seconds):
    assert outcomes.retry_after(headers) == seconds


def test_retry_after_may_be_a_date():
    assert outcomes.retry_after({"retry-after": formatdate(time.time() + 60, usegmt=True)}) == pytest.approx(60, abs=2)


def test_an_answer_that_does_not_come_is_a_timeout(tmp_path):
    with served(ok(), delay=1.0) as server:
        (answer,) = ask(server, tmp_path, timeout_seconds=0.2, attempts=2)
    assert (answer.outcome, answer.failures) == (outcomes.TIMEOUT, Counter({outcomes.TIMEOUT: 2}))


def test_no_more_requests_are_in_flight_than_configured(tmp_path):
    with served(ok(), delay=0.05) as server:
        answers = ask(server, tmp_path, *(request(str(number)) for number in range(12)), concurrency=3)
        assert (server.most, len(server.asked)) == (3, 12)
    assert {answer.outcome for answer in answers} == {"ok"}


def test_cancelling_leaves_the_journal_whole(tmp_path):
    with served(ok(), delay=0.03) as server:
        configuration = configured(server, concurrency=4)

        async def work():
            with Journal(tmp_path) as journal:
                async with Client(configuration, Endpoint(configuration.generation.endpoint, KEY), journal) as client:
                    await asyncio.gather(*(client.ask(request(str(number))) for number in range(40)))

        async def interrupted():
            task = asyncio.create_task(work())
            while len(server.asked) < 12:
                await asyncio.sleep(0.01)
            task.cancel()
            await task

        with pytest.raises(asyncio.CancelledError):
            asyncio.run(interrupted())
    with Journal(tmp_path) as journal:
        assert 0 < len(journal) < 40
    assert KEY not in (tmp_path / FILE).read_text()


def test_the_key_of_a_request_covers_all_that_is_sent_and_not_the_batch():
    def key(item, **generation):
        content = configured().model_dump(mode="json")
        content["seed"] = generation.pop("seed", 0)
        content["generation"].update(generation)
        configuration = Configuration.model_validate(content)
        return Client(configuration, Endpoint("http://127.0.0.1:1/v1", KEY), None).key(item)

    async def keys():
        # An answer that was not cut off is as good under another limit.
        same = [key(request()), key(request(batch="another")), key(request(), max_output_tokens=99)]
        system = request()._replace(messages=[{"role": "system", "content": "s"}, *request().messages])
        changes = [{"temperature": 0.1}, {"model": "m"}]
        changes += [{"endpoint": "http://x"}, {"seed": 1}]
        other = [key(request("another")), key(system), *(key(request(), **change) for change in changes)]
        return same, other

    same, other = asyncio.run(keys())
    assert len({*same}) == 1
    assert len({*same, *other}) == 1 + len(other)


def budgeted(server, folder, requests, budget, record=None, **runtime):
    """Answers, and what was spent, under a budget."""
    content = configured(server, **runtime).model_dump(mode="json")
    content["generation"]["budget"] = budget
    configuration = Configuration.model_validate(content)

    async def work():
        with Journal(folder) as journal:
            where = Endpoint(configuration.generation.endpoint, KEY)
            async with Client(configuration, where, journal, record=record, backoff_seconds=0.01) as client:
                answers = await asyncio.gather(*(client.ask(item) for item in requests))
                return answers, client.budget.tokens

    return asyncio.run(work())


def test_a_ceiling_ends_a_run_well_with_what_it_has_and_is_not_passed(tmp_path):
    requests = [request(str(number)) for number in range(40)]
    with served(ok()) as server:
        # Each request can cost up to 4096 tokens of answer and 1,000 or so of question, and does cost 10.
        answers, spent = budgeted(server, tmp_path, requests, {"max_tokens": 5800}, concurrency=4)
        sent = len(server.asked)
    ended = Counter(answer.outcome for answer in answers)
    assert set(ended) == {outcomes.OK, outcomes.OVER_BUDGET} or ended[outcomes.OK] == 40
    assert (spent, sent) == (10 * ended[outcomes.OK], ended[outcomes.OK])
    assert spent <= 5800


def test_a_run_whose_ceiling_has_no_room_for_anything_sends_nothing(tmp_path):
    with served(ok()) as server:
        (answer,), spent = budgeted(server, tmp_path, [request()], {"max_tokens": 100})
        assert (answer.outcome, answer.content, spent, len(server.asked)) == (outcomes.OVER_BUDGET, None, 0, 0)
    with Journal(tmp_path) as journal:
        assert len(journal) == 0


@pytest.mark.parametrize(
    ("step", "spent"),
    [
        (error(429, headers={"Retry-After": "0"}), 10),
        (ok(completion("not json")), 20),
        (error(500), "bound"),
        (DROP, "bound"),
        (ok(raw=b'{"choices": ['), "bound"),
        (ok(completion("not json", usage=False)), "bound"),
    ],
)
def test_a_failed_try_costs_what_is_reported_and_else_all_that_was_set_aside(tmp_path, step, spent):
    with served(step, ok()) as server:
        (answer,), counted = budgeted(server, tmp_path, [request()], {"max_tokens": 100_000})
    assert answer.outcome == outcomes.OK
    assert 4096 < counted < 8000 if spent == "bound" else counted == spent


def test_what_an_earlier_attempt_paid_counts(tmp_path):
    requests = [request(str(number)) for number in range(3)]
    with served(ok()) as server:
        record = tmp_path / "spending"
        budgeted(server, tmp_path / "a", requests, {}, record)
        answers, spent = budgeted(server, tmp_path / "a", [*requests, request("new")], {"max_tokens": 4000}, record)
        assert [answer.outcome for answer in answers] == ["ok"] * 3 + [outcomes.OVER_BUDGET]
        assert (spent, len(server.asked)) == (30, 3)
        # Without a record, what its answers in the journal cost is known.
        _, spent = budgeted(server, tmp_path / "a", requests, {"max_tokens": 4000})
        assert spent == 30


def nobody() -> str:
    """Address at which nobody listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        closed.listen(0)
        return f"http://127.0.0.1:{closed.getsockname()[1]}/v1"


def test_an_address_where_nobody_ever_was_ends_the_run_soon_and_costs_nothing(tmp_path):
    content = configured().model_dump(mode="json")
    content["generation"]["endpoint"] = nobody()

    async def work():
        with Journal(tmp_path) as journal:
            where = Endpoint(content["generation"]["endpoint"], KEY)
            async with Client(Configuration.model_validate(content), where, journal, backoff_seconds=0.01) as client:
                with pytest.raises(GenerationError, match="nobody answers at"):
                    await client.ask(request())
                return client.budget.tokens

    assert asyncio.run(work()) == 0


@pytest.mark.slow
def test_an_endpoint_that_goes_away_and_comes_back_loses_no_request_and_trips_no_breaker(tmp_path):
    """Forty requests meet a gateway without a server behind it, far more often than a request has tries."""
    requests = [request(str(number)) for number in range(40)]
    with served(ok(), *[error(503)] * 200, ok()) as server:
        answers = ask(server, tmp_path, *requests, concurrency=8, attempts=2)
        assert len(server.asked) == 240
    assert [answer.outcome for answer in answers] == ["ok"] * 40
    assert sum(answer.failures[outcomes.SERVER_ERROR] for answer in answers) == 200


@pytest.mark.slow
def test_a_server_that_dies_and_is_started_again_loses_no_request(tmp_path):
    async def work():
        status, headers, body = ok()
        with served((status, {**headers, "Connection": "close"}, body)) as first:
            port, configuration = first.server_port, configured(first, attempts=1)
            where = Endpoint(configuration.generation.endpoint, KEY)
            with Journal(tmp_path) as journal:
                client = Client(configuration, where, journal, backoff_seconds=0.01)
                assert (await client.ask(request("before"))).outcome == "ok"
                first.shutdown()
                first.server_close()
                asked = asyncio.gather(*(client.ask(request(str(number))) for number in range(30)))
                await asyncio.sleep(1.0)
                second = Script([ok()], 0.0, port=port)
                threading.Thread(target=second.serve_forever, daemon=True).start()
                answers = await asked
                await client.__aexit__(None, None, None)
                second.shutdown()
                second.server_close()
                return answers, len(second.asked)

    answers, asked = asyncio.run(work())
    assert [answer.outcome for answer in answers] == ["ok"] * 30
    assert asked == 30
    # One failure that counted would have ended its request.
    assert sum(answer.failures[outcomes.CONNECTION] for answer in answers) > 5


@pytest.mark.slow
def test_an_endpoint_that_stays_away_ends_the_run_and_no_request(tmp_path, monkeypatch):
    monkeypatch.setattr(client_module, "PATIENCE", 0.3)
    requests = [request(str(number)) for number in range(5)]
    with served(ok(), error(503)) as server:
        answers = ask(server, tmp_path, *requests, concurrency=2)
    assert sum(isinstance(answer, GenerationError) for answer in answers) == 4
    assert "nobody answers at" in str(next(answer for answer in answers if isinstance(answer, GenerationError)))
    with Journal(tmp_path) as journal:
        assert len(journal) == 1


def test_a_request_that_alone_is_turned_away_ends_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(client_module, "PATIENCE", 0.3)
    answer, asked = one(tmp_path, error(502), attempts=1)
    assert (answer.outcome, answer.content) == (outcomes.SERVER_ERROR, None)
    assert asked > 3


def test_the_breaker_ends_a_failing_run_and_good_answers_are_kept(tmp_path):
    requests = [request(str(number)) for number in range(200)]
    with served(*[ok()] * 10, error(500)) as server:
        ended = ask(server, tmp_path, *requests, concurrency=4, attempts=2)
        sent = len(server.asked)
    errors = [end for end in ended if isinstance(end, GenerationError)]
    assert len(errors) > 100 and "max_failure_rate" in str(errors[0])
    assert sent < 60
    with Journal(tmp_path) as journal:
        assert len(journal) == 10


def test_twins_are_paid_once(tmp_path):
    with served(ok(), delay=0.05) as server:
        answers = ask(server, tmp_path, *(request(batch=str(number)) for number in range(12)))
        assert len(server.asked) == 1
    assert {answer.outcome for answer in answers} == {"ok"}
    assert sum(answer.reused for answer in answers) == 11


def test_a_twin_tries_for_itself_when_the_first_failed(tmp_path):
    with served(error(422), ok(), delay=0.05) as server:
        answers = ask(server, tmp_path, request(batch="1"), request(batch="2"))
        assert len(server.asked) == 2
    assert [answer.outcome for answer in answers] == [outcomes.REJECTED, "ok"]


def test_another_output_limit_costs_nothing_for_what_was_not_cut_off(tmp_path):
    def limited(server, most):
        content = configured(server).model_dump(mode="json")
        content["generation"]["max_output_tokens"] = most
        configuration = Configuration.model_validate(content)

        async def work():
            with Journal(tmp_path) as journal:
                where = Endpoint(configuration.generation.endpoint, KEY)
                async with Client(configuration, where, journal) as client:
                    return await asyncio.gather(client.ask(request("a")), client.ask(request("b")))

        return asyncio.run(work())

    with served(ok(), ok(completion(GOOD[:20], "length")), ok()) as server:
        assert Counter(answer.outcome for answer in limited(server, 99)) == {"ok": 1, outcomes.TRUNCATED: 1}
        assert Counter(answer.outcome for answer in limited(server, 200)) == {"ok": 2}
        assert [sent["max_completion_tokens"] for sent in server.asked] == [99, 99, 200]


@pytest.mark.slow
def test_a_configured_rate_is_kept_at_the_server(tmp_path):
    with served(ok()) as server:
        ask(server, tmp_path, *(request(str(number)) for number in range(20)), requests_per_minute=600)
    # None before its turn, ten a second, but for how long the first may have been on its way. What is slow on its way
    # arrives together: that nothing is sent in a burst, the tests of pace tell by a clock of their own.
    early = [0.1 * turn - (time - server.times[0]) for turn, time in enumerate(server.times)]
    assert len(early) == 20
    assert max(early) <= 0.19


def test_an_error_page_nested_without_end_is_a_failed_try(tmp_path):
    answer, asked = one(tmp_path, ok(raw=b"[" * 200_000), ok())
    assert (answer.outcome, asked, answer.failures) == ("ok", 2, Counter({outcomes.INVALID_OUTPUT: 1}))
