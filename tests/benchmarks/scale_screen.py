"""Screens and targets on made vectors, each as a process of its own: `python -m … PART CANDIDATES ROWS FORCED`.

As many documents as real queries, of width 384. The tables are written as steps write them; `screen` is the step, and
`targets` the part of the step *generate* that goes through documents and pairs.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from synalign import flow
from synalign.config import Configuration
from synalign.generation.demonstration_batches import TrainQueries, read_batches
from synalign.run import Attempt, Interval, Run
from synalign.screening.round_trip import ROUNDING
from synalign.spark import folded
from synalign.steps.job import perform
from synalign.steps.screen import screen
from synalign.tables import schema
from tests.benchmarks.mining_step import WIDTH, unit, write_vectors
from tests.benchmarks.processes import peak_memory
from tests.handmade import table_of

_AT_ONCE = 50_000
_START = datetime(2026, 2, 28, tzinfo=UTC)
DEPTH, THRESHOLD = 10, 0.95
MEMBERS, PER_BATCH = 7, 12


class Verdict(NamedTuple):
    """What exact cosines say of a candidate: the rank of its document, and the nearest real queries."""

    rank: int
    held_out: float
    train: float


class World:
    """Made documents and queries; a part is drawn again whenever it is needed."""

    def __init__(self, candidates: int, rows: int) -> None:
        random = np.random.default_rng(1)
        self.count, self.rows = candidates, rows
        self.own, self.near = (random.integers(0, rows, candidates) for _ in range(2))
        # Of a hundred candidates, 85 lie near their documents, 10 near nothing, 5 on a real query and near enough.
        self.kind = random.choice(3, candidates, p=[0.85, 0.1, 0.05])

    def parts(self, seed: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield the first number and the vectors of parts of the documents (seed 2) or of the real queries (seed 3)."""
        for first in range(0, self.rows, _AT_ONCE):
            count = min(_AT_ONCE, self.rows - first)
            yield first, unit(np.random.default_rng([seed, first]).standard_normal((count, WIDTH), dtype=np.float32))

    @cached_property
    def candidates(self) -> NDArray[np.float32]:
        """(m, d) vectors of the candidates."""
        found = np.random.default_rng(4).standard_normal((self.count, WIDTH), dtype=np.float32)
        found *= np.where(self.kind == 1, 1.0, np.where(self.kind == 0, 0.03, 0.001)).astype(np.float32)[:, None]
        # Those on a real query lean to their document, which 0.29 of cosine make the nearest of random ones.
        for kind, seed, at, share in ((0, 2, self.own, 1.0), (2, 2, self.own, 0.3), (2, 3, self.near, 1.0)):
            for first, part in self.parts(seed):
                inside = np.flatnonzero((self.kind == kind) & (at >= first) & (at < first + len(part)))
                found[inside] += np.float32(share) * part[at[inside] - first]
        return unit(found)

    def held_out(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which real queries are held out: a fifth of them."""
        return numbers % 5 == 0

    def verdicts(self, rows: NDArray[np.int64]) -> list[Verdict]:
        """Compare some candidates with all documents and real queries, in double precision."""
        some = self.candidates[rows].astype(np.float64)
        own, held, train = np.zeros(len(rows)), np.full(len(rows), -1.0), np.full(len(rows), -1.0)
        ranks = np.ones(len(rows), dtype=np.int64)
        for first, part in self.parts(2):
            inside = np.flatnonzero((self.own[rows] >= first) & (self.own[rows] < first + len(part)))
            own[inside] = np.einsum("nd,nd->n", some[inside], part[self.own[rows][inside] - first])
        for _, part in self.parts(2):
            ranks += np.count_nonzero(some @ part.T.astype(np.float64) > own[:, None] + ROUNDING, axis=1)
        for first, part in self.parts(3):
            cosines = some @ part.T.astype(np.float64)
            judging = self.held_out(np.arange(first, first + len(part)))
            held = np.maximum(held, cosines.max(axis=1, where=judging, initial=-1.0))
            train = np.maximum(train, cosines.max(axis=1, where=~judging, initial=-1.0))
        return [Verdict(*each) for each in zip(ranks.tolist(), held.tolist(), train.tolist(), strict=True)]

    def write(self, run: Run) -> None:
        """Finish the steps before *screen* with these tables."""
        batches = min(2_000, max(2, self.rows // 500))
        members = list(range(1, self.rows, max(1, self.rows // (batches * MEMBERS))))
        members = [row for row in members if row % 5][: batches * MEMBERS]
        names = [f"c{row}" for row in range(self.count)]
        tables: dict[str, Any] = {
            "candidates": {
                "candidate_id": names, "batch_id": ["b"] * self.count, "query": [f"ask {name}" for name in names],
                "document_id": [f"d{row}" for row in self.own.tolist()], "request_id": ["r"] * self.count,
            },
            "demonstrations": pa.table({
                "batch_id": [f"b{row // MEMBERS:05d}" for row in range(len(members))],
                "position": [row % MEMBERS for row in range(len(members))], "query_id": [f"q{row}" for row in members],
                "role": ["anchor"] * len(members), "variance": [1.0] * len(members),
            }),
        }  # fmt: skip
        streamed = {"queries": self._queries, "documents": self._documents, "pairs": self._pairs}
        vectors = {"query_embeddings": ("q", 3), "document_embeddings": ("d", 2)}
        for step in flow.before("screen"):
            attempt = Attempt(run, step)
            attempt.begin()
            for table in step.writes:
                if table in vectors:
                    letter, seed = vectors[table]
                    write_vectors(attempt, table, ((letter, first, part) for first, part in self.parts(seed)))
                elif table == "candidate_embeddings":
                    write_vectors(attempt, table, [("c", 0, self.candidates)])
                elif table in streamed:
                    _write(attempt, table, (streamed[table](numbers) for numbers in self._numbers()))
                else:
                    attempt.write(table, table_of(run, table, tables))
            attempt.commit()

    def _numbers(self) -> Iterator[NDArray[np.int64]]:
        for first in range(0, self.rows, _AT_ONCE):
            yield np.arange(first, min(first + _AT_ONCE, self.rows))

    def _queries(self, numbers: NDArray[np.int64]) -> dict[str, Any]:
        times = pa.array(np.zeros(len(numbers), dtype=np.int64), pa.timestamp("us", tz="UTC"))
        return {
            "query_id": _ids("q", numbers), "query": _ids("how to use thing ", numbers), "count": numbers % 7 + 1,
            "first_seen": times, "last_seen": times, "split": self._splits(numbers),
            "label": pa.nulls(len(numbers), pa.string()),
        }  # fmt: skip

    def _splits(self, numbers: NDArray[np.int64]) -> list[str]:
        return np.where(self.held_out(numbers), "test", "train").tolist()

    def _documents(self, numbers: NDArray[np.int64]) -> dict[str, Any]:
        return {"document_id": _ids("d", numbers), "title": [""] * len(numbers), "text": _ids("about thing ", numbers)}

    def _pairs(self, numbers: NDArray[np.int64]) -> dict[str, Any]:
        chosen = np.random.default_rng([5, int(numbers[0])]).integers(0, self.rows, len(numbers))
        return {
            "pair_id": _ids("p", numbers), "query_id": _ids("q", numbers),
            "query": _ids("how to use thing ", numbers), "document_id": _ids("d", chosen),
            "count": numbers % 3 + 1, "split": self._splits(numbers),
        }  # fmt: skip


def _ids(before: str, numbers: NDArray[np.int64]) -> list[str]:
    return [f"{before}{number}" for number in numbers.tolist()]


def _write(attempt: Attempt, table: str, parts: Iterable[dict[str, Any]]) -> None:
    output = attempt.output(table)
    output.make()
    with (output / "part-00000.parquet").open_output() as stream, pq.ParquetWriter(stream, schema(table)) as writer:
        for part in parts:
            writer.write_table(pa.table(part).select(schema(table).names).cast(schema(table)), row_group_size=10_000)


def run_of() -> Run:
    """Return the run, below $SYNALIGN_HOME."""
    configuration = {
        "retriever": "screened", "schedule": {"start": "2026-01-01"}, "source": {"kind": "beir", "path": "none"},
        "generation": {"documents_per_batch": PER_BATCH, "targets": "mixed"},
        "screening": {"near_duplicate_cosine": THRESHOLD, "round_trip_depth": DEPTH},
    }  # fmt: skip
    return Run(Configuration.model_validate(configuration), Interval(_START, _START + timedelta(days=1)))


def main(part: str, candidates: str, rows: str, forced: str) -> None:
    """Do one part, and print what it took.

    Args:
        part: `write`, `screen` or `targets`.
        candidates: How many there are.
        rows: How many documents, and how many real queries.
        forced: `spark`: Spark also compares what the driver would.
    """
    run, started = run_of(), time.perf_counter()
    found: dict[str, Any] = {}
    with patch.object(folded, "DRIVER_BYTES", 0 if forced == "spark" else folded.DRIVER_BYTES):
        if part == "write":
            World(int(candidates), int(rows)).write(run)
        elif part == "screen":
            found = {"rejected": perform(run, "screen", screen)["metrics"]["rejected"]}
        else:
            batches = read_batches(run)
            used = Counter(document.document_id for batch in batches for document in batch.documents)
            found = {"batches": len(batches), "documents": len(used), "train": sum(1 for _ in TrainQueries(run))}
    print(json.dumps({"seconds": time.perf_counter() - started, "driver_bytes": peak_memory(), **found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
