"""A run by hand whose candidates lie at angles in the plane, ready to be screened."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from synalign import flow
from synalign.config import Configuration
from synalign.run import Attempt, Interval, Run
from tests.handmade import table_of

INTERVAL = Interval.parse("2026-02-28", "2026-03-01")
TIME = pa.timestamp("us", tz="UTC")
# Directions in the plane, by angle in degrees; cosine of 10 degrees is .985, of 30 .866.
DOCUMENTS = {"d0": 0, "d90": 90, "d180": 180}
TEXT = "The descaler removes lime from the tank within twenty minutes of a long hot cycle."
QUERIES = {"held out": (45, "test"), "chosen by": (60, "validation"), "shown": (200, "train")}


def vectors(angles: list[float]) -> pa.Array:
    radians = np.deg2rad(angles)
    rows = np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)
    return pa.array(list(rows), pa.list_(pa.float32()))


def run_with(
    configuration: Configuration, candidates: list[tuple[str, float, str]], pairs: tuple[tuple[str, str], ...] = ()
) -> Run:
    """Candidates as (query, angle, document), real pairs as (query, document)."""
    ids = [f"c{row}" for row in range(len(candidates))]
    queries = list(QUERIES)
    rows: dict[str, dict[str, Any]] = {
        "queries": {
            "query_id": queries,
            "query": queries,
            "count": [1] * 3,
            "first_seen": pa.array([0] * 3, TIME),
            "last_seen": pa.array([0] * 3, TIME),
            "split": [split for _, split in QUERIES.values()],
            "label": pa.array([None] * 3, pa.string()),
        },
        "query_embeddings": {"id": queries, "embedding": vectors([angle for angle, _ in QUERIES.values()])},
        "pairs": {
            "pair_id": [f"{query} {document}" for query, document in pairs],
            "query_id": [query for query, _ in pairs],
            "query": [query for query, _ in pairs],
            "document_id": [document for _, document in pairs],
            "count": [1] * len(pairs),
            "split": [QUERIES[query][1] for query, _ in pairs],
        },
        "documents": {
            "document_id": list(DOCUMENTS),
            "title": ["", "A title", ""],
            "text": [TEXT, "Nothing of it.", "Other words."],
        },
        "document_embeddings": {"id": list(DOCUMENTS), "embedding": vectors(list(DOCUMENTS.values()))},
        "candidates": {
            "candidate_id": ids,
            "batch_id": ["b"] * len(ids),
            "query": [query for query, _, _ in candidates],
            "document_id": [document for _, _, document in candidates],
            "request_id": ["r"] * len(ids),
        },
        "candidate_embeddings": {"id": ids, "embedding": vectors([angle for _, angle, _ in candidates])},
    }
    run = Run(configuration, INTERVAL)
    for step in flow.before("screen"):
        attempt = Attempt(run, step)
        attempt.begin()
        for table in step.writes:
            attempt.write(table, table_of(run, table, rows))
        attempt.commit()
    return run


def reasons(run: Run) -> dict[str, str | None]:
    queries = dict(zip(*(run.read("candidates")[name].to_pylist() for name in ("candidate_id", "query")), strict=True))
    return {
        f"{row['candidate_id']} {queries[row['candidate_id']]}": row["reason"]
        for row in run.read("screening").to_pylist()
    }
