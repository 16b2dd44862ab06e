"""What a pool of so many candidates costs a night, step by step: seconds and peak memory of each driver step.

Tables are made, vectors drawn around as many centres as there are documents; steps are the product's, each in a process
of its own, as Airflow starts them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from synalign import flow
from synalign.config import Configuration
from synalign.run import Attempt, Interval, Run
from synalign.steps import align, carry, evaluate, sample, screen
from synalign.steps.job import perform
from synalign.storage import Place
from synalign.tables import content_id, document_digest, schema
from tests.benchmarks.measurement import add_size
from tests.benchmarks.nights_steps import Way, midnight, run_of

WIDTH = 384
SIZES = {"smoke": (60, 10, 300, 20), "full": (100_000, 1_100, 20_000, 25_000)}
"""Candidates of the night before, new ones, real queries, documents."""

_WORK = {"carry": carry.carry, "sample": sample.sample, "screen": screen.screen, "align": align.align,
         "evaluate": evaluate.evaluate}  # fmt: skip


class Made:
    """A night before with a pool's worth of candidates, and today's traffic.

    Args:
        pool: Candidates of the night before.
        new: Today's.
        queries: Distinct real queries.
        documents: Documents.
    """

    def __init__(self, pool: int, new: int, queries: int, documents: int) -> None:
        rng = np.random.default_rng(0)
        self.centres = _unit(rng.normal(size=(documents, WIDTH)))
        self.documents = [f"d{row:07d}" for row in range(documents)]
        self.query_ids = [content_id(f"ask {row}") for row in range(queries)]
        self.splits = rng.choice(["train", "validation", "test"], queries, p=[0.7, 0.1, 0.2]).tolist()
        self.asked = rng.integers(0, documents, queries)
        self.query_vectors = self._near(self.asked, rng)
        self.written = {"pool": rng.integers(0, documents, pool), "new": rng.integers(0, documents, new)}
        self.vectors = {name: self._near(of, rng) for name, of in self.written.items()}

    def _near(self, of: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return _unit(self.centres[of] + 0.04 * rng.normal(size=(len(of), WIDTH))).astype(np.float32)

    def ingested(self) -> dict[str, pa.Table]:
        """Return the tables of *ingest* and *embed* without the pool."""
        now, train = datetime(2026, 2, 1, tzinfo=UTC), len(self.query_ids)
        texts = [f"ask {row}" for row in range(train)]
        return {
            "queries": pa.table({
                "query_id": self.query_ids, "query": texts, "count": [1] * train, "first_seen": [now] * train,
                "last_seen": [now] * train, "split": self.splits, "label": pa.nulls(train, pa.string()),
            }),
            "documents": pa.table({
                "document_id": self.documents, "title": [""] * len(self.documents),
                "text": [f"all about {name}" for name in self.documents],
            }),
            "pairs": pa.table({
                "pair_id": self.query_ids, "query_id": self.query_ids, "query": texts,
                "document_id": [self.documents[row] for row in self.asked], "count": [1] * train, "split": self.splits,
            }),
            "query_embeddings": _embeddings(self.query_ids, self.query_vectors),
            "document_embeddings": _embeddings(self.documents, self.centres.astype(np.float32)),
        }  # fmt: skip

    def candidates(self, name: str) -> dict[str, pa.Table]:
        """Return the tables of *generate* and of its vectors, of the night before or of today."""
        of = self.written[name]
        ids = [content_id(name, str(row)) for row in range(len(of))]
        anchor = self.query_ids[self.splits.index("train")]
        shown = [content_id(anchor)] * len(of)
        return {
            "demonstrations": pa.table({"batch_id": shown[:1], "position": [0], "query_id": [anchor],
                                        "role": ["anchor"], "variance": [1.0]}),
            "requests": pa.table({"request_id": ["r"], "batch_id": shown[:1], "kind": ["write"], "outcome": ["ok"],
                                  "model": ["m"], "prompt_version": ["1"], "seconds": [0.1],
                                  "tokens_in": pa.array([1], pa.int64()), "tokens_out": pa.array([1], pa.int64())}),
            "candidates": pa.table({
                "candidate_id": ids, "batch_id": shown,
                "query": [f"{name} written query {row}" for row in range(len(of))],
                "document_id": [self.documents[row] for row in of], "request_id": ["r"] * len(of),
                "document_digest": [document_digest("", f"all about {self.documents[row]}") for row in of],
            }),
            "screening": pa.table({"candidate_id": ids, "status": ["accepted"] * len(of),
                                   "reason": pa.nulls(len(of), pa.string()), "score": [1.0] * len(of)}),
            "candidate_embeddings": _embeddings(ids, self.vectors[name]),
        }  # fmt: skip


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _embeddings(ids: list[str], vectors: np.ndarray) -> pa.Table:
    flat = pa.array(vectors.ravel(), pa.float32())
    offsets = pa.array(np.arange(0, vectors.size + 1, vectors.shape[1]), pa.int32())
    return pa.table({"id": ids, "embedding": pa.ListArray.from_arrays(offsets, flat)})


def costs(base: Path, pool: int, new: int, queries: int, documents: int) -> list[dict[str, Any]]:
    """Measure each driver step of a night with such a pool.

    *evaluate* trains each arm once: the number of its trainings has nothing to do with the pool.

    Returns:
        A row per step: seconds, and the peak memory of its process in GB, of which Python with the libraries is 0.3 to
        0.6.
    """
    way = Way("costs", {"evaluation": {"seeds": 1, "masses": [2.0]}, "screening": {"near_duplicate_cosine": 1.0}})
    made = Made(pool, new, queries, documents)
    before, today = (
        run_of(base, "made", {"kind": "beir", "path": "made"}, way, midnight(day), batches=min(24, queries // 20))
        for day in ("2026-03-01", "2026-03-02")
    )
    ingested = made.ingested()
    for step in ("ingest", "carry", "embed", "sample", "generate", "embed_candidates", "screen"):
        _finish(before, step, {**ingested, **made.candidates("pool")})
    _finish(today, "ingest", ingested)
    rows = [_measured(today, "carry")]
    carried = {"carried_embeddings": made.candidates("pool")["candidate_embeddings"]}
    _finish(today, "embed", {**ingested, **carried})
    rows.append(_measured(today, "sample"))
    for step in ("generate", "embed_candidates"):
        _finish(today, step, made.candidates("new"))
    rows += [_measured(today, step) for step in ("screen", "align")]
    # *mine* is Spark's: `bench-mining` has its costs.
    for step in ("mine", "teach"):
        _finish(today, step, {})
    return [*rows, _measured(today, "evaluate")]


def _finish(run: Run, step: str, contents: dict[str, pa.Table]) -> None:
    attempt = Attempt(run, flow.step(step))
    attempt.begin()
    for table in attempt.step.writes:
        attempt.write(table, contents.get(table, schema(table).empty_table()))
    attempt.commit()


def _measured(run: Run, step: str) -> dict[str, Any]:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(
        target=_child, args=(run.configuration.model_dump(mode="json"), str(run.folder), step, theirs)
    )
    process.start()
    theirs.close()
    row: dict[str, Any] = ours.recv()
    process.join()
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def _child(settings: dict[str, Any], folder: str, step: str, to: Any) -> None:
    where = Path(folder)
    run = Run(Configuration.model_validate(settings), Interval.named(where.name), Place(where.parent.parent))
    module = sys.modules[_WORK[step].__module__]
    began, cpu = time.monotonic(), time.process_time()
    summary = perform(run, step, _WORK[step], getattr(module, "outside", lambda run: {})(run))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    seconds, spent = time.monotonic() - began, time.process_time() - cpu
    metrics = {name: value for name, value in summary["metrics"].items() if isinstance(value, int | float)}
    row = {"step": step, "seconds": round(seconds, 1), "cpu_seconds": round(spent, 1), "gb": round(peak, 2)}
    to.send({**row, "metrics": metrics})


def main(argv: list[str] | None = None) -> None:
    """Read the command line, measure, and print a line a step."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_size(parser)
    arguments = parser.parse_args(argv)
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    with tempfile.TemporaryDirectory() as folder:
        for row in costs(Path(folder), *SIZES[arguments.size]):
            print(f"{row['step']:<10}{row['seconds']:>8.1f} s{row['cpu_seconds']:>8.1f} CPU s{row['gb']:>7.2f} GB")


if __name__ == "__main__":
    main()
