"""The step *mine* on made vectors, as a process of its own: `python -m … PAIRS DOCUMENTS`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from synalign import flow
from synalign.config import Configuration
from synalign.run import Attempt, Interval, Run
from synalign.steps.job import perform
from synalign.steps.mine import mine
from synalign.tables import content_id, schema

WIDTH = 384
_AT_ONCE, _ROW_GROUP = 50_000, 10_000
_START = datetime(2026, 2, 28, tzinfo=UTC)


class World:
    """Made documents and the queries that lie near them; a part is drawn again whenever it is needed."""

    def __init__(self, pairs: int, documents: int) -> None:
        self.pairs, self.documents = pairs, documents
        self.own = np.random.default_rng(1).integers(0, documents, pairs)

    def parts(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield the number of a part's first document, and its vectors."""
        for first in range(0, self.documents, _AT_ONCE):
            yield first, self._part(first)

    def _part(self, first: int) -> NDArray[np.float32]:
        rows = min(_AT_ONCE, self.documents - first)
        return unit(np.random.default_rng([2, first]).normal(size=(rows, WIDTH)))

    @cached_property
    def queries(self) -> NDArray[np.float32]:
        """(p, d) vectors of the queries."""
        near = np.random.default_rng(3).normal(size=(self.pairs, WIDTH), scale=0.06).astype(np.float32)
        for first, part in self.parts():
            inside = np.flatnonzero((self.own >= first) & (self.own < first + len(part)))
            near[inside] += part[self.own[inside] - first]
        return unit(near)

    def query(self, place: int) -> NDArray[np.float32]:
        """Return the vector of one query."""
        return self.queries[place]

    def document(self, number: int) -> NDArray[np.float32]:
        """Return the vector of one document."""
        first = number // _AT_ONCE * _AT_ONCE
        return self._part(first)[number - first]

    def pair(self, place: int) -> str:
        """Return the id of a pair."""
        return content_id(f"query {place}", f"d{self.own[place]}")

    def write(self, run: Run) -> None:
        """Finish the steps before *mine* with these tables."""
        queries = range(self.pairs)
        rows: dict[str, pa.Table] = {
            "pairs": pa.table({
                "pair_id": [self.pair(place) for place in queries], "query_id": [f"q{place}" for place in queries],
                "query": [f"query {place}" for place in queries],
                "document_id": [f"d{number}" for number in self.own.tolist()], "count": [1] * self.pairs,
                "split": ["train"] * self.pairs,
            }),
            "documents": pa.table({"document_id": [f"d{number}" for number in range(self.documents)],
                                   "title": [""] * self.documents, "text": ["made"] * self.documents}),
        }  # fmt: skip
        vectors = {
            "query_embeddings": lambda: [("q", 0, self.queries)],
            "document_embeddings": lambda: (("d", first, part) for first, part in self.parts()),
        }
        for step in flow.before("mine"):
            attempt = Attempt(run, step)
            attempt.begin()
            for table in step.writes:
                if table in vectors:
                    write_vectors(attempt, table, vectors[table]())
                else:
                    attempt.write(table, rows.get(table, schema(table).empty_table()))
            attempt.commit()


def unit(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Return rows of length 1."""
    found: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return found


def write_vectors(attempt: Attempt, table: str, parts: Iterable[tuple[str, int, NDArray[np.float32]]]) -> None:
    """Write vectors as Spark's tasks do: in row groups of ten thousand.

    Args:
        attempt: Of the step that writes the table.
        table: The table.
        parts: The letter of their ids, the number of the first, and the vectors.
    """
    output = attempt.output(table)
    output.make()
    with (output / "part-00000.parquet").open_output() as stream, pq.ParquetWriter(stream, schema(table)) as writer:
        for letter, first, part in parts:
            offsets = pa.array(np.arange(0, part.size + 1, WIDTH, dtype=np.int32))
            lists = pa.ListArray.from_arrays(offsets, pa.array(part.ravel()))
            ids = pa.array([f"{letter}{number}" for number in range(first, first + len(part))])
            rows = pa.table([ids, lists], names=["id", "embedding"]).cast(schema(table))
            writer.write_table(rows, row_group_size=_ROW_GROUP)


def run_of() -> Run:
    """Return the run, below $SYNALIGN_HOME."""
    configuration = {
        "retriever": "mined", "schedule": {"start": "2026-01-01"},
        "source": {"kind": "beir", "path": "none"}, "negatives": {"sources": ["encoder"]},
    }  # fmt: skip
    return Run(Configuration.model_validate(configuration), Interval(_START, _START + timedelta(days=1)))


def main(*numbers: str) -> None:
    """Mine, and print what the step says of it."""
    started = time.perf_counter()
    summary = perform(run_of(), "mine", mine)
    print(json.dumps({"seconds": time.perf_counter() - started, **summary["metrics"]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
