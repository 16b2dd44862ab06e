"""Attributes: what is asked, and the rows that come of the answer."""

from __future__ import annotations

from synalign.config import Configuration
from synalign.generation.attributes import (
    AttributeRow,
    attribute_rows,
    attributes_as_data,
    attributes_of,
    reason_request,
)
from synalign.generation.demonstration_batches import Batch
from synalign.generation.prompts import from_data
from synalign.generation.schemas import LatentAttributes

CONFIGURATION = Configuration.model_validate(
    {"retriever": "r", "schedule": {"start": "2026-01-01"}, "source": {"kind": "beir", "path": "x"}}
)
BATCH = Batch("batch", ("first query", "second query"), ())


def answer(*attributes: tuple[str, list[str], list[str]]) -> LatentAttributes:
    names = ("name", "values_seen", "values_generalised")
    return LatentAttributes.model_validate({"attributes": [dict(zip(names, item, strict=True)) for item in attributes]})


def test_the_request_shows_the_demonstrations_and_says_how_many():
    request = reason_request(BATCH, CONFIGURATION)
    system, user = request.messages
    assert (system["role"], user["role"], request.kind, request.batch_id) == ("system", "user", "reason", "batch")
    assert from_data(user["content"]) == {"demonstrations": ["first query", "second query"]}
    assert "the 2 queries" in user["content"]


def test_each_value_becomes_one_row_and_seen_wins_over_generalised():
    given = answer(("form", ["question", " Question "], ["keywords", "question"]), ("Form", [], ["KEYWORDS"]))
    assert attribute_rows(BATCH, "request", given) == [
        AttributeRow("batch", "form", "question", False, "request", 0),
        AttributeRow("batch", "form", "keywords", True, "request", 2),
    ]


def test_a_value_generalised_first_and_seen_later_is_seen():
    rows = attribute_rows(BATCH, "request", answer(("tone", [], ["polite"]), ("tone", ["polite"], [])))
    assert [(row.value, row.generalised) for row in rows] == [("polite", False)]


def test_blank_names_and_values_give_no_row():
    assert attribute_rows(BATCH, "request", answer((" ", ["x"], []), ("form", [" "], []))) == []


def test_attributes_go_into_the_next_request_as_they_came():
    given = answer(("form", ["question"], ["keywords"]))
    assert attributes_as_data(given) == [
        {"name": "form", "values_seen": ["question"], "values_generalised": ["keywords"]}
    ]


def test_what_rules_measure_is_not_left_to_the_model() -> None:
    batch = Batch("batch", ("how to clean a kettle", "Kettle smells?"), ())
    named = [
        {"name": " Form ", "values_seen": ["poem"], "values_generalised": []},
        {"name": "intent", "values_seen": ["repair"], "values_generalised": ["buying"]},
    ]
    found = {
        attribute.name: attribute
        for attribute in attributes_of(batch, LatentAttributes.model_validate({"attributes": named})).attributes
    }
    assert found["form"].values_seen == ["question"] and found["intent"].values_seen == ["repair"]
    assert {"length", "leading words", "capitalisation", "punctuation"} < found.keys() and " Form " not in found


def test_without_an_answer_there_is_what_was_measured() -> None:
    batch = Batch("batch", ("how to clean a kettle",), ())
    names = [attribute.name for attribute in attributes_of(batch, None).attributes]
    assert names == ["length", "form", "leading words", "capitalisation", "punctuation", "digits"]


def test_a_full_answer_and_what_was_measured_are_kept_together() -> None:
    named = [{"name": f"n{n}", "values_seen": ["v"], "values_generalised": []} for n in range(24)]
    answer = LatentAttributes.model_validate({"attributes": named})
    assert len(attributes_of(Batch("b", ("a query",), ()), answer).attributes) > 24
