"""User Behavior Insights: events and searches joined, against a naive join in Python."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign.config import Configuration
from synalign.errors import InputError
from synalign.run import Interval, Run
from synalign.steps.ingest import ingest, source_files
from synalign.steps.job import perform
from tests.querylog.simulated import simulate

Make = Callable[..., Configuration]
pytestmark = pytest.mark.usefixtures("spark")
INTERVAL = Interval.parse("2026-02-28", "2026-03-01")
TIME = "2026-02-20T10:00:00Z"


def search(query_id: Any, query: Any, hits: list[Any] | None = None, time: str = TIME) -> dict[str, Any]:
    return {
        "application": "shop", "query_id": query_id, "client_id": "c", "user_query": query, "timestamp": time,
        "query_attributes": {"page": 1}, "query_response_hit_ids": hits,
    }  # fmt: skip


def event(query_id: Any, document: Any, action: Any = "click", ordinal: int | None = None) -> dict[str, Any]:
    return {
        "application": "shop", "action_name": action, "query_id": query_id, "session_id": f"s-{query_id}",
        "client_id": "c", "timestamp": TIME, "message": None,
        "event_attributes": {
            "object": {"object_id": document, "object_id_field": "sku"}, "position": {"ordinal": ordinal},
        },
    }  # fmt: skip


SEARCHES = [
    search("1", "kettle", ["d3", "d1", "d2"]),
    # The second page of the same search.
    search("1", "kettle", ["d4"], "2026-02-20T10:00:05Z"),
    search("2", "Kettle  small", []),
    search("3", "lamp", ["d1"]),
    search("4", "lamp", None),
    search(None, "no id", None),
    search("5", None, ["d1"]),
    search("6", "old", None, "2020-01-01T00:00:00Z"),
]
EVENTS = [
    event("1", "d1"), event("1", "d1"), event("1", "d2", "purchase", 3), event("1", "d9"), event("1", "d3", "hover"),
    event("2", "d2", "click", 7), event("3", "d1", None), event("9", "d1"), event(None, "d1"), event("5", "d2"),
]  # fmt: skip


def write(home: Path, searches: list[Any], events: list[Any], format_: str = "jsonl", documents: int = 5) -> None:
    home.mkdir(exist_ok=True)
    for name, rows in (("events", events), ("queries", searches)):
        path = home / f"{name}.{format_}"
        if format_ == "parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
        else:
            path.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    lines = [json.dumps({"document_id": f"d{number}", "text": f"text {number}"}) for number in range(documents)]
    (home / "d.jsonl").write_text("\n".join(lines), encoding="utf-8")


def ingested(configuration: Make, name: str, format_: str = "jsonl", **settings: Any) -> Run:
    source = {
        "kind": "ubi", "path": f"events.{format_}", "format": format_,
        "queries": {"path": f"queries.{format_}", "format": format_},
        "documents": {"path": "d.jsonl", "format": "jsonl"}, **settings,
    }  # fmt: skip
    run = Run(configuration(retriever=name, source=source), INTERVAL)
    perform(run, "ingest", ingest, source_files(run))
    return run


def pairs(run: Run) -> dict[tuple[str, str], int]:
    return {(row["query"], row["document_id"]): row["count"] for row in run.read("pairs").to_pylist()}


def naive(actions: set[str]) -> tuple[Counter[tuple[str, str]], Counter[str]]:
    """Pairs that are clicked, and the text of searches without a click, by two loops."""
    texts: dict[str, Any] = {}
    for row in SEARCHES:
        texts.setdefault(row["query_id"], row["user_query"])
    clicked, found = set(), Counter[tuple[str, str]]()
    for row in EVENTS:
        document = row["event_attributes"]["object"]["object_id"]
        if row["action_name"] in actions:
            clicked.add(row["query_id"])
            text = texts.get(row["query_id"]) if row["query_id"] else None
            if text and document in {f"d{number}" for number in range(5)}:
                found[" ".join(text.split()), document] += 1
    return found, Counter(
        row["user_query"] for number, row in enumerate(SEARCHES)
        if row["user_query"] and (row["query_id"] is None or row["query_id"] not in clicked)
        and row["timestamp"] == TIME and number != 1
    )  # fmt: skip


@pytest.mark.parametrize("format_", ["jsonl", "parquet"])
def test_a_click_has_the_query_of_its_search_and_a_search_without_one_is_kept_or_rejected(
    home: Path, configuration: Make, format_: str
) -> None:
    write(home, SEARCHES, EVENTS, format_)
    actions = {"click", "purchase"}
    clicked, unclicked = naive(actions)
    settings = {"clicks": {"actions": sorted(actions)}}
    kept = ingested(configuration, "kept", format_, unclicked="keep", **settings)
    assert pairs(kept) == clicked
    rows = {row["query"]: row["count"] for row in kept.read("queries").to_pylist()}
    of_pairs: Counter[str] = Counter()
    for (query, _), count in clicked.items():
        of_pairs[query] += count
    assert rows == of_pairs + unclicked
    refused = Counter(kept.read("rejected")["rule"].to_pylist())
    # Of search 9 and of no search nothing is known, of 5 no query was typed; d9 is no document.
    assert refused == {"null_query": 3, "unknown_document": 1}
    metrics = kept.require("ingest")["metrics"]
    assert (metrics["log_rows_not_relevant"], metrics["log_rows_outside_window"]) == (2, 1)
    strict = ingested(configuration, "strict", format_, **settings)
    assert pairs(strict) == clicked
    assert set(strict.read("queries")["query"].to_pylist()) == set(of_pairs)
    again = Counter(strict.read("rejected")["rule"].to_pylist())
    assert again == refused + Counter({"null_document": sum(unclicked.values())})
    searches = [json.loads(row["row"]) for row in strict.read("rejected").to_pylist() if row["rule"] == "null_document"]
    assert sorted(row["user_query"] for row in searches) == sorted(unclicked.elements())


def test_positions_and_impressions_are_those_of_the_hits(home: Path, configuration: Make) -> None:
    made = simulate(queries=15, searches=20)
    searches, events = [], []
    random = np.random.default_rng(5)
    by_list: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for number, row in enumerate(made.rows):
        by_list.setdefault((row["query"], number // 10), []).append(row)
    for (query, number), rows in by_list.items():
        for visit in range(20):
            query_id = f"{query}-{number}-{visit}"
            searches.append(search(query_id, query, [row["document_id"] for row in rows]))
            for place, row in enumerate(rows):
                worth = made.relevance[int(query[1:]), int(row["document_id"][1:])]
                if random.random() < made.propensities[place] * worth:
                    # Told from 0, and on the screen: the hits say it better.
                    events.append(event(query_id, row["document_id"], "click", place))
    write(home, searches, events, documents=10)
    run = ingested(configuration, "shop", clicks={"model": "coec"})
    told = run.require("ingest")["metrics"]["clicks"]
    places = Counter(row["event_attributes"]["position"]["ordinal"] for row in events)
    assert told["first_position"] == 1
    assert told["click_rates"] == [pytest.approx(places[place] / len(searches), abs=1e-6) for place in range(10)]
    position = ingested(configuration, "other", clicks={"model": "position"}, unclicked="keep")
    found = position.require("ingest")["metrics"]["clicks"]["propensities"]
    assert found[:4] == pytest.approx(made.propensities[:4].tolist(), abs=0.15)
    assert sum(position.read("queries")["count"].to_pylist()) >= len(searches)


def test_a_missing_key_and_a_missing_file_are_named(home: Path, configuration: Make) -> None:
    write(home, [{"id": "1", "timestamp": TIME, "user_query": "x"}], EVENTS)
    with pytest.raises(InputError, match=r"(?s)'query_id' are missing.*source\.queries"):
        ingested(configuration, "shop")
    (home / "queries.jsonl").unlink()
    with pytest.raises(InputError, match=r"queries\.jsonl: there is no such file"):
        ingested(configuration, "shop")
