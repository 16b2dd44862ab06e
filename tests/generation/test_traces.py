"""The table `traces` behind a real server: which requests it has, what was sent, and nothing that is personal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from synalign.generation.prompts import from_data
from synalign.generation.traces import is_traced
from synalign.run import Run
from synalign.tables import content_id
from synalign.writer.server import complete
from tests.steps.test_generate import INTERVAL, counting, kind, performed, prepared

BOUNDS = 4.0
"""Standard deviations."""


def traced(folder: Path, share: float, **generation: Any) -> Run:
    """The same run, with another share."""
    run = prepared(folder, **generation)
    runtime = run.configuration.runtime.model_copy(update={"trace_share": share})
    return Run(run.configuration.model_copy(update={"runtime": runtime}), INTERVAL, folder)


@pytest.mark.parametrize("family", ["large", "small"])
def test_what_was_sent_is_what_stands_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str) -> None:
    run = traced(tmp_path, 1.0, prompts={"family": family}, budget={"input_price": 1.0, "output_price": 2.0})
    with counting(monkeypatch, whole if family == "large" else of_one_document) as server:
        performed(run)
    rows, requests = run.read("traces").to_pylist(), run.read("requests").to_pylist()
    # The same request twice is sent once, and is one trace.
    asked_for = {row["request_id"]: row for row in requests}
    assert [row["request_id"] for row in rows] == list(asked_for)
    sent = {json.dumps(json.loads(asked), ensure_ascii=False) for asked in server.asked}
    assert len(rows) >= len(sent) == len({row["messages"] for row in rows})
    assert {row["messages"] for row in rows} == sent
    for row, asked in zip(rows, asked_for.values(), strict=True):
        assert all(row[name] == asked[name] for name in ("batch_id", "kind", "outcome", "tokens_in", "tokens_out"))
        assert row["money"] == pytest.approx((row["tokens_in"] + 2.0 * row["tokens_out"]) / 1e6)
    written = [query for row in rows if row["kind"] == "write" for query in queries(json.loads(row["answer"]))]
    assert set(run.read("candidates")["query"].to_pylist()) <= set(written)


def whole(request: dict[str, Any]) -> tuple[int, Any]:
    return 200, complete(request)


def of_one_document(request: dict[str, Any]) -> tuple[int, Any]:
    """What a small model answers to a request about one document."""
    title = from_data(request["messages"][-1]["content"])["title"]
    message = {"role": "assistant", "content": json.dumps({"queries": [f"where does the {title} live"]})}
    usage = {"prompt_tokens": 50, "completion_tokens": 9}
    return 200, {"model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": message}], "usage": usage}


def queries(answer: dict[str, Any]) -> list[str]:
    """Queries of an answer of either form."""
    if "queries" in answer:
        return list(answer["queries"])
    return [query for entry in answer["documents"] for query in entry["queries"]]


def test_off_there_is_none_and_no_other_table_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with counting(monkeypatch):
        off, on = traced(tmp_path, 0.0), traced(tmp_path, 1.0)
        without, with_all = performed(off), performed(on)
    assert without["tables"]["traces"]["rows"] == 0 < with_all["tables"]["traces"]["rows"]
    assert without["fingerprint"] == with_all["fingerprint"]
    for table in ("candidates", "attributes", "requests"):
        assert without["tables"][table]["digest"] == with_all["tables"][table]["digest"]


def test_a_failed_request_has_no_answer_and_one_that_was_not_sent_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: dict[str, Any]) -> tuple[int, Any]:
        bad = kind(request) == "latent_attributes" and "elk" in str(request["messages"])
        return (400, {"error": {"message": "no"}}) if bad else (200, complete(request))

    run = traced(tmp_path, 1.0)
    with counting(monkeypatch, answer):
        performed(run)
    rows = run.read("traces").to_pylist()
    failed = [row for row in rows if row["outcome"] != "ok"]
    assert failed and all((row["kind"], row["answer"]) == ("reason", None) for row in failed)
    assert {row["batch_id"] for row in failed}.isdisjoint(row["batch_id"] for row in rows if row["kind"] == "write")


def test_personal_data_that_the_model_made_up_is_redacted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: dict[str, Any]) -> tuple[int, Any]:
        made = complete(request)
        message = made["choices"][0]["message"]
        message["content"] = message["content"].replace("winter", "ask jane.roe@example.org")
        return 200, made

    run = traced(tmp_path, 1.0)
    with counting(monkeypatch, answer):
        performed(run)
    told = "".join(row["answer"] for row in run.read("traces").to_pylist())
    assert "@example.org" not in told
    assert "[EMAIL]" in told


def test_the_share_is_about_what_was_asked_for_and_a_larger_one_keeps_the_smaller() -> None:
    ids = [content_id(str(number)) for number in range(20_000)]
    few, more = ({one for one in ids if is_traced(one, share)} for share in (0.01, 0.1))
    assert few < more
    assert abs(len(few) - 200) < BOUNDS * 200**0.5
    assert all(is_traced(one, 1.0) for one in ids)
