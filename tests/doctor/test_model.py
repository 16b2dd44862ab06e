"""The model endpoint, over real HTTP: a good answer, and each way in which there is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from synalign.doctor import Case, Finding
from synalign.writer.faults import Faults
from synalign.writer.server import embedded_writer
from tests.generation.servers import running

Make, Look = Callable[..., Case], Callable[[str, Case], Finding]
KEY = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def test_the_embedded_writer_answers(case: Make, check: Look) -> None:
    asked = case()
    found = check("model", asked)
    assert found.state == "pass"
    assert found.found.startswith("synalign-embedded-writer at embedded answered in ")
    assert "tokens in" in found.found
    # Its clock is this machine's own.
    assert asked.clocks == []


@pytest.mark.parametrize("task", ["retrieval", "classification"])
def test_an_endpoint_is_asked_once_as_a_refresh_would_ask_it(case: Make, check: Look, task: str) -> None:
    sections: dict[str, Any] = {"task": task}
    if task == "classification":
        sections["source"] = {"kind": "labelled", "path": "x"}
    with embedded_writer() as url:
        asked = case(generation={"endpoint": url, "model": "any"}, **sections)
        found = check("model", asked)
    assert found.state == "pass"
    assert [clock.server for clock in asked.clocks] == [url.split("/")[2]]
    assert check("clock", asked).state == "pass"


@pytest.mark.parametrize(
    ("fault", "word", "remedy"),
    [
        ("quota", "the quota is exhausted", "top up the account"),
        ("429", "rate limited", "others use the same quota"),
        ("500", "server error", "trouble of its own"),
        ("drop", "connection", "check generation.endpoint"),
        ("truncated-body", "connection", "check generation.endpoint"),
        ("wrong-json", "invalid output", "structured outputs"),
        ("wrong-schema", "invalid output", "structured outputs"),
        ("refusal", "refused", "another model"),
    ],
)
def test_an_endpoint_that_fails_is_tried_once_and_says_what_to_do(
    case: Make, check: Look, fault: str, word: str, remedy: str
) -> None:
    with embedded_writer(faults=Faults(rates={fault: 1.0})) as url:
        found = check("model", case(generation={"endpoint": url}))
    assert found.state == "fail"
    assert word in found.found
    assert remedy in found.remedy
    assert KEY not in found.found + found.remedy


@pytest.mark.parametrize(
    ("status", "word", "remedy"),
    [
        (401, "refused the API key in OPENAI_API_KEY", "put a valid key"),
        (404, "knows no model", "generation.model"),
        (400, "rejected", "response_format json_schema"),
        (413, "context too long", "larger context"),
    ],
)
def test_a_refusal_is_explained_and_never_shows_the_key(
    case: Make, check: Look, server: Any, status: int, word: str, remedy: str
) -> None:
    server.status = status
    server.body = json.dumps({"error": {"message": f"no: {KEY}", "type": "x", "code": None}}).encode()
    found = check("model", case(generation={"endpoint": f"{server.url}/v1"}))
    assert found.state == "fail"
    assert word in found.found
    assert remedy in found.remedy
    assert KEY not in found.found + found.remedy


def test_an_answer_that_is_cut_off_names_the_setting(case: Make, check: Look, server: Any) -> None:
    choice = {"message": {"content": "{"}, "finish_reason": "length"}
    server.body = json.dumps({"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 64}}).encode()
    found = check("model", case(generation={"endpoint": f"{server.url}/v1"}))
    assert "truncated" in found.found
    assert "raise generation.max_output_tokens" in found.remedy


def test_what_is_no_chat_completion_is_told(case: Make, check: Look, server: Any) -> None:
    server.body = b'{"hello": "world"}'
    assert "invalid output" in check("model", case(generation={"endpoint": server.url})).found
    server.body = b"<html>welcome</html>"
    assert "a page, not an API: check the URL" in check("model", case(generation={"endpoint": server.url})).found


def test_an_address_where_nobody_listens_is_told(case: Make, check: Look, closed_url: str) -> None:
    found = check("model", case(generation={"endpoint": f"{closed_url}/v1"}))
    assert "connection" in found.found
    assert "generation.endpoint" in found.remedy


def test_an_endpoint_that_is_too_slow_is_told(case: Make, check: Look) -> None:
    with embedded_writer(faults=Faults(latency=2.0)) as url:
        found = check("model", case(generation={"endpoint": url}, runtime={"timeout_seconds": 0.2}))
    assert "no answer in time" in found.found
    assert "runtime.timeout_seconds" in found.remedy


def test_a_key_that_is_missing_is_named(case: Make, check: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    found = check("model", case(generation={"endpoint": "https://llm.example/v1"}))
    assert "OPENAI_API_KEY is not set" in found.found


def test_a_writer_whose_address_is_malformed_is_named(case: Make, check: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNALIGN_WRITER_URL", "localhost:8100")
    assert "SYNALIGN_WRITER_URL" in check("model", case()).found


def test_in_batch_mode_the_batches_are_looked_for_too(case: Make, check: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    with embedded_writer() as url:
        found = check("model", case(generation={"endpoint": url, "mode": "batch"}))
        assert found.found.endswith("and takes batches")
        from synalign.writer import batches, server

        without = tuple(route for route in server.ROUTES if route not in batches.ROUTES)
        monkeypatch.setattr(server, "ROUTES", without)
        missing = check("model", case(generation={"endpoint": url, "mode": "batch"}))
    assert missing.state == "fail"


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("old azure", "structured_output `json_object`, output_limit_name `max_tokens`, temperature; not seed"),
        ("openai reasoning model", "output_limit_name `max_completion_tokens`, seed; not temperature"),
        ("tools alone", "structured_output `tool`"),
        ("words alone", "structured_output `prompt`"),
        ("anthropic", "structured_output `json_object`"),
        ("thinks aloud", "it does not say how many tokens"),
        ("vllm", "1,100 tokens of context"),
        ("deepseek", "2,048 tokens an answer at most"),
    ],
)
def test_what_the_endpoint_takes_is_found_by_asking_it(case: Make, check: Look, kind: str, says: str) -> None:
    with running(kind) as server:
        found = check("model", case(generation={"endpoint": server.url, "model": "m"}))
        assert len(server.asked) <= 6
    assert found.state == "pass"
    assert says in found.found


def test_headers_go_with_the_question(case: Make, check: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.setenv("ALL_HEADERS", "api-key: azure-secret-0123456789\nx-team: search\n")
    with running("streams unasked") as server:
        address = f"{server.url}/chat/completions?api-version=7"
        settings = {"endpoint": address, "api_key_variable": None, "headers_variable": "ALL_HEADERS"}
        assert check("model", case(generation=settings)).state == "pass"
        ((path, headers, _),) = server.asked
    assert path == "/v1/chat/completions?api-version=7"
    assert (headers["api-key"], headers["x-team"]) == ("azure-secret-0123456789", "search")
    assert "authorization" not in {name.lower() for name in headers}
