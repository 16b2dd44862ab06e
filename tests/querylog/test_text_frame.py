"""Text files in parts, and rows of CSV files by name."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from synalign.querylog.dialect import Dialect
from synalign.querylog.text_frame import Part, parts_of, portions
from tests.querylog.trial import (
    CSV,
    TIME,
    ingested,
    queries,
    rejected,
)

pytestmark = pytest.mark.usefixtures("spark")


def test_csv_files_of_one_folder_are_read_by_name(home: Path) -> None:
    files = {
        "log/a.csv": f"event_time,query,document_id\n{TIME},a,0\n",
        "log/b.csv": f"query,event_time,document_id,more\nb,{TIME},1,x\n",
        "log/c.tsv": f"document_id\tevent_time\tquery\n2\t{TIME}\tc\n",
        "log/d.csv": f"document_id;event_time;query\r\n2;{TIME};d\r\n".encode("utf-16"),
    }
    run = ingested(home, CSV, files)
    assert queries(run) == {"a": 1, "b": 1, "c": 1, "d": 1}


def test_a_swallowing_quote_is_named_with_its_line(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    good = "".join(f"{TIME},b,0\n" for _ in range(500))
    with caplog.at_level(logging.WARNING, "synalign"):
        run = ingested(home, CSV, {"log/a.csv": f'event_time,query,document_id\n{TIME},"a,0\n{good}'})
    assert queries(run) == {"b": 500}
    assert rejected(run) == {"unclosed_quote": 1}
    assert "line 2 of a.csv" in caplog.text
    kept = json.loads(run.read("rejected")["row"].to_pylist()[0])
    assert kept == {"line": f'{TIME},"a,0', "file": "a.csv", "number": 2}


def test_a_large_file_is_read_in_parts_and_a_compressed_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synalign.querylog.text_frame.TASK_BYTES", 1000)
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"a": {number}}}\n' for number in range(1000)))
    part = Part(Dialect(str(path), "jsonl", "none", "utf-8"), 0, None, None, ())
    parts = parts_of(part)
    assert len(parts) > 5
    found = [value for one in parts for values, _, _ in portions(one, ["a"], [True], rows=False) for value in values[0]]
    assert found == [str(number) for number in range(1000)]
    for other in ({"compression": "gzip"}, {"encoding": "utf-16"}, {"format": "csv"}):
        assert len(parts_of(part._replace(dialect=part.dialect._replace(**other)))) == 1
