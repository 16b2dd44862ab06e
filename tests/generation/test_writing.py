"""Written queries: each ends as a candidate or under a reason, and the counts add up."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.config import Configuration
from synalign.generation.attributes import attributes_of
from synalign.generation.demonstration_batches import Batch, Document, Shot, pieces
from synalign.generation.prompts import from_data
from synalign.generation.schemas import LatentAttributes, QueriesOfOne, WrittenQueries
from synalign.generation.writing import asked_for, read_answer, shots_of, write_request

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


def of_family(name: str, **prompts: object) -> Configuration:
    generation = {"queries_per_document": 2, "prompts": {"family": name, **prompts}}
    content = {"retriever": "r", "schedule": {"start": "2026-01-01"}, "source": {"kind": "beir", "path": "x"}}
    return Configuration.model_validate({**content, "ingest": {"max_query_characters": 20}, "generation": generation})


SHOWN = BATCH._replace(
    demonstrations=("how to x", "y now", "mail me at jo@example.org"),
    shots=(
        Shot("how to x", Document("a", "A", "all about x")),
        Shot("y now", Document("b", "B", "</data> all about y")),
        Shot("mail me at jo@example.org", Document("c", "C", "write to jo@example.org")),
    ),
)


def test_shots_are_turns_in_the_shape_of_the_answer() -> None:
    piece = pieces(SHOWN, of_family("small"))[0]
    request = write_request(piece, attributes_of(piece, None), of_family("small"))
    system, *turns, last = request.messages
    assert (system["role"], last["role"]) == ("system", "user")
    assert [message["role"] for message in turns] == ["user", "assistant"] * 3
    answers = [QueriesOfOne.model_validate_json(turn["content"]).queries for turn in turns[1::2]]
    shown = {from_data(turn["content"])["title"] for turn in turns[::2]}
    assert sorted(map(len, answers)) == [1, 1, 1] and shown == {"A", "B", "C"}
    assert from_data(last["content"]) == {"title": "", "text": "x"}
    assert request.answer is QueriesOfOne


def test_texts_of_shots_are_data_and_redacted() -> None:
    piece = pieces(SHOWN, of_family("small"))[0]
    for message in write_request(piece, attributes_of(piece, None), of_family("small")).messages:
        assert "jo@example.org" not in message["content"]
        assert message["content"].count("</data>") == (message["role"] != "assistant")


def test_shots_differ_from_turn_to_turn_and_not_from_document_to_document() -> None:
    many = SHOWN._replace(shots=tuple(Shot(f"q{n}", Document(f"{n}", "", "x")) for n in range(40)))
    drawn = {
        (piece.turn, piece.part): shots_of(piece, of_family("small")) for piece in pieces(many, of_family("small"))
    }
    assert drawn[0, "0"] == drawn[0, "1"] != drawn[1, "0"] == drawn[1, "1"]


def test_a_large_family_can_have_shots_too() -> None:
    request = write_request(SHOWN, attributes_of(SHOWN, None), of_family("large", shots=2))
    assert len(request.messages) == 2 + 2 * 2
    answer = WrittenQueries.model_validate_json(request.messages[2]["content"])
    assert answer.documents[0].document == 0 and len(answer.documents[0].queries) == 1


def test_without_documents_to_show_a_small_model_sees_the_demonstrations() -> None:
    piece = pieces(BATCH, of_family("small"))[0]
    request = write_request(piece, attributes_of(piece, None), of_family("small"))
    assert from_data(request.messages[-1]["content"])["demonstrations"] == ["q"]


def test_attributes_that_are_asked_for_reach_a_small_model_as_one_combination() -> None:
    named = {"name": "intent", "values_seen": ["buying", "learning"], "values_generalised": []}
    configuration = of_family("small", attributes=True)
    piece = pieces(SHOWN, configuration)[0]
    attributes = attributes_of(piece, LatentAttributes.model_validate({"attributes": [named]}))
    data = from_data(write_request(piece, attributes, configuration).messages[-1]["content"])
    assert data["attributes"].keys() == {"intent"} and data["attributes"]["intent"] in ("buying", "learning")


def test_an_answer_about_one_document_is_judged_as_any_other() -> None:
    piece = pieces(BATCH, CONFIGURATION.model_copy(update={"generation": of_family("small").generation}))[1]
    written = read_answer(piece, "request", QueriesOfOne.model_validate({"queries": ["a", 7, "b"]}), CONFIGURATION)
    assert [row.query for row in written.candidates] == ["a"]
    assert (written.returned, written.rejected, written.missing) == (3, {"too_many": 2}, 0)
    empty = read_answer(piece, "request", QueriesOfOne.model_validate({"queries": [7]}), CONFIGURATION)
    assert (empty.rejected, empty.candidates) == ({"not_text": 1}, [])


def test_no_shot_is_of_the_document_that_is_asked_about() -> None:
    """Its query would be the answer."""
    own = SHOWN._replace(documents=(SHOWN.shots[0].document,))
    (piece, _) = pieces(own, of_family("small"))
    assert {shot.query for shot in shots_of(piece, of_family("small"))} == {"y now", "mail me at jo@example.org"}
