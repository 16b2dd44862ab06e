"""The step *generate* against doubles of the servers that people have: what it asks, learns, pays and says."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml

from synalign.errors import ConfigurationError, EndpointError, GenerationError
from synalign.generation.dialect import RECORD
from synalign.run import Run
from synalign.run.manifests import file_digest
from tests.generation.servers import KINDS, Kind, form, limit, openai_error, running
from tests.steps import test_generate
from tests.steps.test_generate import BATCHES, INTERVAL, KILLED, performed, settings

# The whole step, once for each kind of server and more.
pytestmark = pytest.mark.slow

KEY = "sk-of-the-doubles-0123456789"


def prepared(folder, **generation):
    """A run with more requests in flight than the others' tests have, since a double answers at once."""
    run = test_generate.prepared(folder, **generation)
    quick = run.configuration.runtime.model_copy(update={"concurrency": 16})
    return Run(run.configuration.model_copy(update={"runtime": quick}), INTERVAL, folder)


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The candidates of a run that nothing disturbs."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.delenv("SYNALIGN_WRITER_URL", raising=False)
        run = prepared(tmp_path_factory.mktemp("undisturbed"))
        performed(run)
    return queries_of(run)


def queries_of(run):
    return [(row["batch_id"], row["document_id"], row["query"]) for row in run.read("candidates").to_pylist()]


# What each double leaves of what is sent, and how many requests are billed for twelve answers.
LEARNT = {
    "openai reasoning model": ("json_schema", "max_completion_tokens", "temperature"),
    "old azure": ("json_object", "max_tokens", "seed"),
    "vllm": ("json_schema", "max_completion_tokens", None),
    "llama.cpp": ("json_schema", "max_completion_tokens", None),
    "tgi": ("json_schema", "max_completion_tokens", None),
    "fastapi": ("json_object", "max_tokens", "seed"),
    "mistral": ("json_schema", "max_tokens", "seed"),
    "deepseek": ("json_object", "max_completion_tokens", None),
    "litellm": ("json_object", "max_completion_tokens", "seed"),
    "gemini": ("json_schema", "max_completion_tokens", "seed"),
    "anthropic": ("json_object", "max_completion_tokens", None),
    "tools alone": ("tool", "max_completion_tokens", None),
    "words alone": ("prompt", "max_completion_tokens", None),
    "thinks aloud": ("json_schema", "max_completion_tokens", None),
    "content in parts": ("json_schema", "max_completion_tokens", None),
    "content in thoughts": ("json_schema", "max_completion_tokens", None),
    "streams alone": ("json_schema", "max_completion_tokens", "stream_options"),
    "streams unasked": ("json_schema", "max_completion_tokens", None),
}
SPLITS = {"vllm", "llama.cpp", "tgi"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_step_finds_the_form_that_a_server_takes_and_gives_the_same_queries(tmp_path, kind, undisturbed, caplog):
    with running(kind) as server:
        run = prepared(tmp_path, endpoint=server.url, model="m")
        metrics = performed(run)["metrics"]
        asked = len(server.asked)
        refused = server.refused
    structured, limit_name, not_sent = LEARNT[kind]
    taken = metrics["asked_as"]
    assert (taken["structured_output"], taken["output_limit_name"]) == (structured, limit_name)
    assert taken.get("not_sent") == not_sent
    assert metrics["ledger"]["accepted"] == 36
    assert metrics["outcomes"] == {"ok": metrics["requests"] - metrics["asked_in_parts"]}
    if kind not in SPLITS:
        assert queries_of(run) == undisturbed
        assert metrics["requests"] == 2 * BATCHES and set(server.billed.values()) <= {1, 2}
        assert asked == refused + sum(server.billed.values())
    if kind != "anthropic":
        # A refusal is neither a fault nor paid.
        assert set(metrics["failed_tries"]) <= {"context_too_long"}
        assert set(server.billed.values()) == {1}
    lines = [record.message for record in caplog.records if "the endpoint " in record.message]
    assert len(lines) == len(set(lines))
    if not_sent:
        assert f"generate: the endpoint does not take `{not_sent}`: not sent any more" in lines
    assert KEY not in caplog.text


def test_what_was_found_out_holds_for_the_next_process(tmp_path):
    with running("old azure") as server:
        run = prepared(tmp_path, endpoint=server.url, model="m")
        performed(run)
        refused, asked = server.refused, len(server.asked)
        assert refused >= 3
        assert len((run.folder / RECORD).read_bytes().splitlines()) == 3
        run = prepared(tmp_path, endpoint=server.url, model="m", documents_per_batch=2)
        performed(run)
        assert server.refused == refused
        assert len(server.asked) > asked


def test_another_model_is_found_out_about_again(tmp_path):
    with running("mistral") as server:
        performed(prepared(tmp_path, endpoint=server.url, model="m"))
        refused = server.refused
        performed(prepared(tmp_path, endpoint=server.url, model="another"))
        assert server.refused > refused


@pytest.mark.parametrize("kind", sorted(SPLITS))
def test_a_batch_that_is_too_long_is_asked_in_parts_and_resumed_without_paying_twice(tmp_path, kind):
    with running(kind) as server:
        whole = prepared(tmp_path / "whole", endpoint=server.url, model="m", document_characters=1000)
        metrics = performed(whole)["metrics"]
        assert metrics["asked_in_parts"] > 0
        assert set(server.billed.values()) == {1}
    rows = whole.read("requests").to_pylist()
    assert {row["outcome"] for row in rows} == {"ok", "context_too_long"}
    assert len({row["request_id"] for row in rows}) == len(rows)
    assert {(row["tokens_in"], row["tokens_out"]) for row in rows if row["outcome"] != "ok"} == {(0, 0)}
    assert metrics["ledger"]["accepted"] == metrics["ledger"]["asked_for"] == 36


def test_killed_in_the_middle_of_parts_nothing_is_paid_twice_and_the_tables_are_the_same(tmp_path):
    with running("vllm") as server:
        calm = prepared(tmp_path / "calm", endpoint=server.url, model="m")
        performed(calm)
        server.billed.clear()
        run = prepared(tmp_path / "killed", endpoint=server.url, model="m")
        file = tmp_path / "r.yaml"
        file.write_text(yaml.safe_dump(settings(endpoint=server.url, model="m")))
        before = len(server.asked)
        command = [sys.executable, "-c", KILLED, str(file), str(tmp_path / "killed")]
        with subprocess.Popen(command, env=dict(os.environ)) as process:
            while len(server.asked) < before + 16 and process.poll() is None:
                time.sleep(0.002)
            process.send_signal(signal.SIGKILL)
            process.wait()
        killed = sum(server.billed.values())
        metrics = performed(run)["metrics"]
        in_flight = 2
        assert sum(times - 1 for times in server.billed.values()) <= in_flight
    assert metrics["journal_hits"] >= min(killed, 1)
    for table in ("candidates", "attributes"):
        (file,) = run.files(table)
        assert file_digest(file) == file_digest(calm.table_folder(table) / file.name)


def too_long(request):
    return 400, openai_error("This model's maximum context length is 8 tokens.", "context_length_exceeded")


def test_what_fits_in_no_part_is_in_the_ledger_and_ends_without_a_retry(tmp_path):
    def refuse(request):
        return too_long(request) if "written_queries" in json.dumps(request["response_format"]) else None

    with running(Kind(refuse)) as server:
        run = prepared(tmp_path, endpoint=server.url, model="m")
        with pytest.raises(EndpointError, match="context_too_long") as caught:
            performed(run)
    assert "larger context" in caught.value.remedy
    assert str(caught.value).count("maximum context length is 8 tokens") == 1
    assert caught.value.exit_code == 2


FINAL = {
    "auth": (401, openai_error("Incorrect API key provided"), "refused the API key in OPENAI_API_KEY", "valid key"),
    "model": (
        404,
        openai_error("The model `m` does not exist", "model_not_found"),
        "knows no model 'm'",
        "generation.model",
    ),
    "quota": (429, openai_error("You exceeded your quota", "insufficient_quota"), "billing", "top up"),
    "parameter": (400, openai_error("model m is not available on this plan"), "rejected 6", "extra_body"),
    "fastapi": (422, {"detail": [{"loc": ["body", "user"], "msg": "field required"}]}, "rejected 6", "extra_body"),
    "page": (200, "<!doctype html><html><title>Welcome</title></html>", "a page, not an API: check the URL", "/v1"),
    "content": (
        400,
        openai_error("Your input violates our usage policy", "content_policy_violation"),
        "rejected 6",
        "",
    ),
    "200 with 401": (200, {"error": {"message": "bad key", "code": 401}}, "refused the API key", "valid key"),
}


@pytest.mark.parametrize("kind", FINAL)
def test_what_is_deterministic_ends_with_the_endpoints_words_once_and_is_not_retried(tmp_path, kind, caplog):
    status, body, says, remedy = FINAL[kind]
    with running(Kind(lambda request: (status, body))) as server:
        run = prepared(tmp_path, endpoint=server.url, model="m", budget={"input_price": 9.0, "output_price": 9.0})
        with pytest.raises(EndpointError, match=says) as caught:
            performed(run)
        assert len(server.asked) <= BATCHES + 2
    error = caught.value
    assert error.exit_code == 2 and isinstance(error, ConfigurationError) and isinstance(error, GenerationError)
    text = str(error)
    assert remedy in error.remedy
    assert not set("{}") & set(text) and "Error code" not in text
    if isinstance(body, dict):
        words = body["detail"][0]["msg"] if "detail" in body else body["error"]["message"]
        assert text.count(words) == 1
    # Nothing was charged.
    spent = (run.folder / "spending.jsonl").read_text().splitlines()
    assert all(json.loads(line)[-2:] == [0, 0] for line in spent[-1:])


@pytest.mark.parametrize("body", [(500, {"error": "boom"}), (200, {"error": {"message": "down", "code": 503}})])
def test_what_time_may_mend_is_tried_again_by_airflow(tmp_path, body):
    def refuse(request):
        return body

    with running(Kind(refuse)) as server:
        run = prepared(tmp_path, endpoint=server.url, model="m")
        patient = run.configuration.runtime.model_copy(update={"attempts": 1, "timeout_seconds": 1})
        object.__setattr__(run.configuration, "runtime", patient)
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr("synalign.generation.client.PATIENCE", 0.1)
            with pytest.raises(GenerationError) as caught:
                performed(run)
    assert caught.value.exit_code == 6


def test_rate_limits_with_status_200_are_waited_for_and_not_billed(tmp_path):
    left = iter(range(4))

    def refuse(request):
        limited = next(left, None) is not None
        return (200, {"error": {"message": "Rate limit exceeded", "code": 429}}) if limited else None

    with running(Kind(refuse)) as server:
        metrics = performed(prepared(tmp_path, endpoint=server.url, model="m"))["metrics"]
    assert metrics["failed_tries"] == {"rate_limited": 4}
    assert metrics["outcomes"] == {"ok": 12}


def silent(request, completion):
    return {name: value for name, value in completion.items() if name != "usage"}


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": -1, "completion_tokens": "7"}, {"total_tokens": 9},
                                   {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}])  # fmt: skip
def test_what_no_usage_tells_is_unknown_and_at_most_something(tmp_path, usage):
    def spoil(request, completion):
        return {**completion, "usage": usage}

    prices = {"input_price": 10.0, "output_price": 10.0}
    with running(Kind(lambda request: None, spoil)) as server:
        run = prepared(tmp_path, endpoint=server.url, model="m", budget=prices)
        metrics = performed(run)["metrics"]
        again = performed(run)["metrics"]
    assert (metrics["money"], metrics["tokens"], metrics["tokens_in"], metrics["tokens_out"]) == (None,) * 4
    assert metrics["usage_missing"] == 12
    assert metrics["money_at_most"] == pytest.approx(metrics["tokens_at_most"] * 10.0 / 1e6)
    assert 12 * 4096 < metrics["tokens_at_most"] < 12 * 12_000
    assert {(row["tokens_in"], row["tokens_out"]) for row in run.read("requests").to_pylist()} == {(None, None)}
    # What the journal keeps is no better known the next time.
    assert (again["money"], again["money_at_most"]) == (None, metrics["money_at_most"])


def test_what_one_answer_keeps_to_itself_leaves_a_range(tmp_path):
    left = iter([True])

    def spoil(request, completion):
        return silent(request, completion) if next(left, False) else completion

    with running(Kind(lambda request: None, spoil)) as server:
        run = prepared(tmp_path, endpoint=server.url, model="m", budget={"input_price": 1.0, "output_price": 1.0})
        metrics = performed(run)["metrics"]
    assert metrics["usage_missing"] == 1
    assert 0 < metrics["money"] < metrics["money_at_most"]


def test_the_query_of_an_address_stays_behind_the_path_and_headers_come_from_the_environment(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setenv("AZURE_KEY", "azure-secret-0123456789")
    monkeypatch.delenv("OPENAI_API_KEY")
    caplog.set_level(logging.DEBUG)
    with running("openai reasoning model") as server:
        address = f"http://127.0.0.1:{server.server_port}/openai/deployments/d/?api-version=2024-10-21"
        named = {"api_key_variable": None, "headers_variable": {"api-key": "AZURE_KEY"}}
        run = prepared(tmp_path, endpoint=address, model="m", extra_body={"user": "synalign"}, **named)
        metrics = performed(run)["metrics"]
        paths = {path for path, _, _ in server.asked}
        headers = [{name.lower(): value for name, value in headers.items()} for _, headers, _ in server.asked]
        assert {body["user"] for _, _, body in server.asked} == {"synalign"}
    assert paths == {"/openai/deployments/d/chat/completions?api-version=2024-10-21"}
    assert {header["api-key"] for header in headers} == {"azure-secret-0123456789"}
    assert not any("authorization" in header for header in headers)
    assert metrics["ledger"]["accepted"] == 36
    assert "azure-secret-0123456789" not in caplog.text
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"azure-secret-0123456789" not in path.read_bytes()


def test_bad_items_of_an_answer_cost_themselves_and_nothing_else(tmp_path):
    def spoil(request, completion):
        if form(request) == "json_schema" and request["response_format"]["json_schema"]["name"] == "written_queries":
            documents = [
                {"document": 0, "queries": ["good one", None]},
                {"document": 1, "queries": ["half \ud800", {"a": 1}, "one more"]},
                {"document": 2, "queries": ["nul \u0000", "x" * 30_000]},
                None,
                {"document": "7", "queries": ["whose?"]},
            ]
            completion["choices"][0]["message"]["content"] = json.dumps({"documents": documents})
        return completion

    with running(Kind(lambda request: None, spoil)) as server:
        run = prepared(tmp_path, endpoint=server.url, model="m")
        ledger = performed(run)["metrics"]["ledger"]
        again = performed(run)["metrics"]
    assert {row["query"] for row in run.read("candidates").to_pylist()} == {"good one"}
    assert ledger["accepted"] == BATCHES
    assert ledger["invalid"] == {"control_characters": 2 * BATCHES, "not_text": 2 * BATCHES}
    assert ledger["rejected"] == {"invalid": 4 * BATCHES, "over_length": BATCHES}
    assert ledger["surplus"] == {"too_many": BATCHES, "unknown_document": BATCHES}
    assert again["journal_hits"] == 12 and again["ledger"] == ledger


def test_a_prompt_that_a_server_echoes_reaches_no_log_and_no_error(tmp_path, caplog):
    caplog.set_level(logging.DEBUG, logger="synalign")

    def refuse(request):
        return 400, {"error": {"message": "cannot parse: " + request["messages"][-1]["content"][:4000]}}

    with running(Kind(refuse)) as server, pytest.raises(EndpointError) as caught:
        performed(prepared(tmp_path, endpoint=server.url, model="m"))
    shown = caplog.text + str(caught.value)
    assert "how to feed" not in shown and "in winter" not in shown
    assert "cannot parse: …" in shown


def test_an_output_limit_that_is_too_large_is_found_and_kept(tmp_path):
    with running("deepseek") as server:
        performed(prepared(tmp_path, endpoint=server.url, model="m"))
        limits = [limit(body) for _, _, body in server.asked]
    assert limits[-1] == 2048
    assert limits.count(4096) <= 2 * BATCHES and limits.count(2048) == 2 * BATCHES
