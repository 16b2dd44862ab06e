"""Labelled texts as queries whose documents are their labels, through the same rules as any log."""

import csv
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign.config import Configuration
from synalign.errors import InputError
from synalign.run import Interval, Run
from synalign.steps.ingest import ingest, source_files
from synalign.steps.job import perform
from synalign.tables import SCHEMAS, content_id

Make = Callable[..., Configuration]
pytestmark = pytest.mark.usefixtures("spark")
INTERVAL = Interval.parse("2026-02-28", "2026-03-01")
TEXTS = [
    ("where is my card", "card_arrival"),
    ("  where is  my card ", " card_arrival "),
    ("my card never came", "card_arrival"),
    ("wo ist meine Karte? 我的卡在哪里", "cardArrival"),
    ("top up, please", "top-up:by.bank"),
    ("both at once", "card_arrival"),
    ("both at once", "top-up:by.bank"),
    ("=cmd|' /C calc'!A0 <script>", "__"),
]


def ingested(home: Path, configuration: Make, source: dict[str, Any]) -> Run:
    run = Run(configuration(task="classification", source={"kind": "labelled", "path": "texts", **source}), INTERVAL)
    perform(run, "ingest", ingest, source_files(run))
    return run


def write(home: Path, rows: list[tuple[str | None, ...]], names: tuple[str, ...] = ("text", "label")) -> None:
    path = home / "texts" / "a.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rows)


def test_a_label_is_a_document_and_a_text_a_query_that_finds_it(home: Path, configuration: Make) -> None:
    write(home, TEXTS)
    run = ingested(home, configuration, {})
    documents = {row["document_id"]: (row["title"], row["text"]) for row in run.read("documents").to_pylist()}
    assert documents == {
        "card_arrival": ("", "card arrival"),
        "cardArrival": ("", "card Arrival"),
        "top-up:by.bank": ("", "top up by bank"),
        "__": ("", "__"),
    }
    queries = {row["query"]: row for row in run.read("queries").to_pylist()}
    assert (queries["where is my card"]["count"], queries["where is my card"]["label"]) == (2, "card_arrival")
    assert len(queries) == len({text.strip().replace("  ", " ") for text, _ in TEXTS})
    pairs = Counter((row["query"], row["document_id"], row["count"]) for row in run.read("pairs").to_pylist())
    assert pairs["where is my card", "card_arrival", 2] == 1
    assert {(query, label) for query, label, _ in pairs if query == "both at once"} == {
        ("both at once", "card_arrival"), ("both at once", "top-up:by.bank"),
    }  # fmt: skip
    assert {row["query_id"] for row in run.read("pairs").to_pylist()} == {content_id(query) for query in queries}
    for table in ("queries", "pairs", "documents", "rejected"):
        assert run.read(table).schema.names == SCHEMAS[table].names


def test_rows_that_cannot_be_used_are_rejected_by_the_rules_of_every_log(home: Path, configuration: Make) -> None:
    write(home, [("good", "a"), ("", "a"), (" \t", "a"), ("no label", ""), ("blank label", "  "), ("x" * 400, "a")])
    run = ingested(home, configuration, {})
    assert Counter(run.read("rejected")["rule"].to_pylist()) == {
        "null_query": 1, "empty_query": 1, "null_document": 2, "long_query": 1,
    }  # fmt: skip
    assert run.read("documents")["document_id"].to_pylist() == ["a"]
    assert run.read("queries")["query"].to_pylist() == ["good"]


def test_with_times_only_those_of_the_window_count(home: Path, configuration: Make) -> None:
    rows = [("old", "a", "2026-01-01T00:00:00"), ("new", "a", "2026-02-27T10:00:00"), ("timeless", "a", "soon")]
    write(home, rows, ("body", "intent", "seen"))
    source = {"columns": {"text": "body", "label": "intent", "event_time": "seen"}, "window_days": 7}
    run = ingested(home, configuration, source)
    assert run.read("queries")["query"].to_pylist() == ["new"]
    assert run.read("rejected")["rule"].to_pylist() == ["malformed_time"]
    assert run.require("ingest")["metrics"]["log_rows_outside_window"] == 1


def test_other_formats_give_the_same(home: Path, configuration: Make) -> None:
    write(home, TEXTS)
    folder, tables = home / "texts", ("queries", "pairs", "documents")
    lines = [json.dumps({"text": text, "label": label}) for text, label in TEXTS]
    (folder / "b.jsonl").write_text("\n".join([*lines, "{broken"]))
    columns = dict(zip(("text", "label"), map(list, zip(*TEXTS, strict=True)), strict=True))
    pq.write_table(pa.table(columns), folder / "b.parquet")
    found = {}
    for format_ in ("csv", "jsonl", "parquet"):
        run = ingested(home, configuration, {"format": format_})
        found[format_] = {table: sorted(run.read(table).to_pylist(), key=str) for table in tables}
        assert run.read("rejected").num_rows == (format_ == "jsonl")
    assert found["csv"] == found["jsonl"] == found["parquet"]


def test_a_missing_column_is_named(home: Path, configuration: Make) -> None:
    write(home, [("a", "b")], ("text", "category"))
    with pytest.raises(InputError, match=r"'label' (is|are) missing|columns 'label'"):
        ingested(home, configuration, {})
