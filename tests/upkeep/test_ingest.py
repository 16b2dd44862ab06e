"""A forgotten query comes into no set again: ingest drops it, counts it, and keeps none of its text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from synalign.config import Configuration
from synalign.errors import StorageError
from synalign.querylog import tombstones
from synalign.querylog.trace import Trace
from synalign.run import Interval, Run
from synalign.steps.ingest import ingest, source_files
from synalign.steps.job import perform

pytestmark = pytest.mark.usefixtures("spark")
QUERIES = (
    "Jane  Roe 12 Elm street",
    "jane roe 12 elm street",
    "red shoes",
    "東京タワー",
    "jane roe 12 elm street parking",
)


@pytest.fixture
def run(home: Path, configuration: Callable[..., Configuration]) -> Run:
    home.mkdir(parents=True, exist_ok=True)
    events = [{"event_time": "2026-02-20T10:00:00", "query": query, "document_id": "d1"} for query in QUERIES]
    events.append({"event_time": "2026-02-20T10:00:00", "query": "JANE ROE 12 Elm Street", "document_id": "unknown"})
    (home / "log").write_text("\n".join(json.dumps(event) for event in events))
    (home / "d.jsonl").write_text(json.dumps({"document_id": "d1", "title": "One", "text": "first"}))
    return Run(configuration(), Interval.parse("2026-02-28", "2026-03-01"))


def refresh(run: Run) -> dict[str, object]:
    return perform(run, "ingest", ingest, source_files(run))


def test_a_forgotten_query_is_dropped_in_any_case_and_none_of_it_is_kept(run: Run) -> None:
    tombstones.add("shop", Trace("jane roe 12 elm street"))
    summary = refresh(run)
    queries = ["jane roe 12 elm street parking", "red shoes", "東京タワー"]
    assert sorted(run.read("queries")["query"].to_pylist()) == queries
    rejected = run.read("rejected").to_pylist()
    assert [(row["rule"], row["row"]) for row in rejected] == [("forgotten", "{}")] * 3
    assert summary["metrics"]["log_rejected_forgotten"] == 3  # type: ignore[index]
    assert not any(b"Roe 12 Elm street" in place.read_bytes() for place, _ in run.folder.tree())


def test_a_list_for_all_holds_for_each_and_other_scripts_count(run: Run) -> None:
    tombstones.add(tombstones.ALL, Trace("東京タワー"))
    refresh(run)
    assert "東京タワー" not in run.read("queries")["query"].to_pylist()


def test_a_finished_ingest_is_done_again_once_something_is_forgotten(run: Run) -> None:
    refresh(run)
    assert refresh(run)["reused"]
    tombstones.add("books", Trace("red shoes"))
    assert refresh(run)["reused"], "what another retriever forgets is not its business"
    tombstones.add("shop", Trace("red shoes"))
    assert not refresh(run)["reused"]
    assert refresh(run)["reused"]
    assert "red shoes" not in run.read("queries")["query"].to_pylist()


def test_a_damaged_list_ends_the_step_before_anything_comes_back(run: Run, home: Path) -> None:
    tombstones.add("shop", Trace("red shoes"))
    (home / "forgotten" / "retriever-shop.json").write_text("{")
    with pytest.raises(StorageError, match="list of forgotten queries"):
        refresh(run)


def test_a_list_gives_no_query_away_and_two_lists_cannot_be_joined(home: Path) -> None:
    for retriever in ("shop", "books"):
        tombstones.add(retriever, Trace("red shoes"))
    (one,), (other,) = tombstones.lists("shop"), tombstones.lists("books")
    assert not one.keys & other.keys
    assert Trace("red shoes").query_id not in one.keys
    text = (home / "forgotten" / "retriever-shop.json").read_text()
    assert "red" not in text
    assert one.has("Red  Shoes")
    assert not one.has("red shoe")
