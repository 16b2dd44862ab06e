"""Parquet of several writers through a whole ingest."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.querylog.trial import (
    MOMENT,
    PARQUET,
    TIME,
    ingested,
    metrics_of,
    parquet,
    queries,
)

pytestmark = pytest.mark.usefixtures("spark")


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_nanoseconds_are_times_like_others(home: Path, zone: str | None) -> None:
    nanos = int(MOMENT.timestamp()) * 10**9
    times = pa.array([nanos + 999, nanos, nanos + 86_400 * 10**9], pa.timestamp("ns", zone))
    run = ingested(
        home, PARQUET, {"log.parquet": parquet(event_time=times, query=["a", "b", "c"], document_id=["0"] * 3)}
    )
    assert {row["query"]: row["first_seen"] for row in run.read("queries").to_pylist()} == {"a": MOMENT, "b": MOMENT}
    assert metrics_of(run)["log_rows_outside_window"] == 1


def test_old_writers_times_are_read(home: Path) -> None:
    stream = io.BytesIO()
    table = pa.table({"event_time": [MOMENT], "query": ["a"], "document_id": ["0"]})
    pq.write_table(table, stream, use_deprecated_int96_timestamps=True)
    run = ingested(home, PARQUET, {"log.parquet": stream.getvalue()})
    assert run.read("queries")["first_seen"].to_pylist() == [MOMENT]


def test_files_of_other_types_and_orders_are_read_together(home: Path) -> None:
    moments = pa.array([1_772_269_200_000_000_000], pa.timestamp("ns"))
    files: dict[str, bytes | str] = {}
    for name, columns in {
        "a": {"event_time": [TIME], "query": ["text"], "document_id": ["0"]},
        "b": {"document_id": [1], "event_time": moments, "query": ["number"], "more": [1.5]},
        "c": {"query": pa.array(["category"]).dictionary_encode(), "document_id": [2], "event_time": [TIME[:-1]]},
    }.items():
        stream = io.BytesIO()
        pq.write_table(pa.table(columns), stream)
        files[f"log/{name}.parquet"] = stream.getvalue()
    run = ingested(home, {"format": "parquet"}, files)
    assert queries(run) == {"text": 1, "number": 1, "category": 1}
