"""Written queries: each ends as a candidate or under a reason, and the counts add up."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.config import Configuration
from synalign.generation.demonstration_batches import Batch, Document
from synalign.generation.schemas import WrittenQueries
from synalign.generation.writing import asked_for, read_answer

CONFIGURATION = Configuration.model_validate(
    {
        "retriever": "r",
        "schedule": {"start": "2026-01-01"},
        "source": {"kind": "beir", "path": "x"},
        "ingest": {"max_query_characters": 20},
        "generation": {"queries_per_document": 2},
    }
)
BATCH = Batch("batch", ("q",), (Document("zero", "", "x"), Document("one", "", "y")))


def read(*entries: tuple[int, list[str]]):
    documents = [{"document": number, "queries": queries} for number, queries in entries]
    return read_answer(BATCH, "request", WrittenQueries.model_validate({"documents": documents}), CONFIGURATION)


def test_queries_are_normalised_and_keep_the_order_of_the_answer():
    written = read((1, ["  \uff22\t b ", "c"]), (0, ["a"]))
    assert [(row.query, row.document_id, row.batch_id) for row in written.candidates] == [
        ("B b", "one", "batch"), ("c", "one", "batch"), ("a", "zero", "batch"),
    ]  # fmt: skip
    assert (written.returned, written.missing, written.rejected) == (3, 1, Counter())


def test_ids_are_hashes_of_request_document_query_and_occurrence():
    written = read((0, ["same", "same"]))
    expected = [hashlib.sha256(f"request\x1fzero\x1fsame\x1f{n}".encode()).hexdigest()[:32] for n in (1, 2)]
    assert [row.candidate_id for row in written.candidates] == expected


@pytest.mark.parametrize(
    ("entries", "rejected"),
    [
        ([(0, [" \u3000\n", "fine"])], {"empty": 1}),
        ([(0, ["x" * 20, "x" * 21])], {"over_length": 1}),
        ([(0, ["a\x00b", "bad \ufffd"])], {"control_characters": 2}),
        ([(2, ["a"]), (-1, ["b", "c"])], {"unknown_document": 3}),
        ([(0, ["a", "b", "c"]), (1, ["d"]), (0, ["e"])], {"too_many": 2}),
    ],
)
def test_what_cannot_be_used_is_counted_with_its_reason(entries, rejected):
    assert read(*entries).rejected == rejected


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(-1, 3), st.lists(st.text(max_size=25), max_size=4)), max_size=6))
def test_the_ledger_of_an_answer_adds_up(entries):
    written = read(*entries)
    assert written.returned == sum(len(queries) for _, queries in entries)
    assert written.returned == len(written.candidates) + written.rejected.total()
    surplus = written.rejected["unknown_document"] + written.rejected["too_many"]
    assert written.returned == asked_for(BATCH, CONFIGURATION) - written.missing + surplus
    assert len({row.candidate_id for row in written.candidates}) == len(written.candidates)
    for row in written.candidates:
        assert row.query == " ".join(row.query.split()) and 0 < len(row.query) <= 20
