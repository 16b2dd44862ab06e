"""Documents whose text is made of several columns, in every format."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign.config import Configuration
from synalign.errors import InputError
from synalign.querylog.document_fields import field_columns
from synalign.run import Interval, Run
from synalign.steps.ingest import ingest, source_files
from synalign.steps.job import perform

Make = Callable[..., Configuration]
pytestmark = pytest.mark.usefixtures("spark")
INTERVAL = Interval.parse("2026-02-28", "2026-03-01")
TEMPLATE = "{name} ({brand}, {category}). Price: {price} EUR"
ROWS: list[dict[str, Any]] = [
    {"sku": "d1", "name": "Kettle", "brand": "Acme", "category": "Kitchen", "price": 9.5},
    {"sku": "d2", "name": "Lamp", "brand": None, "category": "Light", "price": None},
    {"sku": "d3", "name": "Cup", "brand": "", "category": None, "price": 3},
    {"sku": "d4", "name": None, "brand": None, "category": "  ", "price": None},
]
TEXTS = {
    "d1": ("", "Kettle (Acme, Kitchen). Price: 9.5 EUR"),
    "d2": ("", "Lamp (Light)"),
    "d3": ("", "Cup. Price: 3 EUR"),
}


def write(home: Path, format_: str, rows: list[dict[str, Any]]) -> None:
    home.mkdir(exist_ok=True)
    (home / "log.jsonl").write_text(
        '{"event_time": "2026-02-20T10:00:00", "query": "a kettle", "document_id": "d1"}\n', encoding="utf-8"
    )
    path = home / f"d.{format_}"
    if format_ == "parquet":
        texts = {name: [None if row[name] is None else str(row[name]) for row in rows] for name in rows[0]}
        pq.write_table(pa.table(texts), path)
    elif format_ == "csv":
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")


def ingested(configuration: Make, format_: str, fields: Any, **columns: Any) -> Run:
    documents = {
        "path": f"d.{format_}", "format": format_, "fields": fields, "columns": {"document_id": "sku", **columns},
    }  # fmt: skip
    source = {"kind": "log", "path": "log.jsonl", "format": "jsonl", "documents": documents}
    run = Run(configuration(retriever=f"shop-{format_}", source=source), INTERVAL)
    perform(run, "ingest", ingest, source_files(run))
    return run


def documents_of(run: Run) -> dict[str, tuple[str, str]]:
    return {row["document_id"]: (row["title"], row["text"]) for row in run.read("documents").to_pylist()}


@pytest.mark.parametrize("format_", ["jsonl", "csv", "parquet"])
def test_the_text_is_the_template_with_what_each_document_has(home: Path, configuration: Make, format_: str) -> None:
    write(home, format_, ROWS)
    run = ingested(configuration, format_, TEMPLATE)
    assert documents_of(run) == TEXTS
    # A document of which nothing is there is one without a text.
    assert run.read("rejected")["rule"].to_pylist() == ["empty_document"]


def test_a_title_beside_the_template_stays_and_one_within_it_is_written_once(home: Path, configuration: Make) -> None:
    write(home, "jsonl", ROWS[:1])
    assert documents_of(ingested(configuration, "jsonl", ["brand", "{category}"], title="name")) == {
        "d1": ("Kettle", "Acme\nKitchen")
    }
    assert documents_of(ingested(configuration, "jsonl", ["name", "{category}"], title="name")) == {
        "d1": ("", "Kettle\nKitchen")
    }


@pytest.mark.parametrize("format_", ["jsonl", "csv", "parquet"])
def test_a_column_that_is_not_there_is_named_with_those_that_are(home: Path, configuration: Make, format_: str) -> None:
    write(home, format_, ROWS)
    expected = r"(?s)'brnd' are missing; it has 'sku', 'name', 'brand'.*source\.documents\.fields, such as \{brand\}"
    with pytest.raises(InputError, match=expected):
        ingested(configuration, format_, "{name}. {brnd}")


def test_a_column_named_twice_is_read_once() -> None:
    assert [(column.setting, column.name) for column in field_columns("{b} {a.c} ({b})")] == [
        ("field_0", "b"), ("field_1", "a.c"),
    ]  # fmt: skip
