"""Documents that people passed over, against a naive count, as candidates that the step *ingest* writes."""

from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synalign.config import Configuration
from synalign.run import Interval, Run
from synalign.steps.ingest import ingest, source_files
from synalign.steps.job import perform
from tests.querylog.simulated import TIME, write

Make = Callable[..., Configuration]
pytestmark = pytest.mark.usefixtures("spark")
INTERVAL = Interval.parse("2026-02-28", "2026-03-01")
COLUMNS = {"position": "position", "action": "action", "session_id": "session"}


def searched(session: Any, query: str, shown: list[str], clicked: list[str]) -> list[dict[str, Any]]:
    """The events of a search: what was shown from the first position on, and what was clicked there."""
    rows = [(place, document, "impression") for place, document in enumerate(shown, 1)]
    rows += [(shown.index(document) + 1, document, "click") for document in clicked]
    return [
        {"event_time": TIME, "session": session, "query": query, "document_id": document, "position": place,
         "action": action} for place, document, action in rows
    ]  # fmt: skip


def skips_of(home: Path, configuration: Make, rows: list[dict[str, Any]], least: int) -> dict[tuple[str, str], int]:
    write(home, rows, 10)
    source = {
        "kind": "log", "path": "log.jsonl", "format": "jsonl", "columns": COLUMNS, "clicks": {"min_skips": least},
        "documents": {"path": "d.jsonl", "format": "jsonl"},
    }  # fmt: skip
    run = Run(configuration(source=source), INTERVAL)
    perform(run, "ingest", ingest, source_files(run))
    queries = {row["query_id"]: row["query"] for row in run.read("queries").to_pylist()}
    found = run.read("skips").to_pylist()
    assert run.require("ingest")["metrics"]["skips"] == len(found)
    return {(queries[row["query_id"]], row["document_id"]): row["count"] for row in found}


def test_what_stood_above_a_click_and_was_not_clicked_was_passed_over(home: Path, configuration: Make) -> None:
    rows = [
        *searched("s1", "lamp", ["d1", "d2", "d3", "d4"], ["d3"]),
        *searched("s2", " lamp ", ["d2", "d1", "d3", "d4"], ["d1", "d3"]),
        # Nobody clicked, so nobody tells what was read.
        *searched("s3", "lamp", ["d2", "d5"], []),
        # Without a session nobody tells which click was of which search.
        *searched(None, "lamp", ["d5", "d6"], ["d6"]),
        *searched("s4", "cup", ["d7", "d8"], ["d8"]),
    ]
    # d1 was passed over by one, and clicked by another.
    assert skips_of(home, configuration, rows, 1) == {("lamp", "d2"): 2, ("cup", "d7"): 1}


def test_many_searches_give_what_two_loops_give(home: Path, configuration: Make) -> None:
    random = np.random.default_rng(2)
    rows, count, clicks = [], Counter[tuple[str, str]](), defaultdict[tuple[str, str], int](int)
    for number in range(150):
        query, shown = f"q{random.integers(4)}", [f"d{d}" for d in random.permutation(10)[:6]]
        clicked = [document for document in shown if random.random() < 0.02 * (int(document[1:]) + 1)]
        rows += searched(f"s{number}", query, shown, clicked)
        last = max((shown.index(document) for document in clicked), default=-1)
        for place, document in enumerate(shown):
            clicks[query, document] += document in clicked
            count[query, document] += place < last and document not in clicked
    expected = {pair: number for pair, number in count.items() if number >= 3 and not clicks[pair]}
    assert len(expected) > 3
    assert skips_of(home, configuration, rows, 3) == expected
