"""The screen step on hand-made tables: each reason, the order of filters, and counts that add up."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synalign import flow
from synalign.config import Configuration
from synalign.errors import GenerationError
from synalign.job import perform
from synalign.run import Attempt, Interval, Run
from synalign.screening.screen import screen
from synalign.tables import schema

Make = Callable[..., Configuration]
INTERVAL = Interval.parse("2026-02-28", "2026-03-01")
TIME = pa.timestamp("us", tz="UTC")
# Directions in the plane, by angle in degrees; cosine of 10 degrees is .985, of 30 .866.
DOCUMENTS = {"d0": 0, "d90": 90, "d180": 180}
QUERIES = {"held out": (45, "test"), "chosen by": (60, "validation"), "shown": (200, "train")}


def vectors(angles: list[float]) -> pa.Array:
    radians = np.deg2rad(angles)
    rows = np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)
    return pa.array(list(rows), pa.list_(pa.float32()))


def run_with(configuration: Configuration, candidates: list[tuple[str, float, str]]) -> Run:
    """Candidates as (query, angle, document)."""
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
    for step in flow.STEPS[: flow.STEPS.index(flow.step("screen"))]:
        attempt = Attempt(run, step)
        attempt.begin()
        for table in step.writes:
            attempt.write(table, pa.table(rows[table]) if table in rows else schema(table).empty_table())
        attempt.commit()
    return run


@pytest.fixture
def strict(configuration: Make) -> Configuration:
    return configuration(screening={"round_trip_depth": 1, "near_duplicate_cosine": 0.999})


def reasons(run: Run) -> dict[str, str | None]:
    queries = dict(zip(*(run.read("candidates")[name].to_pylist() for name in ("candidate_id", "query")), strict=True))
    return {
        f"{row['candidate_id']} {queries[row['candidate_id']]}": row["reason"]
        for row in run.read("screening").to_pylist()
    }


def test_each_candidate_has_one_verdict_with_its_reason(strict: Configuration) -> None:
    run = run_with(
        strict,
        [
            ("good", 5, "d0"),
            ("of another document", 80, "d0"),
            ("like a held-out one", 45, "d0"),
            ("like one that chooses", 60.5, "d90"),
            ("like a shown one", 200, "d180"),
            ("GOOD", 20, "d0"),
            ("nearly good", 5.5, "d0"),
            ("another good", 100, "d90"),
        ],
    )
    summary = perform(run, "screen", screen)
    assert list(reasons(run).values()) == [
        None, "inconsistent", "leak", "leak", "near_real", "exact_duplicate", "near_duplicate", None,
    ]  # fmt: skip
    counts = Counter(summary["metrics"])
    assert counts["candidates"] == 8
    assert counts["accepted"] + sum(counts[name] for name in (
        "inconsistent", "leak", "near_real", "exact_duplicate", "near_duplicate")) == 8  # fmt: skip


def test_an_inconsistent_query_does_not_push_out_its_consistent_twin(strict: Configuration) -> None:
    run = run_with(strict, [("same words", 2, "d90"), ("same words", 2, "d0")])
    perform(run, "screen", screen)
    assert reasons(run) == {"c0 same words": "inconsistent", "c1 same words": None}


def test_accepted_rows_carry_the_rank_of_their_document(configuration: Make) -> None:
    run = run_with(configuration(), [("first", 5, "d0"), ("second", 80, "d0")])
    perform(run, "screen", screen)
    assert run.read("screening")["score"].to_pylist() == [1.0, 2.0]


def test_nothing_left_is_an_error_that_counts_why(strict: Configuration) -> None:
    run = run_with(strict, [("wrong", 80, "d0"), ("leak", 45, "d0")])
    with pytest.raises(GenerationError, match=r"none of 2 written queries passed.*inconsistent.*1.*leak.*1"):
        perform(run, "screen", screen)
    assert run.manifest("screen") is None
