"""Texts for labels: each batch writes for the label of its own demonstrations, and is told so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synalign import tables
from synalign.config import Configuration
from synalign.generation.demonstration_batches import read_batches
from synalign.generation.prompts import from_data
from synalign.generation.schemas import LatentAttributes
from synalign.generation.writing import asked_for, write_request
from synalign.run import Interval, Run
from synalign.steps.generate import generate
from synalign.steps.job import perform
from synalign.tables import content_id

LABELS = {
    "card_arrival": [
        "where is my new card",
        "my card is not here yet",
        "when will the card arrive",
        "card still missing",
    ],
    "age limit": ["how old must I be", "can my child have an account", "is there an age limit", "minimum age to join"],
    "Z": ["top up by cash please", "put cash on my account", "can I pay in cash here", "cash top up where"],
}


def rows(table: str, content: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(content, schema=tables.schema(table))


def vectors(ids: list[str]) -> list[dict[str, Any]]:
    found = np.random.default_rng(0).normal(size=(len(ids), 6)).astype(np.float32)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return [{"id": name, "embedding": row.tolist()} for name, row in zip(ids, found, strict=True)]


@pytest.fixture
def run(commit: Callable[..., Run]) -> Run:
    configuration = Configuration.model_validate(
        {
            "retriever": "r",
            "task": "classification",
            "schedule": {"start": "2026-01-01"},
            "source": {"kind": "labelled", "path": "x"},
            "generation": {"documents_per_batch": 3, "queries_per_document": 2},
        }
    )
    now = datetime(2026, 1, 1, tzinfo=UTC)
    labelled = [(text, label) for label, texts in LABELS.items() for text in texts]
    ids = [content_id(text) for text, _ in labelled]
    queries = [
        {"query_id": query_id, "query": text, "count": 1, "first_seen": now, "last_seen": now, "split": "train",
         "label": label}
        for query_id, (text, label) in zip(ids, labelled, strict=True)
    ]  # fmt: skip
    pairs = [
        {"pair_id": query_id, "query_id": query_id, "query": text, "document_id": label, "count": 1, "split": "train"}
        for query_id, (text, label) in zip(ids, labelled, strict=True)
    ]
    documents = [{"document_id": label, "title": "", "text": label.replace("_", " ")} for label in LABELS]
    shown = [
        {"batch_id": f"b{row // 2}", "position": row % 2, "query_id": ids[row], "role": "anchor", "variance": 1.0}
        for row in (8, 9, 0, 1, 2, 3, 4, 5)
    ]
    return commit(
        Run(configuration, Interval.parse("2026-01-01", "2026-01-02")),
        queries=rows("queries", queries),
        documents=rows("documents", documents),
        pairs=rows("pairs", pairs),
        rejected=rows("rejected", []),
        query_embeddings=rows("query_embeddings", vectors(ids)),
        document_embeddings=rows("document_embeddings", vectors(list(LABELS))),
        demonstrations=rows("demonstrations", shown),
    )


def test_the_only_document_of_a_batch_is_its_label(run: Run) -> None:
    batches = read_batches(run)
    assert [[document.document_id for document in batch.documents] for batch in batches] == [
        ["Z"], ["card_arrival"], ["card_arrival"], ["age limit"],
    ]  # fmt: skip
    assert all(set(batch.demonstrations) <= set(LABELS[batch.documents[0].document_id]) for batch in batches)
    assert [asked_for(batch, run.configuration) for batch in batches] == [6] * 4


def test_the_writer_is_asked_for_texts_that_have_the_label(run: Run) -> None:
    batch = read_batches(run)[1]
    attributes = LatentAttributes.model_validate_json(
        '{"attributes": [{"name": "form", "values_seen": ["question"], "values_generalised": []}]}'
    )
    system, user = (message["content"] for message in write_request(batch, attributes, run.configuration).messages)
    data = from_data(user)
    assert (data["queries_per_document"], len(data["documents"]), data["documents"][0]["text"]) == (
        6,
        1,
        "card arrival",
    )
    assert "Write exactly 6 texts for the label" in user
    assert "search" not in system


def test_every_text_goes_to_the_label_it_was_written_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYNALIGN_WRITER_URL", raising=False)
    perform(run, "generate", generate)
    metrics = run.require("generate")["metrics"]
    label = {"b4": "Z", "b0": "card_arrival", "b1": "card_arrival", "b2": "age limit"}
    candidates = run.read("candidates").to_pylist()
    assert candidates
    assert all(row["document_id"] == label[row["batch_id"]] for row in candidates)
    assert metrics["ledger"]["asked_for"] == 4 * 6
