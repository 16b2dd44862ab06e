"""Searches that were typed again in other words carry the later click, in a log and in User Behavior Insights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synalign.config import Configuration
from synalign.run import Interval, Run
from synalign.steps.ingest import ingest, source_files
from synalign.steps.job import perform
from tests.querylog import simulated, test_ubi

Make = Callable[..., Configuration]
pytestmark = pytest.mark.usefixtures("spark")
INTERVAL = Interval.parse("2026-02-28", "2026-03-01")


def row(session: Any, second: int, query: str, document: Any = None) -> dict[str, Any]:
    return {
        "event_time": f"2026-02-20T10:{second // 60:02}:{second % 60:02}Z", "session": session, "query": query,
        "document_id": document,
    }  # fmt: skip


ROWS = [
    # A slip of the finger, and two words of three; the click is the next of the session, whatever lies between.
    row("s1", 0, "ketle"), row("s1", 5, "electric ketle"), row("s1", 30, "kettle electric small", "d1"),
    # Another subject, another session, none, too late, clicked itself, and no click at all.
    row("s2", 0, "lamp"), row("s2", 9, "cup", "d2"),
    row("s3", 0, "red shoe"), row("s4", 1, "red shoes", "d3"),
    row(None, 0, "red shoe"), row(None, 1, "red shoes", "d3"), row("", 2, "red shoe"), row("", 3, "red shoes", "d3"),
    row("s5", 0, "blue vase"), row("s5", 61, "blue vases", "d4"),
    row("s6", 0, "green rug"), row("s6", 1, " Green rug ", "d0"),
    row("s7", 0, "white bed"), row("s7", 1, "white beds"),
    # A later search does not answer an earlier click's.
    row("s8", 0, "big desk", "d5"), row("s8", 1, "big desks"),
]  # fmt: skip


def pairs_of(home: Path, configuration: Make, name: str, **clicks: Any) -> Run:
    simulated.write(home, ROWS, 6)
    source = {
        "kind": "log", "path": "log.jsonl", "format": "jsonl", "columns": {"session_id": "session"}, "clicks": clicks,
        "documents": {"path": "d.jsonl", "format": "jsonl"},
    }  # fmt: skip
    run = Run(configuration(retriever=name, source=source), INTERVAL)
    perform(run, "ingest", ingest, source_files(run))
    return run


def test_a_search_carries_the_next_click_of_its_session_for_nearly_the_same_words(
    home: Path, configuration: Make
) -> None:
    off = pairs_of(home, configuration, "off")
    on = pairs_of(home, configuration, "on", reformulation_seconds=60)
    more = set(test_ubi.pairs(on).items()) - set(test_ubi.pairs(off).items())
    assert more == {(("electric ketle", "d1"), 1)}
    longer = pairs_of(home, configuration, "longer", reformulation_seconds=61)
    assert set(test_ubi.pairs(longer)) - set(test_ubi.pairs(on)) == {("blue vase", "d4")}
    # Every row is somewhere: what has a document now is not rejected for having none.
    rejected = [run.read("rejected")["rule"].to_pylist().count("null_document") for run in (off, on, longer)]
    assert rejected == [rejected[0], rejected[0] - 1, rejected[0] - 2]
    assert len({run.require("ingest")["metrics"]["log_rows"] for run in (off, on, longer)}) == 1


def test_a_slip_of_the_finger_is_a_reformulation(home: Path, configuration: Make, monkeypatch: Any) -> None:
    monkeypatch.setitem(ROWS[2], "query", "kettle")
    on = pairs_of(home, configuration, "on", reformulation_seconds=60)
    assert {document for query, document in test_ubi.pairs(on) if query == "ketle"} == {"d1"}
    # "electric ketle" shares no word with it, and is too long.
    assert not [query for query, _ in test_ubi.pairs(on) if query == "electric ketle"]


def test_searches_of_ubi_have_the_session_of_their_events(home: Path, configuration: Make) -> None:
    searches = [
        test_ubi.search("1", "ketle", ["d3"], "2026-02-20T09:59:50Z"), test_ubi.search("2", "kettle", ["d1"]),
        test_ubi.search("3", "ketles", ["d3"], "2026-02-20T09:59:55Z"),
    ]  # fmt: skip
    seen, click = test_ubi.event("1", "d3", "impression"), test_ubi.event("2", "d1")
    test_ubi.write(home, searches, [{**seen, "session_id": "s"}, {**click, "session_id": "s"}])
    run = test_ubi.ingested(configuration, "shop", clicks={"reformulation_seconds": 60})
    # Of the third search no event says whose it was.
    assert test_ubi.pairs(run) == {("ketle", "d1"): 1, ("kettle", "d1"): 1}
