"""What a preview draws from: an ingested interval, evenly spaced, with its vectors where it has some."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from synalign import flow
from synalign.config import Configuration
from synalign.embedding import encoder
from synalign.preview import tables
from synalign.preview.tables import embedded, latest
from tests.handmade import finish
from tests.preview.conftest import ingested, words_as_vectors

Make = Callable[..., Configuration]


def test_without_an_interval_there_is_none(retriever: Make) -> None:
    assert latest(retriever()) is None


def test_an_interval_of_other_settings_is_not_taken(retriever: Make, configuration: Make) -> None:
    ingested(retriever())
    assert latest(retriever()) is not None
    assert latest(configuration(ingest={"test_fraction": 0.5})) is None


def test_of_a_large_interval_a_sample_is_taken_with_documents_that_were_not_chosen(
    retriever: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "QUERIES", 15)
    monkeypatch.setattr(tables, "DOCUMENTS", 6)
    ingested(retriever(), texts=tuple(f"Nobody reads page {place}." for place in range(20)))
    found = latest(retriever())
    assert found is not None
    assert (len(found.queries), len(found.documents), found.whole) == (15, 6, False)
    assert found.said.startswith("15 of 30 queries of the interval")
    ids = set(found.documents["document_id"].to_pylist())
    chosen = set(found.pairs["document_id"].to_pylist())
    assert chosen <= ids and 3 <= len(chosen) < 6
    assert set(found.pairs["query_id"].to_pylist()) <= set(found.queries["query_id"].to_pylist())


def test_queries_are_embedded_as_queries_and_documents_as_documents(
    retriever: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides = []

    def noted(texts: list[str], settings: object = None, advance: object = None, *, side: str) -> NDArray[np.float32]:
        sides.append((side, len(texts)))
        return words_as_vectors(texts)

    monkeypatch.setattr(encoder, "encode", noted)
    ingested(retriever())
    found = latest(retriever())
    assert found is not None
    embedded(found, retriever())
    assert sides == [("query", 30), ("document", 10)]


def test_vectors_of_the_interval_are_used_and_others_made(retriever: Make) -> None:
    run = ingested(retriever())
    found = latest(retriever())
    assert found is not None and found.query_vectors is None
    made = embedded(found, retriever())
    assert made.query_vectors is not None and made.document_vectors is not None
    np.testing.assert_array_equal(made.query_vectors, words_as_vectors(found.queries["query"].to_pylist()))
    finish(run, flow.step("carry"), {})
    contents = {
        name: pa.table({"id": run.read(table)[key], "embedding": pa.array([[1.0, 0.0]] * rows, pa.list_(pa.float32()))})
        for name, table, key, rows in (
            ("query_embeddings", "queries", "query_id", 30),
            ("document_embeddings", "documents", "document_id", 10),
        )
    }
    finish(run, flow.step("embed"), contents)
    again = latest(retriever())
    assert again is not None and again.query_vectors is not None
    assert again.query_vectors.shape == (30, 2) and embedded(again, retriever()) is again
