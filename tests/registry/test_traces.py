"""Sampled requests as traces in a real MLflow on SQLite: whole, linked, once, and forgotten."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient
from mlflow.tracing.client import TracingClient

from synalign.prompts.templates import parse
from synalign.registry.release import Release
from synalign.registry.traces import forget_traces
from synalign.registry.training_sets import Registration, register
from synalign.tables import schema

MESSAGES = [{"role": "system", "content": "You write."}, {"role": "user", "content": "about [EMAIL] and sort lists"}]
ROW: dict[str, Any] = {
    "request_id": "a" * 32, "batch_id": "b" * 32, "kind": "write", "messages": json.dumps(MESSAGES),
    "answer": '{"queries": ["how to sort"]}', "outcome": "ok", "model": "writer", "prompt_version": "0123456789ab",
    "seconds": 1.5, "tokens_in": 100, "tokens_out": 20, "money": 0.0025, "currency": "USD",
}  # fmt: skip
FAILED = {
    **ROW, "request_id": "c" * 32, "batch_id": "d" * 32, "answer": None, "outcome": "refused", "tokens_in": None,
    "tokens_out": None, "money": None,
}  # fmt: skip
TEXT = "You write.\n=== user ===\n<data>\n$data\n</data>\n"


@pytest.fixture
def traced(release: Release) -> Release:
    path = Path(str(release.folders["traces"])) / "part-00000.parquet"
    pq.write_table(pa.Table.from_pylist([ROW, FAILED], schema("traces")), path)
    return release._replace(templates={"write": parse(TEXT, "write", "a test")})


def client_of(uri: str) -> MlflowClient:
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def traces(uri: str, done: Registration) -> dict[str, Any]:
    client = client_of(uri)
    experiment = client.get_run(done.run_id).info.experiment_id
    return {trace.info.tags["synalign.request_id"]: trace for trace in client.search_traces(locations=[experiment])}


def test_a_request_can_be_opened_from_its_version(traced: Release, uri: str) -> None:
    done = register(traced, uri)
    client = client_of(uri)
    experiment = client.get_run(done.run_id).info.experiment_id
    wanted = (
        f"tags.`synalign.training_set` = '{done.model}/{done.version}' and tags.`synalign.request_id` = '{'a' * 32}'"
    )
    (found,) = client.search_traces(locations=[experiment], filter_string=wanted)
    (span,) = found.data.spans
    assert span.inputs["messages"] == MESSAGES
    assert json.loads(span.outputs["choices"][0]["message"]["content"]) == {"queries": ["how to sort"]}
    assert found.info.execution_duration == 1500 and found.info.client_request_id == "a" * 32
    assert found.info.token_usage == {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120}
    tags = found.info.tags
    assert (tags["synalign.batch_id"], tags["synalign.retriever"]) == ("b" * 32, "shop")
    assert (tags["synalign.money"], tags["synalign.outcome"]) == ("0.0025 USD", "ok")
    assert json.loads(tags["mlflow.linkedPrompts"]) == [{"name": "shop-write-prompt", "version": "1"}]
    assert [trace.info.trace_id for trace in client.search_traces(locations=[experiment], run_id=done.run_id)]


def test_a_request_that_failed_is_an_error_without_an_answer_or_a_cost(traced: Release, uri: str) -> None:
    found = traces(uri, register(traced, uri))["c" * 32]
    assert (str(found.info.state), found.data.spans[0].outputs) == ("ERROR", {"choices": []})
    assert found.info.tags["synalign.outcome"] == "refused" and "synalign.money" not in found.info.tags


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@pytest.mark.parametrize("name", ["log_spans", "start_trace"])
def test_killed_and_run_again_each_is_there_once_and_whole(
    traced: Release, uri: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = getattr(TracingClient, name)

    def dies(self: TracingClient, *args: Any, **kwargs: Any) -> None:
        whole(self, *args, **kwargs)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(TracingClient, name, dies)
        with pytest.raises(Killed):
            register(traced, uri)
    found = traces(uri, register(traced, uri))
    assert set(found) == {"a" * 32, "c" * 32}
    assert all(len(trace.data.spans) == 1 and trace.info.tags["synalign.training_set"] for trace in found.values())


def test_a_run_of_an_earlier_version_without_the_table_has_none(release: Release, uri: str) -> None:
    folders = {table: place for table, place in release.folders.items() if table != "traces"}
    assert traces(uri, register(release._replace(folders=folders), uri)) == {}


def test_forgetting_deletes_the_traces_of_a_batch_or_with_a_text_and_counts_dry(traced: Release, uri: str) -> None:
    done = register(traced, uri)

    def never(text: str) -> bool:
        return False

    assert forget_traces("shop", uri, {"b" * 32}, never, dry=True) == 1
    assert forget_traces("other", uri, {"b" * 32}, never, dry=False) == 0
    assert set(traces(uri, done)) == {"a" * 32, "c" * 32}
    assert forget_traces(None, uri, {"b" * 32}, never, dry=False) == 1
    assert set(traces(uri, done)) == {"c" * 32}
    assert forget_traces("shop", uri, set(), lambda text: "sort lists" in text, dry=False) == 1
    assert traces(uri, done) == {}


def test_forgetting_where_nothing_was_ever_registered_makes_no_database(tmp_path: Path) -> None:
    assert forget_traces("shop", f"sqlite:///{tmp_path / 'none.db'}", {"b"}, lambda text: True, dry=False) == 0
    assert not (tmp_path / "none.db").exists()


def test_a_server_that_keeps_no_spans_is_told_and_registers_all_else(
    traced: Release, uri: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuses(self: TracingClient, *args: Any) -> None:
        raise NotImplementedError("log_spans is not supported: MLflow server version 3.3 is less than 3.4")

    monkeypatch.setattr(TracingClient, "log_spans", refuses)
    assert register(traced, uri).current
    assert caplog.text.count("requests are not kept as traces: log_spans is not supported") == 1
