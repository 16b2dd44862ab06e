"""The embedded writer's faults, each through the real openai client or a bare socket."""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter

import openai
import pytest

from synalign.errors import ArgumentError
from synalign.generation.schemas import LatentAttributes
from synalign.writer.faults import COMPLETION, KINDS, TRANSPORT, Faults, add_arguments, from_arguments
from synalign.writer.server import embedded_writer
from tests.writer.asking import body, create, faults_at, post

ANY = frozenset(KINDS)


LIMIT = "rate_limit_exceeded"


DIGESTS = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(10_000)]


def parsed(*arguments):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return from_arguments(parser.parse_args(arguments))


def test_faults_befall_the_shares_asked_for_and_the_same_requests_again():
    faults = Faults({"500": 0.1, "drop": 0.25}, seed=1)
    chosen = [faults.chosen(digest, 1, ANY) for digest in DIGESTS]
    counts = Counter(chosen)
    # Four standard deviations of a binomial count of 10,000.
    for kind, share in (("500", 0.1), ("drop", 0.25), (None, 0.65)):
        assert abs(counts[kind] - 10_000 * share) < 4 * (10_000 * share * (1 - share)) ** 0.5
    assert [faults.chosen(digest, 1, ANY) for digest in DIGESTS] == chosen
    assert [faults._replace(seed=2).chosen(digest, 1, ANY) for digest in DIGESTS] != chosen
    met = [digest for digest, kind in zip(DIGESTS, chosen, strict=True) if kind]
    assert 0.25 < statistics.mean(faults.chosen(digest, 2, ANY) is not None for digest in met) < 0.45


def test_a_fault_that_cannot_befall_an_endpoint_does_not():
    faults = Faults({"refusal": 0.5, "500": 0.5})
    assert {faults.chosen(digest, 1, TRANSPORT) for digest in DIGESTS[:200]} == {None, "500"}
    assert Faults({"batch-expiry": 1.0}).chosen("x", 1, COMPLETION) is None
    assert set(KINDS) > COMPLETION > TRANSPORT and all(kind.startswith("batch-") for kind in set(KINDS) - COMPLETION)


def test_latencies_have_the_mean_and_deviation_asked_for():
    faults = parsed("--latency", "0.8:0.4", "--seed", "3")
    drawn = [faults.seconds(digest, 1) for digest in DIGESTS]
    assert statistics.mean(drawn) == pytest.approx(0.8, rel=0.03)
    assert statistics.stdev(drawn) == pytest.approx(0.4, rel=0.06)
    # Log-normal: the logarithm is symmetric about the median, mean / sqrt(1 + (sd / mean)**2).
    assert statistics.median(drawn) == pytest.approx(0.8 / 1.25**0.5, rel=0.03)
    assert min(drawn) > 0
    assert {parsed("--latency", "0.2").seconds(digest, 1) for digest in DIGESTS[:9]} == {0.2}
    assert parsed().seconds("x", 1) == 0.0


def test_a_command_line_becomes_faults():
    faults = parsed("--fault", "429=0.05", "--fault", "500=0.02", "--seed", "7", "--drip", "2", "--retry-after", "0.5")
    assert faults == Faults({"429": 0.05, "500": 0.02}, 0.0, 0.0, 0.5, 2.0, 7)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["--fault", "501=0.1"], "its kind must be one of 429, 429-retry-after"),
        (["--fault", "=0.1"], "its kind must be one of"),
        (["--fault", "500"], "must be a number"),
        (["--fault", "500=some"], "must be a number"),
        (["--fault", "500=-0.1"], "must be a number >= 0"),
        (["--fault", "500=nan"], "must be a number >= 0"),
        (["--fault", "500=inf"], "must be a number >= 0"),
        (["--fault", "500=0.1", "--fault", "500=0.1"], "was given before"),
        (["--fault", "500=0.6", "--fault", "drop=0.6"], "add up to at most 1"),
        (["--latency", "quick"], "--latency == 'quick'"),
        (["--latency", "1:x"], "--latency == 'x'"),
        (["--latency", "1e9"], "at most an hour"),
        (["--drip", "-1"], "--drip == '-1'"),
        (["--retry-after", "٣h"], "--retry-after == '٣h'"),
    ],
)
def test_a_command_line_that_cannot_be_meant_is_refused(arguments, rule):
    with pytest.raises(ArgumentError) as caught:
        parsed(*arguments)
    assert rule in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "error", "code", "headers"),
    [
        ("429", openai.RateLimitError, LIMIT, {"retry-after": None, "retry-after-ms": None}),
        ("429-retry-after", openai.RateLimitError, LIMIT, {"retry-after": "2", "retry-after-ms": "1500"}),
        ("quota", openai.RateLimitError, "insufficient_quota", {"retry-after": None}),
        ("500", openai.InternalServerError, None, {}),
    ],
)  # fmt: skip
def test_errors_have_openais_shape(kind, error, code, headers):
    with embedded_writer(faults=Faults({kind: 1.0}, retry_after=1.5)) as url:
        with pytest.raises(error) as caught:
            create(url)
        assert caught.value.code == code
        assert {name: caught.value.response.headers.get(name) for name in headers} == headers
        found = faults_at(url)
    assert (found["sent"], found["paid"], found["received"]) == ({kind: 1}, {}, 1)


@pytest.mark.parametrize("kind", ["drop", "truncated-body"])
def test_connections_break(kind):
    with embedded_writer(faults=Faults({kind: 1.0})) as url:
        with pytest.raises(openai.APIConnectionError):
            create(url)
        connection = socket.create_connection(("127.0.0.1", int(url.split(":")[2].removesuffix("/v1"))), timeout=10)
        content = body()
        connection.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(content) + content)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
        connection.close()
        assert faults_at(url)["paid"] == {}
    if kind == "drop":
        assert received == b""
    else:
        head, _, half = received.partition(b"\r\n\r\n")
        promised = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        assert b"200 OK" in head and len(half) == promised // 2 > 100


@pytest.mark.parametrize("kind", ["wrong-json", "wrong-schema", "refusal"])
def test_answers_of_the_model_go_wrong_inside_a_good_completion(kind):
    with embedded_writer(faults=Faults({kind: 1.0})) as url:
        completion = create(url)
        assert faults_at(url)["paid"] == {}
    message = completion.choices[0].message
    assert completion.choices[0].finish_reason == "stop" and completion.usage.total_tokens > 0
    if kind == "refusal":
        assert message.content is None and message.refusal
    elif kind == "wrong-json":
        with pytest.raises(json.JSONDecodeError):
            json.loads(message.content)
    else:
        json.loads(message.content)
        with pytest.raises(ValueError, match="validation error"):
            LatentAttributes.model_validate_json(message.content)


def test_a_drip_is_slow_and_good():
    with embedded_writer() as url:
        calm = create(url)
    with embedded_writer(faults=Faults({"drip": 1.0}, drip_seconds=0.5)) as url:
        started = time.monotonic()
        assert create(url) == calm
        assert 0.4 < time.monotonic() - started < 5
        found = faults_at(url)
    assert (found["sent"], list(found["paid"].values())) == ({"drip": 1}, [1])


def test_a_drip_nobody_waited_for_was_not_paid():
    # Each piece comes in time, so it is the client that must bound the whole; a bare socket that goes away does.
    with embedded_writer(faults=Faults({"drip": 1.0}, drip_seconds=1.0)) as url:
        connection = http.client.HTTPConnection(url.split("/")[2], timeout=10)
        connection.request("POST", "/v1/chat/completions", body())
        connection.getresponse().read(10)
        connection.close()
        deadline = time.monotonic() + 10
        while faults_at(url)["in_flight"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert faults_at(url)["paid"] == {}


def test_a_request_that_met_a_fault_succeeds_later():
    # Half of all tries fail: ten in a row only once in a thousand, and never with this seed.
    with embedded_writer(faults=Faults({"500": 0.5}, seed=5)) as url:
        statuses = [post(url, body())[0] for _ in range(10)]
        again = faults_at(url)["sent"]
    assert again == {"500": statuses.count(500), "good": statuses.count(200)}
    assert 500 in statuses and 200 in statuses
    with embedded_writer(faults=Faults({"500": 0.5}, seed=5)) as url:
        assert [post(url, body())[0] for _ in range(10)] == statuses


def test_as_a_process_it_behaves_as_badly_as_it_was_told():
    command = [sys.executable, "-m", "synalign.writer.server", "--port", "0", "--fault", "quota=1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        url = process.stdout.readline().split()[-1]
        status, content = post(url, body())
        assert (status, json.loads(content)["error"]["code"]) == (429, "insufficient_quota")
        assert faults_at(url)["faults"]["rates"] == {"quota": 1.0}
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_as_a_process_it_explains_a_switch_it_does_not_understand():
    command = [sys.executable, "-m", "synalign.writer.server", "--fault", "earthquake=0.1"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "--fault == 'earthquake=0.1', its kind must be one of" in ended.stderr and "Traceback" not in ended.stderr
