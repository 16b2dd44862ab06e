"""Clicks and times of files as whole numbers and timestamps."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from synalign.config.location import TableFiles
from synalign.errors import InputError
from synalign.querylog.columns import Column
from synalign.querylog.files import Table
from synalign.querylog.reading import open_table, read
from tests.querylog.trial import (
    CLICKS,
    JSONL,
    MOMENT,
    PARQUET,
    event,
    ingested,
    parquet,
    queries,
    rejected,
)

pytestmark = pytest.mark.usefixtures("spark")


def test_clicks_are_whole_numbers_however_they_are_written(home: Path) -> None:
    clicks = [1e7, 3.0, 2.5, float("nan"), float("inf"), -1.0, 0.0, None]
    run = ingested(home, {**PARQUET, **CLICKS}, {"log.parquet": parquet(clicks=clicks, query=list("abcdefgh"))})
    assert queries(run) == {"a": 10_000_000, "b": 3}
    assert rejected(run) == {"malformed_clicks": 6}


def test_clicks_of_eighteen_digits_are_exact(home: Path) -> None:
    clicks = {"a": 10**18 - 1, "b": "999999999999999998", "c": 10**18, "d": "10,000", "e": True, "f": "+5"}
    lines = [event(query=query, clicks=number) for query, number in clicks.items()]
    lines.append(event(query="g", clicks="N").replace('"N"', "12e2"))
    run = ingested(home, {**JSONL, **CLICKS}, {"log.jsonl": "".join(lines)})
    assert queries(run) == {"a": 10**18 - 1, "b": 10**18 - 2, "g": 1200}
    assert rejected(run) == {"malformed_clicks": 4}


@pytest.mark.parametrize(
    ("value", "settings"),
    [
        (1_772_269_200, {}),
        (1_772_269_200_000, {}),
        (1_772_269_200.5, {}),
        ("1772269200000000", {}),
        ("28/Feb/2026:10:00:00 +0100", {}),
        ("02/28/2026 09:00", {}),
        ("28.02.26 09:00", {"time_format": "%d.%m.%y %H:%M"}),
        ("5", {"time_format": "epoch_seconds"}),
    ],
)
def test_times_of_other_formats_are_read(home: Path, value: object, settings: dict[str, str]) -> None:
    if value == "5":
        with pytest.raises(InputError, match="the log's times go from 1970-01-01 00:00 to 1970-01-01 00:00 UTC"):
            ingested(home, {**JSONL, **settings}, {"log.jsonl": event(event_time=value)})
        return
    run = ingested(home, {**JSONL, **settings}, {"log.jsonl": event(event_time=value)})
    (seen,) = run.read("queries")["first_seen"].to_pylist()
    assert seen.replace(microsecond=0) == MOMENT


def test_numbers_and_texts_of_parquet_are_times_too(home: Path) -> None:
    rows = {"event_time": [1_772_269_200_123.0, 1_772_269_200_000.0, float("nan")], "query": ["a", "b", "c"],
            "document_id": ["0"] * 3}  # fmt: skip
    run = ingested(home, PARQUET, {"log.parquet": parquet(**rows)})
    assert {row["query"]: row["first_seen"].microsecond for row in run.read("queries").to_pylist()} == {
        "a": 123_000,
        "b": 0,
    }
    assert rejected(run) == {"malformed_time": 1}
    other = ingested(
        home, {"path": "day.parquet"}, {"day.parquet": parquet(event_time=[20_260_228, 20_250_101], query=["a", "b"])}
    )
    assert queries(other) == {"a": 1}


def test_numbers_are_those_that_are_finite(home: Path) -> None:
    dwell = {"a": 9.99, "b": 10, "c": "10.0", "d": " 1e1 ", "e": "inf", "f": "NaN", "g": "ten", "h": None, "i": "1e999"}
    lines = [event(query=query, dwell=number) for query, number in dwell.items()]
    settings = {"columns": {"dwell": "dwell"}, "clicks": {"min_dwell_seconds": 10}}
    run = ingested(home, {**JSONL, **settings}, {"log.jsonl": "".join(lines)})
    # What is no number says nothing of how long people stayed.
    assert queries(run) == dict.fromkeys("bcdefghi", 1)


@pytest.mark.parametrize("kind", [pa.list_(pa.string()), pa.large_list(pa.int64()), pa.string()])
def test_lists_of_parquet_and_of_json_are_texts(spark: SparkSession, kind: pa.DataType, tmp_path: Path) -> None:
    rows = [["1", "2"], [], None] if pa.types.is_list(kind) else [[1, 2], [], None]
    if pa.types.is_string(kind):
        rows = ['["1", 2]', "[]", "no list"]
    pq.write_table(pa.table({"hits": pa.array(rows, kind)}), tmp_path / "a.parquet")
    table = Table("searches", "source.queries", TableFiles(path=str(tmp_path / "a.parquet")))
    found = read(spark, open_table(table, [Column("hits", "hits", "list")]), rows=False).collect()
    assert [row["hits"] for row in found] == [["1", "2"], [], None]
