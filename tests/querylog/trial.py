"""One ingest of files that a test writes, and the sum that has to come out: every row in is a row somewhere."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synalign.config import Configuration
from synalign.run import Interval, Run
from synalign.steps.ingest import ingest, source_files
from synalign.steps.job import perform

TIME = "2026-02-28T09:00:00Z"
MOMENT = datetime(2026, 2, 28, 9, tzinfo=UTC)
JSONL = {"path": "log.jsonl", "format": "jsonl"}
CSV = {"path": "log", "format": "csv"}
PARQUET = {"path": "log.parquet", "format": "parquet"}
CLICKS = {"columns": {"clicks": "clicks"}}
INTERVAL = Interval.parse("2026-02-28", "2026-03-01")
DOCUMENTS = "".join(
    json.dumps({"document_id": str(number), "title": "t", "text": f"text {number}"}) + "\n" for number in range(5)
)


def event(**fields: Any) -> str:
    """A line of a log in JSONL."""
    return json.dumps({"event_time": TIME, "query": "a", "document_id": "0", **fields}) + "\n"


def parquet(**columns: Any) -> bytes:
    """A log in Parquet; None leaves a column out."""
    rows = len(next(values for values in columns.values() if values is not None))
    content = {"event_time": [MOMENT] * rows, "query": ["a"] * rows, "document_id": ["0"] * rows, **columns}
    stream = io.BytesIO()
    pq.write_table(pa.table({name: values for name, values in content.items() if values is not None}), stream)
    return stream.getvalue()


def configured(source: Mapping[str, Any], **sections: Any) -> Configuration:
    """A retriever with this source; its documents are `DOCUMENTS` unless it says otherwise."""
    whole = {"kind": "log", "path": "log", "documents": {"path": "d.jsonl", "format": "jsonl"}, **source}
    if whole["kind"] in ("beir", "labelled"):
        whole.pop("documents")
    content = {"retriever": "trial", "schedule": {"start": "2026-01-01"}, "source": whole, **sections}
    return Configuration.model_validate(content)


def write(home: Path, files: Mapping[str, bytes | str]) -> None:
    """Write files below a home."""
    for name, content in {"d.jsonl": DOCUMENTS, **files}.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def ingested(home: Path, source: Mapping[str, Any], files: Mapping[str, bytes | str] | None = None) -> Run:
    """A finished ingest of files, every row of which is accounted for.

    Raises:
        SynAlignError: It cannot be.
    """
    write(home, files or {})
    run = Run(configured(source), INTERVAL)
    perform(run, "ingest", ingest, source_files(run))
    metrics = metrics_of(run)
    assert metrics["log_rows"] == accounted(metrics), metrics
    assert run.read("rejected").num_rows == sum(n for key, n in metrics.items() if "_rejected_" in key)
    for text in run.read("rejected")["row"].to_pylist():
        json.loads(text)
    return run


def metrics_of(run: Run) -> dict[str, int]:
    """What ingest counted."""
    return dict(run.require("ingest")["metrics"])


def accounted(metrics: Mapping[str, int]) -> int:
    """Rows of the log that went somewhere."""
    rejected = sum(number for key, number in metrics.items() if key.startswith("log_rejected_"))
    places = ("log_rows_usable", "log_rows_outside_window", "log_rows_not_relevant")
    return rejected + sum(metrics.get(place, 0) for place in places)


def rejected(run: Run) -> Counter[str]:
    """Rejected rows by rule."""
    return Counter(run.read("rejected")["rule"].to_pylist())


def queries(run: Run) -> dict[str, int]:
    """Queries with their counts."""
    table = run.read("queries")
    return dict(zip(table["query"].to_pylist(), table["count"].to_pylist(), strict=True))
