"""Training sets made by hand, as files, and what an export of them leaves in a folder."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from synalign.export import Options, export
from synalign.export.layout import Written
from synalign.export.source import Source, find
from synalign.storage import Place

ODD = 'naïve "quotes",\ttabs\nlines \u2028 and ☕'


class Row(NamedTuple):
    """A row of a training set."""

    query: str
    document_id: str
    document: str
    weight: float = 1.0
    split: str = "train"
    score: float | None = None
    negatives: tuple[str, ...] = ()
    scores: tuple[float | None, ...] = ()


ROWS = (
    Row("sort a list", "d1", "sorted(x)", 0.5, "train", 9.0, ("read(f)", "nothing like it"), (2.0, -1.0)),
    Row(ODD, "d 2", "read(f)", 2.0, "train", 7.0, ("sorted(x)", ODD + " too"), (1.5, 0.0)),
    Row("sort a list", "d3", "x.sort()", 1.0, "train", 8.0, ("read(f)",), (1.0,)),
    Row("held out", "d1", "sorted(x)", 1.0, "validation"),
    Row("held out too", "d4", "only here", 1.0, "test"),
)
"""Three train rows, the last with one negative of two; a pair of each other split."""


def table(rows: tuple[Row, ...] = ROWS, count: int = 2) -> pa.Table:
    columns: dict[str, Any] = {
        "pair_id": [f"p{number}" for number in range(len(rows))],
        "query": [row.query for row in rows],
        "document_id": [row.document_id for row in rows],
        "document": [row.document for row in rows],
        "source": ["real"] * len(rows),
        "weight": [row.weight for row in rows],
        "split": [row.split for row in rows],
    }
    if count:
        columns["score"] = pa.array([row.score for row in rows], pa.float64())
    for number in range(count):
        columns[f"negative_{number + 1}"] = pa.array([_at(row.negatives, number) for row in rows], pa.string())
    for number in range(count):
        columns[f"negative_score_{number + 1}"] = pa.array([_at(row.scores, number) for row in rows], pa.float64())
    return pa.table(columns)


def _at(values: tuple[Any, ...], number: int) -> Any:
    return values[number] if number < len(values) else None


@contextmanager
def source(folder: Path, rows: tuple[Row, ...] = ROWS, count: int = 2) -> Iterator[Source]:
    path = folder / "training_set" / "part-00000.parquet"
    path.parent.mkdir(exist_ok=True)
    pq.write_table(table(rows, count), path)
    with find(str(path)) as found:
        yield found


def exported(
    folder: Path, to: str, rows: tuple[Row, ...] = ROWS, count: int = 2, **options: Any
) -> tuple[Path, Written]:
    """Export a set to `folder/out`; returns that and what was written."""
    with source(folder, rows, count) as found:
        written = export(found, to, Place(folder / "out"), Options(**options))
    return folder / "out", written


def lines(path: Path) -> list[dict[str, Any]]:
    """Read lines of JSON as every reader of the format does: parted by line feeds alone."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
