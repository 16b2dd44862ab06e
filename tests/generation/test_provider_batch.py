"""The batch API client against the embedded writer's, over real sockets: paid once, whatever is killed or expires."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
import yaml

from synalign.errors import ConfigurationError, EndpointError, GenerationError
from synalign.generation import provider_api
from synalign.generation.correction import Correction
from synalign.generation.outcomes import Reply
from synalign.generation.provider_batch import _ended, _Line, _parts
from synalign.generation.provider_record import RECORD, Ended, Record, Sent
from synalign.run import Run
from synalign.run.manifests import file_digest
from synalign.steps.generate import generate
from synalign.steps.job import perform
from synalign.writer import batches
from synalign.writer.calls import Rejected
from synalign.writer.faults import Faults
from synalign.writer.server import embedded_writer
from tests.steps.test_generate import BATCHES, INTERVAL, prepared, settings

KEY = "sk-secret-of-the-tests"
JOB = Path(__file__).parent.parent.parent / "jobs" / "generate.py"
INTERRUPTIONS = 11
"""More than the calls of all looks of a run that nothing disturbs, which are ten."""


class Killed(BaseException):
    """Stands for a kill: no code of ours catches it."""


@contextmanager
def writer(monkeypatch, seconds=0.0, **rates):
    """An embedded writer with a batch API, found by the step through the environment."""
    faults = Faults({kind.replace("_", "-"): rate for kind, rate in rates.items()}, batch_seconds=seconds)
    with embedded_writer(0, faults) as url:
        monkeypatch.setenv("SYNALIGN_WRITER_URL", url)
        yield url


def seen(url, path):
    with urllib.request.urlopen(url.removesuffix("/v1") + path) as response:
        return json.load(response)


def batches_of(url):
    return seen(url, "/v1/batches?limit=100")["data"]


def paid(url):
    """How often each request was paid for, counted at the server."""
    return seen(url, "/faults")["paid"]


def in_batch_mode(folder, **generation):
    return prepared(folder, mode="batch", **generation)


def looked(run):
    return perform(run, "generate", generate)


def finished(run, most=20):
    """The summary of the finished step, with all its figures, after as many looks as it takes."""
    for _ in range(most):
        summary = looked(run)
        if "waiting" not in summary:
            return {**summary, "metrics": run.require("generate")["metrics"]}
        time.sleep(0.02)
    raise AssertionError(f"not finished after {most} looks")


def table_digests(run, *tables):
    return [file_digest(path) for table in tables for path in run.files(table)]


@pytest.fixture(scope="module")
def online(tmp_path_factory):
    """What the same run gives request by request."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.delenv("SYNALIGN_WRITER_URL", raising=False)
        monkeypatch.setenv("SYNALIGN_HOME", str(tmp_path_factory.mktemp("home")))
        run = prepared(tmp_path_factory.mktemp("online"))
        looked(run)
    return table_digests(run, "candidates", "attributes")


def test_batch_mode_gives_the_bytes_of_online_mode_at_half_the_price(tmp_path, monkeypatch, online):
    prices = {"budget": {"input_price": 1.0, "output_price": 2.0}}
    with writer(monkeypatch) as url:
        run = in_batch_mode(tmp_path, **prices)
        first = looked(run)
        (only,) = batches_of(url)
        assert first == {
            "step": "generate",
            "waiting": {"batches": (only["id"],), "url": url, "api_key_variable": None},
        }
        assert run.manifest("generate") is None
        metrics = finished(run)["metrics"]
        assert [batch["request_counts"]["total"] for batch in batches_of(url)] == [BATCHES, BATCHES]
        assert list(paid(url).values()) == [1] * 12
    assert table_digests(run, "candidates", "attributes") == online
    assert (metrics["mode"], metrics["requests"], metrics["journal_hits"]) == ("batch", 12, 0)
    assert metrics["tokens"] == metrics["tokens_in"] + metrics["tokens_out"] > 0
    assert metrics["money"] == pytest.approx((metrics["tokens_in"] + 2 * metrics["tokens_out"]) / 2e6)


def test_looking_often_submits_once(tmp_path, monkeypatch):
    with writer(monkeypatch, seconds=600.0) as url:
        run = in_batch_mode(tmp_path)
        for _ in range(4):
            assert "waiting" in looked(run)
        assert len(batches_of(url)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("place", range(INTERRUPTIONS))
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_kill_around_any_call_submits_nothing_twice_and_loses_nothing(tmp_path, monkeypatch, online, place, after):
    """The nth call to the provider is the last of its process: not sent at all, or sent and its answer lost."""
    calls = iter(range(10**6))
    handle = httpx2.AsyncHTTPTransport.handle_async_request

    async def killed(self, request):
        now = next(calls) == place
        if now and not after:
            raise Killed
        response = await handle(self, request)
        if now:
            await response.aread()
            raise Killed
        return response

    with writer(monkeypatch) as url:
        run = in_batch_mode(tmp_path)
        monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", killed)
        happened = False
        try:
            finished(run)
        except Killed:
            happened = True
        finished(run)
        assert happened == (place < next(calls) - 1)
        made = batches_of(url)
        assert len(made) == len({batch["metadata"]["synalign_digest"] for batch in made}) == 2
        assert list(paid(url).values()) == [1] * 12
    assert table_digests(run, "candidates", "attributes") == online


@pytest.mark.slow
def test_killed_for_real_it_goes_on(tmp_path, monkeypatch, online):
    yaml_file = tmp_path / "r.yaml"
    yaml_file.write_text(yaml.safe_dump(settings(mode="batch")))
    with writer(monkeypatch, seconds=0.5) as url:
        run = in_batch_mode(tmp_path / "home" / "runs")
        command = [sys.executable, str(JOB), "--config", str(yaml_file), "--start", "2026-01-01"]
        command += ["--end", "2026-01-02", "--wait"]
        with subprocess.Popen(command, env=dict(os.environ), stderr=subprocess.DEVNULL) as process:
            while not batches_of(url) and process.poll() is None:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        done = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1])["rows"]["candidates"] == 36
        assert "synalign | INFO generate: waiting for batch_" in done.stderr
        assert len(batches_of(url)) == 2
        assert list(paid(url).values()) == [1] * 12
    assert table_digests(Run(run.configuration, INTERVAL), "candidates", "attributes") == online


def patient(run, **runtime):
    """The same run with more patience."""
    known = run.configuration.runtime.model_copy(update=runtime)
    return Run(run.configuration.model_copy(update={"runtime": known}), INTERVAL, run.folder.parent.parent)


def lines_of(url, file_id):
    if file_id is None:
        return []
    with urllib.request.urlopen(f"{url}/files/{file_id}/content") as response:
        return [json.loads(line) for line in response.read().splitlines()]


def test_expired_batches_resume_with_only_what_is_missing(tmp_path, monkeypatch, online):
    chosen = iter(("batch-expiry", "batch-expiry"))
    monkeypatch.setattr(Faults, "chosen", lambda *asked: next(chosen, None) if "batch-expiry" in asked[3] else None)
    with writer(monkeypatch) as url:
        run = patient(in_batch_mode(tmp_path), attempts=20)
        metrics = finished(run, 60)["metrics"]
        made = list(reversed(batches_of(url)))
        assert "expired" in {batch["status"] for batch in made}
        answered: set[str] = set()
        for batch in made:
            assert answered.isdisjoint(line["custom_id"] for line in lines_of(url, batch["input_file_id"]))
            answered |= {line["custom_id"] for line in lines_of(url, batch["output_file_id"])}
        assert len(answered) == 12
        assert list(paid(url).values()) == [1] * 12
    assert metrics["failed_tries"]["timeout"] > 0
    assert table_digests(run, "candidates", "attributes") == online


def test_after_its_last_round_a_request_stands_as_failed(tmp_path, monkeypatch):
    with writer(monkeypatch, batch_expiry=1.0) as url:
        metrics = finished(in_batch_mode(tmp_path))["metrics"]
        # Three of the six are answered; the next batch holds their second requests and the three again, and expires.
        assert len(batches_of(url)) == 2
    assert metrics["outcomes"] == {"not_sent": 3, "ok": 6, "timeout": 3}
    assert metrics["ledger"]["not_written"] == {"not_sent": 18}


def test_batches_that_never_begin_end_the_step_and_the_next_run_tries_anew(tmp_path, monkeypatch):
    with writer(monkeypatch, batch_validation=1.0) as url:
        run = in_batch_mode(tmp_path)
        for rounds in (2, 4):
            with pytest.raises(GenerationError, match="server_error 6"):
                finished(run)
            assert len(batches_of(url)) == rounds
        assert paid(url) == {}
    assert run.manifest("generate") is None


def test_refusals_are_not_submitted_again(tmp_path, monkeypatch):
    with writer(monkeypatch, refusal=1.0) as url:
        with pytest.raises(GenerationError, match="refused 6"):
            finished(in_batch_mode(tmp_path))
        assert len(batches_of(url)) == 1


def test_failed_lines_are_submitted_again(tmp_path, monkeypatch, online):
    chosen = iter(("500", "wrong-schema", "wrong-json", "500"))
    monkeypatch.setattr(Faults, "chosen", lambda *asked: next(chosen, None) if "refusal" in asked[3] else None)
    with writer(monkeypatch) as url:
        run = patient(in_batch_mode(tmp_path), attempts=4)
        failed = finished(run)["metrics"]["failed_tries"]
        made = batches_of(url)
        assert sum(batch["request_counts"]["total"] for batch in made) == 12 + 4
        # What the model answered is paid, well or not; a server's error is not.
        assert sum(paid(url).values()) == 12 + 2
    assert failed == {"invalid_output": 2, "server_error": 2}
    assert table_digests(run, "candidates", "attributes") == online


def test_an_endpoint_that_fails_now_and_then_is_asked_again(tmp_path, monkeypatch, online):
    """The answer to a call can be lost although the call was done: nothing is submitted twice all the same."""
    monkeypatch.setattr(provider_api, "seconds_to_wait", lambda *_: 0.01)
    with writer(monkeypatch, **{"500": 0.1, "429": 0.1, "drop": 0.1, "truncated-body": 0.1}) as url:
        run = patient(in_batch_mode(tmp_path), attempts=20)
        monkeypatch.setattr(Faults, "chosen", chosen_once_in_a_while())
        finished(run)
        monkeypatch.undo()
        assert len(batches_of(url)) == 2
        assert list(paid(url).values()) == [1] * 12
    assert table_digests(run, "candidates", "attributes") == online


def chosen_once_in_a_while():
    """Every third call fails, in turn in each way."""
    count = iter(range(10**6))
    kinds = ("truncated-body", "500", "drop", "429")

    def chosen(self, digest, nth, possible):
        now = next(count)
        return kinds[now // 3 % 4] if "429" in possible and now % 3 == 0 else None

    return chosen


def test_a_quota_that_is_used_up_is_said_at_once(tmp_path, monkeypatch):
    with writer(monkeypatch, quota=1.0), pytest.raises(GenerationError, match="billing"):
        looked(in_batch_mode(tmp_path))


def test_the_ceiling_is_never_passed_and_the_run_ends_well_with_what_it_has(tmp_path, monkeypatch, caplog):
    limits = {"max_output_tokens": 2000}
    with writer(monkeypatch):
        calm = in_batch_mode(tmp_path / "calm", **limits)
        whole = finished(calm)["metrics"]["tokens"]
    events = [json.loads(line) for line in (calm.folder / RECORD).read_text().splitlines()]
    most = max(sum(sent[1:]) for event in events for sent in event.get("sent", {}).values())
    ceiling = most + whole // 2
    with writer(monkeypatch) as url:
        metrics = finished(in_batch_mode(tmp_path / "tight", budget={"max_tokens": ceiling}, **limits), 40)["metrics"]
        assert sum(batch["request_counts"]["total"] for batch in batches_of(url)) == metrics["requests"] < 12
    ends = metrics["outcomes"]
    assert ends["ok"] == metrics["requests"]
    assert ends["over_budget"] + ends.get("not_sent", 0) == 12 - metrics["requests"]
    assert 0 < metrics["tokens"] <= ceiling
    assert "ceiling of generation.budget is reached" in caplog.text


def test_a_ceiling_without_room_for_anything_is_an_error_and_sends_nothing(tmp_path, monkeypatch):
    with writer(monkeypatch) as url:
        with pytest.raises(GenerationError, match="leaves no room"):
            finished(in_batch_mode(tmp_path, budget={"max_tokens": 1000}))
        assert batches_of(url) == []


def test_an_embedded_writer_that_would_die_with_the_step_is_refused(tmp_path, monkeypatch):
    monkeypatch.delenv("SYNALIGN_WRITER_URL", raising=False)
    with pytest.raises(ConfigurationError, match="outlives this step") as caught:
        looked(in_batch_mode(tmp_path))
    assert "synalign.writer.server" in caught.value.remedy


def test_a_writer_started_anew_gets_only_what_is_missing(tmp_path, monkeypatch, online):
    run = patient(in_batch_mode(tmp_path), attempts=4)
    with writer(monkeypatch):
        looked(run)
        looked(run)
    with writer(monkeypatch) as url:
        finished(run)
        assert [batch["request_counts"]["total"] for batch in batches_of(url)] == [6]
    assert table_digests(run, "candidates", "attributes") == online


def test_a_provider_that_does_not_know_our_batch_is_not_paid_again(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with writer(monkeypatch, seconds=600.0) as url:
        run = in_batch_mode(tmp_path, endpoint=url)
        summary = looked(run)
        assert summary["waiting"]["api_key_variable"] == "OPENAI_API_KEY"
        record = run.folder / RECORD
        (batch,) = summary["waiting"]["batches"]
        record.write_text(record.read_text().replace(batch, "batch_of_another_project"))
        with pytest.raises(GenerationError, match="does not know batch batch_of_another_project"):
            looked(run)
        assert len(batches_of(url)) == 1
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()


def test_a_lost_record_is_made_good_by_the_provider(tmp_path, monkeypatch, online):
    with writer(monkeypatch) as url:
        run = in_batch_mode(tmp_path)
        looked(run)
        (run.folder / RECORD).remove()
        finished(run)
        assert len(batches_of(url)) == 2
        assert list(paid(url).values()) == [1] * 12
    assert table_digests(run, "candidates", "attributes") == online


def test_files_are_cut_at_the_providers_limits():
    lines = [
        _Line(str(n), Sent("reason", 1, 1), b"x" * size) for n, size in enumerate((40, 40, 40, 200, 10, 10, 10, 10))
    ]
    cut = [[line.key for line in part] for part in _parts(lines, 3, 100)]
    assert cut == [["0", "1"], ["2"], ["3"], ["4", "5", "6"], ["7"]]
    assert list(_parts([], 3, 100)) == []


def refused_in_batches(monkeypatch, refuse):
    """Batches in which the provider refuses requests as `refuse` has it."""
    complete = batches.complete

    def answer(body):
        refused = refuse(body)
        if refused is None:
            return complete(body)
        raise refused

    monkeypatch.setattr(batches, "complete", answer)


def test_what_a_provider_refuses_in_a_batch_is_left_out_of_the_next_and_costs_no_round(tmp_path, monkeypatch, online):
    def refuse(body):
        for name in ("seed", "max_completion_tokens"):
            if name in body:
                return Rejected(400, "unknown_parameter", f"Unrecognized request argument supplied: {name}")
        return None

    with writer(monkeypatch) as url:
        refused_in_batches(monkeypatch, refuse)
        run = patient(in_batch_mode(tmp_path), attempts=1)
        metrics = finished(run)["metrics"]
        assert [batch["request_counts"]["completed"] for batch in reversed(batches_of(url))] == [0, 0, BATCHES, BATCHES]
        assert list(paid(url).values()) == [1] * 12
    assert (metrics["asked_as"]["not_sent"], metrics["asked_as"]["output_limit_name"]) == ("seed", "max_tokens")
    assert (metrics["failed_tries"], metrics["outcomes"]) == ({}, {"ok": 12})
    assert table_digests(run, "candidates", "attributes") == online


def test_a_batch_that_is_too_long_is_asked_in_parts_by_the_provider_too(tmp_path, monkeypatch):
    def refuse(body):
        if sum(len(message["content"]) for message in body["messages"]) < 3200:
            return None
        return Rejected(400, "context_length_exceeded", "This model's maximum context length is 800 tokens.")

    with writer(monkeypatch) as url:
        refused_in_batches(monkeypatch, refuse)
        run = in_batch_mode(tmp_path)
        metrics = finished(run)["metrics"]
        assert set(paid(url).values()) == {1}
    assert metrics["asked_in_parts"] > 0
    assert metrics["ledger"]["accepted"] == 36


def test_a_provider_that_refuses_everything_is_quoted_once_and_not_retried(tmp_path, monkeypatch):
    with writer(monkeypatch):
        refused_in_batches(monkeypatch, lambda body: Rejected(400, "no", "this model is not for you"))
        with pytest.raises(EndpointError, match="rejected 6") as caught:
            finished(in_batch_mode(tmp_path))
    assert str(caught.value).count("this model is not for you") == 1
    assert not set("{}") & set(str(caught.value))


def test_headers_and_the_query_go_with_every_call_of_the_batch_api(tmp_path, monkeypatch):
    seen_calls = []
    handle = httpx2.AsyncHTTPTransport.handle_async_request

    async def noted(self, request):
        seen_calls.append((request.url.params.get("api-version"), request.headers.get("api-key"), request.url.path))
        return await handle(self, request)

    monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", noted)
    monkeypatch.setenv("AZURE_KEY", "azure-secret-0123456789")
    with writer(monkeypatch) as url:
        run = in_batch_mode(
            tmp_path, endpoint=f"{url}/?api-version=2024-10-21", api_key_variable=None,
            headers_variable={"api-key": "AZURE_KEY"},
        )  # fmt: skip
        summary = looked(run)
        assert summary["waiting"]["headers_variable"] == {"api-key": "AZURE_KEY"}
        finished(run)
    assert {call[:2] for call in seen_calls} == {("2024-10-21", "azure-secret-0123456789")}
    assert {path.split("/")[2] for _, _, path in seen_calls} == {"files", "batches"}


def test_a_provider_that_counts_in_its_own_way_raises_the_bounds_of_what_is_in_flight(tmp_path):
    """The worst ratio of what was reported to the bound of that request, whatever was reported before or after."""
    record = Record(tmp_path / RECORD)
    bounds, flying = {"a": (100, 50), "b": (100, 50), "c": (80, 50)}, {"d": (200, 50)}
    for digest, requests in (("first", bounds), ("second", flying)):
        record.intend(digest, "s", {key: Sent("write", *both) for key, both in requests.items()})
        record.created(digest, f"batch-{digest}")
    record.ended("first", {"a": Ended("ok", 90, 75), "b": Ended("ok", 100, 75), "c": Ended("ok", 88, 60)})
    record.close()
    for _ in range(2):
        record = Record(tmp_path / RECORD)
        correction = record.correction()
        assert (correction.ratio_in, correction.ratio_out) == (1.1, 1.5)
        assert list(record.spent()) == [(90, 75), (100, 75), (88, 60), (220, 75)]
        record.close()


def test_a_count_of_a_batch_that_cannot_be_right_is_the_most_it_can_have_cost(tmp_path):
    correction = Correction()
    correction.learn(100, 50, 0, 75)
    reply = Reply("{}", None, "m", 10**9, 40)
    assert _ended(reply, Sent("write", 100, 50), correction) == Ended("ok", 100, 40)
    assert _ended(reply._replace(tokens_out=10**6), Sent("write", 100, 50), correction) == Ended("ok", 100, 75)
