"""An opened table: columns of its folders, and what its files tell."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.querylog.trial import (
    ingested,
    metrics_of,
    parquet,
)

pytestmark = pytest.mark.usefixtures("spark")


@pytest.mark.parametrize(("format_", "day"), [("parquet", "2026-02-28"), ("csv", "20260228"), ("jsonl", "2026-02-28")])
def test_a_folder_of_a_day_is_a_column(home: Path, format_: str, day: str) -> None:
    content: dict[str, bytes | str] = {
        "parquet": parquet(event_time=None, query=["a"]),
        "csv": "query,document_id\na,0\n",
        "jsonl": '{"query": "a", "document_id": 0}\n',
    }
    source = {"path": "log", "format": format_, "columns": {"event_time": "dt", "label": "country"}}
    files = {
        f"log/dt={day}/country=de at/a.{format_}": content[format_],
        f"log/dt=2020{day[4:]}/country=de/a.{format_}": content[format_],
    }
    run = ingested(home, source, files)
    (row,) = run.read("queries").to_pylist()
    assert (row["label"], row["first_seen"]) == ("de at", datetime(2026, 2, 28, tzinfo=UTC))
    assert metrics_of(run)["log_rows_outside_window"] == 1


def test_what_was_told_from_files_is_said(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = f"event_time\tquery\tdocument_id\n{1_772_269_200_000}\té\t0\n"
    with caplog.at_level(logging.INFO, "synalign"):
        ingested(home, {"path": "log", "format": "csv"}, {"log/a.txt": lines.encode("utf-16"), "log/notes.md": "x"})
    (line,) = [record.message for record in caplog.records if record.message.startswith("query log:")]
    for words in ("1 file", "tab-separated", "utf-16", "epoch milliseconds (guessed from '1772269200000')", "notes.md"):
        assert words in line
