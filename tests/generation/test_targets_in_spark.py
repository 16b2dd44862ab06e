"""Targets from lists that Spark's tasks make, beside those that the driver chooses from all documents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign import flow
from synalign.config import Configuration
from synalign.generation import targets_in_spark
from synalign.generation.demonstration_batches import read_batches
from synalign.generation.targets import NEARNESS, certain_targets, choose_targets
from synalign.run import Attempt, Run
from synalign.screening.nearest import Nearest
from synalign.spark import folded
from tests.handmade import table_of
from tests.screening.test_in_spark import INTERVAL, unit, vectors, with_schema, write

BATCHES, MEMBERS, DOCUMENTS, WIDTH = 12, 3, 200, 8


def targets(run: Run) -> list[list[str]]:
    return [[document.document_id for document in batch.documents] for batch in read_batches(run)]


def world(configuration: Configuration, seed: int) -> Run:
    """Return a run with copies among documents and batches, and documents that have queries enough."""
    random = np.random.default_rng(seed)
    documents, queries = (unit(random.normal(size=(rows, WIDTH))) for rows in (DOCUMENTS, BATCHES * MEMBERS))
    documents[50:90] = documents[0]
    documents[90:110] = np.nextafter(documents[1], np.float32(1.0))
    # Nine batches are the same, and lie on the copies.
    queries[: 9 * MEMBERS] = documents[0]
    ids, names = [f"q{row:03d}" for row in range(len(queries))], [f"d{row:03d}" for row in range(DOCUMENTS)]
    time = pa.array([0] * len(ids), pa.timestamp("us", tz="UTC"))
    clicks = [(random.choice(ids), random.choice(names), int(random.integers(1, 4))) for _ in range(150)]
    full = [name for name in names[50:60] for _ in range(2)]
    tables: dict[str, Any] = {
        "queries": pa.table({
            "query_id": ids, "query": ids, "count": [1] * len(ids), "first_seen": time, "last_seen": time,
            "split": ["train"] * len(ids), "label": pa.nulls(len(ids), pa.string()),
        }),
        "query_embeddings": vectors(ids, queries),
        "documents": pa.table({"document_id": names, "title": [""] * DOCUMENTS, "text": names}),
        "document_embeddings": vectors(names, documents),
        "pairs": pa.table({
            "pair_id": [f"p{row}" for row in range(len(clicks))], "query_id": [query for query, _, _ in clicks],
            "query": [query for query, _, _ in clicks], "document_id": [name for _, name, _ in clicks],
            "count": [count for _, _, count in clicks],
            "split": random.choice(["train", "test"], len(clicks), p=[0.8, 0.2]).tolist(),
        }),
        "carried": pa.table({
            "candidate_id": [f"c{row}" for row in range(len(full))], "batch_id": ["b"] * len(full),
            "query": [f"ask {row}" for row in range(len(full))], "document_id": full,
            "request_id": ["r"] * len(full), "document_digest": ["x"] * len(full),
            "interval": ["before"] * len(full), "model": ["m"] * len(full), "prompt_version": ["1"] * len(full),
        }),
        "demonstrations": pa.table({
            "batch_id": [f"b{row // MEMBERS:02d}" for row in range(len(ids))],
            "position": [row % MEMBERS for row in range(len(ids))], "query_id": ids,
            "role": ["anchor"] * len(ids), "variance": [1.0] * len(ids),
        }),
    }  # fmt: skip
    run = Run(configuration, INTERVAL)
    for step in flow.before("generate"):
        attempt = Attempt(run, step)
        attempt.begin()
        for table in step.writes:
            content = with_schema(run, table, tables) if table in tables else table_of(run, table, {})
            write(attempt.output(table), content, files=1 + (table == "document_embeddings"))
        attempt.commit()
    return run


@pytest.mark.spark
@pytest.mark.parametrize("kind", ["cold", "mixed", "demonstrated"])
def test_targets_are_the_same_in_spark_and_on_the_driver(
    kind: str, configuration: Callable[..., Configuration], home: Path, monkeypatch: pytest.MonkeyPatch, spark: Any
) -> None:
    chosen = configuration(
        generation={"targets": kind, "documents_per_batch": 4}, pool={"queries_per_document": 2}, retriever=kind
    )
    run = world(chosen, len(kind))
    here = targets(run)
    asked: list[int] = []
    nearest = targets_in_spark._nearest

    def counted(*arguments: Any) -> Any:
        asked.append(len(arguments[2]))
        return nearest(*arguments)

    monkeypatch.setattr(targets_in_spark, "_nearest", counted)
    monkeypatch.setattr(folded, "DRIVER_BYTES", 0)
    monkeypatch.setattr(folded, "ROWS_PER_TASK", (11, 30))
    assert targets(run) == here
    # Lists are long for one batch, and too short for nine batches of the same queries.
    assert len(asked) > (1 if kind == "cold" else 0)
    assert all(len(set(names)) == 4 for names in here)


@pytest.mark.spark
def test_where_documents_must_be_used_twice_the_driver_chooses(
    configuration: Callable[..., Configuration], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = world(configuration(generation={"targets": "cold", "documents_per_batch": 20}), 7)
    monkeypatch.setattr(folded, "DRIVER_BYTES", 0)
    monkeypatch.setattr("synalign.spark.session.session", None)
    found = targets(run)
    assert max(np.unique(np.concatenate(found), return_counts=True)[1]) == 2


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 4), st.integers(0, 30))
def test_lists_give_the_targets_that_all_documents_give(seed: int, batches: int, size: int, more: int) -> None:
    random = np.random.default_rng(seed)
    documents = unit(random.normal(size=((batches + 1) * size + more, 5)))
    documents[: len(documents) // 2] = documents[0]
    means, events = unit(random.normal(size=(batches, 5))), random.integers(0, 3, len(documents))
    clicked = [random.integers(0, len(documents), random.integers(0, 4)).tolist() for _ in range(batches)]
    used: set[int] = set()
    found: list[list[int]] = []
    while len(found) < batches:
        lists = Nearest(batches - len(found), (NEARNESS + 1) * size)
        free = np.array([row for row in range(len(documents)) if row not in used], dtype=np.int64)
        lists.add_vectors(means[len(found) :], documents[free], free, exact=True)
        rows = certain_targets(
            lists.numbers, dict(enumerate(events.tolist())), size, clicked[len(found) :], max(1, size // 2), used
        )
        assert rows
        found += [each.tolist() for each in rows]
    whole = choose_targets(means, documents, events, size, clicked, max(1, size // 2))
    assert found == [each.tolist() for each in whole]
