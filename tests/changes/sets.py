"""Training sets made by hand, in runs whose steps look finished."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from rich.console import Console

from synalign import changes, flow, tables
from synalign.changes import terminal
from synalign.config import Configuration
from synalign.run import Attempt, Interval, Run
from synalign.tables import content_id
from tests.handmade import table_of

FIRST = Interval.parse("2026-02-27", "2026-02-28")
SECOND = Interval.parse("2026-02-28", "2026-03-01")
NAMES = (f"shop/{FIRST.name}", f"shop/{SECOND.name}")
ENCODER = {"model": "made", "revision": "ab" * 32, "precision": "float32"}


class Row(NamedTuple):
    query: str
    document: str = "d"
    weight: float = 1.0
    source: str = "synthetic"
    split: str = "train"
    interval: str | None = None


def real(*queries: str, split: str = "train") -> list[Row]:
    return [Row(query, source="real", split=split) for query in queries]


def finished(
    configuration: Configuration,
    interval: Interval,
    rows: Sequence[Row],
    *,
    metrics: Mapping[str, dict[str, Any]] | None = None,
    vectors: Mapping[str, Sequence[float]] | None = None,
) -> Run:
    """A run that has a training set of these rows; vectors of queries not given are drawn from their text."""
    run = Run(configuration, interval)
    contents = {"training_set": _training_set(rows), "query_embeddings": _embeddings(rows, vectors or {})}
    figures = {"embed": ENCODER, "assemble": {"scheme": "aligned"}, **(metrics or {})}
    for step in flow.before("register"):
        attempt = Attempt(run, step)
        attempt.begin()
        for table in step.writes:
            attempt.write(table, table_of(run, table, contents))
        attempt.metrics = figures.get(step.name, {})
        attempt.commit()
    return run


def _training_set(rows: Sequence[Row]) -> pa.Table:
    return pa.table(
        {
            "pair_id": [content_id(row.query, row.document) for row in rows],
            "query": [row.query for row in rows],
            "document_id": [row.document for row in rows],
            "document": [f"{row.document} title\nand text" for row in rows],
            "source": [row.source for row in rows],
            "weight": [row.weight for row in rows],
            "split": [row.split for row in rows],
            "batch_id": pa.nulls(len(rows), pa.string()),
            "request_id": pa.nulls(len(rows), pa.string()),
            "interval": pa.array([row.interval for row in rows], pa.string()),
        }
    )


def _embeddings(rows: Sequence[Row], given: Mapping[str, Sequence[float]]) -> pa.Table:
    queries = sorted({row.query for row in rows if row.source == "real"})
    vectors = [np.asarray(given.get(query, _drawn(query)), dtype=np.float32) for query in queries]
    kind = tables.schema("query_embeddings").field("embedding").type
    return pa.table(
        {
            "id": [content_id(query) for query in queries],
            "embedding": pa.array([(vector / np.linalg.norm(vector)).tolist() for vector in vectors], kind),
        }
    )


def _drawn(query: str) -> Sequence[float]:
    drawn: list[float] = np.random.default_rng(int(content_id(query)[:8], 16)).normal(size=4).tolist()
    return drawn


def compared() -> changes.Changes:
    """What changed between the two sets."""
    return changes.compare(*(changes.side(name) for name in NAMES))


def told(found: changes.Changes, width: int = 120) -> str:
    """What a terminal shows of it."""
    console = Console(file=io.StringIO(), width=width, highlight=False)
    terminal.show(found, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
