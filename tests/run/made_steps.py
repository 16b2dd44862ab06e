"""Steps of one interval that write tables of a row or two."""

import pyarrow as pa

from synalign.run import Attempt, Interval
from synalign.tables import schema

INTERVAL = Interval.parse("2026-02-28T00:00:00+00:00", "2026-03-01T00:00:00+00:00")
DOCUMENTS = pa.table({"document_id": ["d1", "d2"], "title": ["", "t"], "text": ["a", "b"]})
QUERIES = pa.table(
    {
        "query_id": ["q1"],
        "query": ["how"],
        "count": [1],
        "first_seen": pa.array([0], pa.timestamp("us", tz="UTC")),
        "last_seen": pa.array([0], pa.timestamp("us", tz="UTC")),
        "split": ["train"],
        "label": pa.array([None], pa.string()),
    }
)
PAIRS = pa.table(
    {"pair_id": ["p"], "query_id": ["q1"], "query": ["how"], "document_id": ["d1"], "count": [1], "split": ["train"]}
)
REJECTED = pa.table({name: pa.array([], pa.string()) for name in ("source", "row", "rule", "reason")})


def ingest(attempt: Attempt) -> None:
    for table, content in (("documents", DOCUMENTS), ("queries", QUERIES), ("pairs", PAIRS), ("rejected", REJECTED)):
        attempt.write(table, content)
    attempt.write("skips", schema("skips").empty_table())
    attempt.metrics["rows"] = 3


def nothing(attempt: Attempt) -> None:
    """Carry nothing."""
    attempt.write("carried", schema("carried").empty_table())


def vectors(attempt: Attempt) -> None:
    for table in attempt.step.writes:
        attempt.write(table, pa.table({"id": ["x"], "embedding": pa.array([[1.0]], pa.list_(pa.float32()))}))
