"""A server that embeds, which is a double here; and llama.cpp's own, with a language model that stands for one."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from synalign.config import Configuration
from synalign.encoders.server import Server
from synalign.errors import ConfigurationError, EndpointError, GenerationError
from tests.encoders.double import Double, vector

Make = Callable[..., Configuration]
Open = Callable[..., Server]
TEXTS = [f"text {row}" for row in range(70)]


@pytest.fixture
def opened() -> Iterator[Open]:
    """Opens servers, and closes them in the end."""
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(Server(*arguments))


def settings(make: Make, double: Double, runtime: dict[str, Any] | None = None, **encoder: Any) -> Configuration:
    """A configuration that names the double."""
    path = "" if encoder.get("api") == "tei" else "/v1"
    named = {"model": "m", "endpoint": double.url + path, **encoder}
    return make(encoder=named, runtime={"attempts": 2, "concurrency": 4, **(runtime or {})})


def expected(texts: list[str], width: int = 8) -> np.ndarray:
    return np.stack([vector(text, width) for text in texts])


@pytest.mark.parametrize("api", ["openai", "tei"])
def test_vectors_stand_in_the_order_of_the_texts_however_they_are_asked_for(
    opened: Open, configuration: Make, double: Double, api: str
) -> None:
    server = opened(settings(configuration, double, api=api))
    done: list[int] = []
    found = server.encode(TEXTS, done.append)
    np.testing.assert_allclose(found, expected(TEXTS), atol=1e-6)
    assert sorted(done) == [6, 32, 32]
    assert {path for path, _, _ in double.asked} == {"/embed" if api == "tei" else "/v1/embeddings"}
    assert (server.tokens, server.counted) == (2 * len(TEXTS), True)
    assert server.encode([]).shape == (0, 0)


def test_prompts_stand_before_texts_and_long_ones_are_cut(opened: Open, configuration: Make, double: Double) -> None:
    server = opened(settings(configuration, double, query_prompt="q: ", document_prompt="", max_tokens=8))
    server.encode(["x" * 100])
    server.encode(["x" * 100], side="document")
    assert double.texts == ["q: " + "x" * 29, "x" * 32]


def test_a_server_without_base64_is_asked_for_numbers_from_then_on(
    opened: Open, configuration: Make, double: Double
) -> None:
    double.takes_bytes = False
    server = opened(settings(configuration, double, runtime={"concurrency": 1}, texts_per_request=10))
    np.testing.assert_allclose(server.encode(TEXTS), expected(TEXTS), atol=1e-6)
    refused = [body for _, _, body in double.asked if "encoding_format" in body]
    assert 1 <= len(refused) <= 7
    double.asked.clear()
    server.encode(["again"])
    assert all("encoding_format" not in body for _, _, body in double.asked)


def test_the_key_is_sent_and_never_shown(
    opened: Open, configuration: Make, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = settings(configuration, double, api_key_variable="EMBEDDING_KEY")
    monkeypatch.delenv("EMBEDDING_KEY", raising=False)
    with pytest.raises(ConfigurationError, match=r"(?s)EMBEDDING_KEY is not set.*encoder.api_key_variable"):
        opened(named)
    monkeypatch.setenv("EMBEDDING_KEY", "sk-very-secret-123456")
    double.instead = lambda number, body: (401, {}, {"error": {"message": "bad key sk-very-secret-123456"}})
    with pytest.raises(EndpointError, match=r"(?s)authentication.*encoder.api_key_variable") as failed:
        opened(named).encode(["a"])
    assert "very-secret" not in str(failed.value)
    assert double.asked[0][1] == "Bearer sk-very-secret-123456"


def test_what_fails_for_a_moment_is_asked_again(opened: Open, configuration: Make, double: Double) -> None:
    answers = {1: (429, {"Retry-After": "0"}, {}), 2: (503, {}, {}), 3: (200, {}, b"{broken")}
    double.instead = lambda number, body: answers.get(number)
    found = opened(settings(configuration, double, runtime={"attempts": 4})).encode(["a"])
    np.testing.assert_allclose(found, expected(["a"]), atol=1e-6)
    assert len(double.asked) == 4


@pytest.mark.parametrize(
    ("status", "body", "kind", "told"),
    [
        (404, {"error": {"message": "model m not found"}}, EndpointError, r"not found.*encoder.model"),
        (413, {"error": "Input validation error: `inputs` must have less than 512 tokens. Given: 900"}, EndpointError,
         r"context too long.*encoder.max_tokens"),
        (400, {"error": {"message": "This model's maximum context length is 8192 tokens", "code":
         "context_length_exceeded"}}, EndpointError, r"context too long.*encoder.max_tokens"),
        (422, {"error": "batch size 64 > maximum allowed batch size 32"}, EndpointError,
         r"batch size 64.*encoder.texts_per_request"),
        (429, {"error": {"code": "insufficient_quota", "message": "no money"}}, EndpointError,
         r"quota exhausted.*billing"),
        (200, b"<html><title>Login</title></html>", EndpointError, r"page.*/v1"),
        (200, {"data": []}, EndpointError, r"0 vectors for 1 texts.*encoder.api"),
        (500, {"error": "out of memory"}, GenerationError, r"server error.*out of memory"),
    ],
)  # fmt: skip
def test_what_fails_for_good_ends_with_the_servers_words_and_the_setting(
    opened: Open, configuration: Make, double: Double, status: int, body: Any, kind: type[Exception], told: str
) -> None:
    double.instead = lambda number, _: (status, {}, body)
    with pytest.raises(kind, match=f"(?s){told}") as failed:
        opened(settings(configuration, double)).encode(["a private text of a user"])
    assert type(failed.value) is kind
    assert "private text" not in str(failed.value)


def test_nobody_there_is_told(opened: Open, configuration: Make) -> None:
    named = configuration(encoder={"model": "m", "endpoint": "http://127.0.0.1:9/v1"}, runtime={"attempts": 1})
    with pytest.raises(GenerationError, match=r"(?s)connection.*server is up"):
        opened(named).encode(["a"])


def test_vectors_that_came_before_an_error_are_kept(opened: Open, configuration: Make, double: Double) -> None:
    double.instead = lambda number, body: (400, {}, {"error": "bad"}) if "text 69" in body["input"] else None
    kept: dict[int, np.ndarray] = {}
    named = settings(configuration, double, runtime={"concurrency": 1}, texts_per_request=10)
    with pytest.raises(EndpointError, match="rejected"):
        opened(named).encode(TEXTS, keep=lambda rows, vectors: kept.update(zip(rows, vectors, strict=True)))
    assert sorted(kept) == list(range(60))
    np.testing.assert_allclose(np.stack([kept[row] for row in range(60)]), expected(TEXTS[:60]), atol=1e-6)


def test_vectors_are_handed_on_as_they_come(
    opened: Open, configuration: Make, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synalign.encoders.server.KEPT_AT_ONCE", 20)
    kept: list[tuple[list[int], np.ndarray]] = []
    server = opened(settings(configuration, double, texts_per_request=8))
    server.encode(TEXTS, keep=lambda *given: kept.append(given))
    assert [len(rows) >= 20 for rows, _ in kept[:-1]] == [True] * (len(kept) - 1)
    assert sorted(row for rows, _ in kept for row in rows) == list(range(70))
    for rows, vectors in kept:
        np.testing.assert_allclose(vectors, expected([TEXTS[row] for row in rows]), atol=1e-6)


KILLED = """
import sys, yaml
import pyarrow as pa
from pathlib import Path
from synalign.config import Configuration
from synalign.encoders import server
server.KEPT_AT_ONCE = 20
file, folder = Path(sys.argv[1]), Path(sys.argv[2])
texts = [f"text {row}" for row in range(200)]
known = {line for kept in folder.glob("*.txt") for line in kept.read_text().splitlines()}
new = [text for text in texts if text not in known]
def keep(rows, vectors):
    (folder / f"{new[rows[0]]}.txt").write_text("".join(f"{new[row]}\\n" for row in rows))
with server.Server(Configuration(**yaml.safe_load(file.read_text())), folder / "spending.jsonl") as opened:
    opened.encode(new, keep=keep)
    print(opened.tokens, opened._calls.budget.tokens)
"""
"""A process that asks for what is not kept yet, and is killed."""


@pytest.mark.slow
def test_a_process_that_was_killed_pays_again_for_no_more_than_what_was_not_handed_on(
    configuration: Make, double: Double, tmp_path: Path
) -> None:
    file = tmp_path / "settings.yaml"
    named = settings(configuration, double, runtime={"concurrency": 1}, texts_per_request=4)
    file.write_text(yaml.safe_dump(named.model_dump(mode="json")))
    command = [sys.executable, "-c", KILLED, str(file), str(tmp_path)]
    double.instead = lambda number, body: time.sleep(0.02)
    running = subprocess.Popen(command)
    while len(double.texts) < 110:
        assert running.poll() is None
        time.sleep(0.01)
    running.kill()
    running.wait()
    first = len(double.texts)
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len(double.texts) - 200 <= 20 + 4
    assert set(double.texts) == {f"text {row}" for row in range(200)}
    mine, all_ = map(int, ended.stdout.split())
    # What was on its way when it was killed counts as the most that it can have been.
    assert mine == 2 * (len(double.texts) - first)
    assert all_ >= 2 * len(double.texts)


def test_no_more_requests_are_on_their_way_than_are_allowed(opened: Open, configuration: Make, double: Double) -> None:
    counted = threading.Semaphore(2)

    def instead(number: int, body: Any) -> None:
        assert counted.acquire(blocking=False)
        counted.release()

    double.instead = instead
    opened(settings(configuration, double, runtime={"concurrency": 2}, texts_per_request=1)).encode(TEXTS[:20])


def test_the_ceiling_is_never_passed_and_remembered_over_processes(
    opened: Open, configuration: Make, double: Double, tmp_path: Path
) -> None:
    # A text of 6 bytes may need 64 + 8 + 6 tokens; the double reports 2.
    named = settings(configuration, double, texts_per_request=1, budget={"max_tokens": 100})
    opened(named, tmp_path / "spending.jsonl").encode(TEXTS[:9])
    with pytest.raises(EndpointError, match=r"(?s)encoder.budget is reached: 2\d tokens.*encoder.budget.max_tokens"):
        opened(named, tmp_path / "spending.jsonl").encode(TEXTS[:20])
    assert len(double.asked) < 29
    before = len(double.asked)
    more = settings(configuration, double, texts_per_request=1, budget={"max_money": 1.0, "input_price": 1.0})
    opened(more, tmp_path / "spending.jsonl").encode(TEXTS[:9])
    assert len(double.asked) == before + 9


def test_another_width_than_before_is_refused(opened: Open, configuration: Make, double: Double) -> None:
    server = opened(settings(configuration, double))
    server.encode(["a"])
    double.width = 9
    with pytest.raises(EndpointError, match=r"(?s)vectors of 9 numbers, before 8.*encoder.revision"):
        server.encode(["b"])


@pytest.mark.slow
@pytest.mark.skipif(util.find_spec("xllamacpp") is None, reason="needs `make .venv/local`")
def test_llama_cpp_embeds_the_same_text_alike_and_names_what_is_too_long(opened: Open, configuration: Make) -> None:
    import xllamacpp

    from synalign.config.generation import BUILT_IN_MODEL
    from synalign.writer.local_model import weights_of

    # A writer's hidden states, averaged: a real server of the API, and a poor encoder.
    given = xllamacpp.CommonParams()
    given.model.path, given.model_alias = str(weights_of(BUILT_IN_MODEL)), {"smol"}
    given.hostnames, given.port, given.verbosity = ["127.0.0.1"], 0, -1
    given.embedding, given.pooling_type = True, xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    # One slot: with two of them, this model's vector of a text depends on the other's (cosine 0.89; see doctor).
    given.n_ctx, given.n_parallel, given.n_batch, given.n_ubatch = 512, 1, 512, 512
    given.cpuparams.n_threads = given.cpuparams_batch.n_threads = 2
    running = xllamacpp.Server(given)
    named = {"model": "smol", "endpoint": f"{running.listening_address}/v1", "max_tokens": 1000}
    server = opened(configuration(encoder=named))
    found = server.encode(["how to descale a kettle", "buy a red car", "how to descale a kettle"])
    assert found.shape == (3, 576)
    assert found[0] @ found[2] > 0.999 > 0.95 > found[0] @ found[1]
    assert server.counted
    assert server.tokens > 10
    with pytest.raises(EndpointError, match=r"(?s)context too long.*too large to process.*encoder.max_tokens"):
        server.encode(["word " * 800])
