"""Files of a table: their format by their names, and how they are opened."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import pyarrow as pa
import pytest

from synalign.querylog.sources import open_source
from synalign.querylog.text_frame import Part, portions
from tests.querylog.trial import (
    TIME,
    configured,
    event,
    parquet,
    write,
)


@pytest.mark.parametrize("name", ["log.txt", "log.tsv.gz", "log.csv.bz2", "log.ndjson.zst", "log.json.xz", "log.pq"])
def test_the_format_is_told_from_the_ending(home: Path, name: str) -> None:
    table = f"event_time\tquery\tdocument_id\n{TIME}\ta\t0\n".encode()
    content: dict[str, bytes] = {
        "log.txt": table,
        "log.tsv.gz": gzip.compress(table[:30]) + gzip.compress(table[30:]),
        "log.csv.bz2": bz2.compress(table),
        "log.ndjson.zst": pa.compress(event().encode(), "zstd", asbytes=True),
        "log.json.xz": lzma.compress(event().encode()),
        "log.pq": parquet(query=["a"]),
    }
    write(home, {name: content[name]})
    opened = open_source(configured({"path": name, "format": "auto"}).source).log
    assert opened is not None
    assert set(opened.names) == {"event_time", "query", "document_id"}
    assert opened.format == {"log.pq": "parquet", "log.ndjson.zst": "jsonl", "log.json.xz": "jsonl"}.get(name, "csv")
    for head in opened.heads:
        part = Part(head.dialect, 0, None, None, ())
        assert [values for values, _, _ in portions(part, ["query"], [True], rows=False)] == [[["a"]]]
