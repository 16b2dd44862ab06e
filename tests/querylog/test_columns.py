"""Columns within others, and columns with dots in their names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.querylog.trial import (
    JSONL,
    MOMENT,
    PARQUET,
    TIME,
    ingested,
    parquet,
    queries,
)

pytestmark = pytest.mark.usefixtures("spark")


def test_keys_within_others_and_keys_with_dots(home: Path) -> None:
    columns = {"event_time": "_source.@timestamp", "query": "_source.query", "document_id": "hit.ids.0", "label": "a.b"}
    line = {"_source": {"@timestamp": TIME, "query": "a"}, "hit": {"ids": [0, 1]}, "a.b": "flat", "a": {"b": "deep"}}
    run = ingested(home, {**JSONL, "columns": columns}, {"log.jsonl": json.dumps(line) + "\n"})
    assert run.read("queries").to_pylist()[0]["label"] == "flat"
    nested = {
        "_source": [{"@timestamp": MOMENT, "query": "a"}],
        "document_id": ["0"],
        "event_time": None,
        "query": None,
    }
    source = {**PARQUET, "columns": {**columns, "document_id": "document_id", "label": None}}
    assert queries(ingested(home, source, {"log.parquet": parquet(**nested)})) == {"a": 1}
