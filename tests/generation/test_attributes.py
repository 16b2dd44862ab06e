"""Attributes: what is asked, and the rows that come of the answer."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from synalign.config import Configuration
from synalign.generation.attribute_coverage import attribute_coverage, support, word_range
from synalign.generation.attributes import AttributeRow, attribute_rows, attributes_as_data, reason_request
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


@pytest.mark.parametrize(
    "attributes",
    [
        [],
        [{"name": "form", "values_seen": ["x"]}],
        [{"name": "form", "values_seen": ["x"], "values_generalised": [], "more": 1}],
        [{"name": "x" * 101, "values_seen": [], "values_generalised": []}],
    ],
)
def test_answers_out_of_bounds_are_invalid(attributes):
    with pytest.raises(ValidationError):
        LatentAttributes.model_validate({"attributes": attributes})


@pytest.mark.parametrize(
    ("attributes", "kept"),
    [
        ([{"name": "form", "values_seen": [1, "x", None, "y" * 301, ""], "values_generalised": []}], [["x"]]),
        ([{"name": "form", "values_seen": ["x"] * 25, "values_generalised": []}], [["x"] * 24]),
        ([{"name": "form", "values_seen": ["x"], "values_generalised": []}] * 25, [["x"]] * 24),
        ([{"name": "n" * 101}, 7, {"name": "form", "values_seen": ["x"], "values_generalised": []}], [["x"]]),
    ],
)
def test_a_bad_value_or_attribute_costs_itself(attributes, kept):
    read = LatentAttributes.model_validate({"attributes": attributes})
    assert [attribute.values_seen for attribute in read.attributes] == kept


QUERIES = ["how to clean a kettle", "kettle descaler", "how to fly", "is tea healthy?", "clean the pot"]


def test_coverage_counts_the_real_queries_that_have_a_value_named():
    first = answer(("Form", ["question"], ["keywords"]), ("length", ["short (3-5 words)"], ["about right"]))
    second = answer(("leading words", ["How to"], ["what is"]), ("tone", ["polite"], []), ("mood", ["x"], []))
    third = answer(("tone", ["rude"], []))
    assert attribute_coverage([first, None, second, third], QUERIES) == {
        "form": {"seen": 0.6, "seen_or_generalised": 0.8, "values_not_understood": 0},
        "length": {"seen": 0.8, "seen_or_generalised": 0.8, "values_not_understood": 1},
        "leading words": {"seen": 0.4, "seen_or_generalised": 0.4, "values_not_understood": 0},
        "not_measurable": {"tone": 2, "mood": 1},
    }


def test_coverage_of_nothing_claims_nothing():
    assert attribute_coverage([], QUERIES) == {"not_measurable": {}}
    assert attribute_coverage([answer(("form", ["question"], []))], []) == {"not_measurable": {}}
    many = answer(*((f"name {n}", ["x"], []) for n in range(24)))
    assert len(attribute_coverage([many], QUERIES)["not_measurable"]) == 20


@pytest.mark.parametrize(
    ("value", "expected"),
    [("3-5 words", (3, 5)), ("6 \u2013 9", (6, 9)), ("very long (16 words or more)", (16, 10**6)),
     ("10+ words", (10, 10**6)), ("4 words", (4, 4)), ("short", None), ("", None)],
)  # fmt: skip
def test_ranges_of_words_are_read(value, expected):
    assert word_range(value) == expected


def test_support_is_counted_where_a_rule_can_tell_and_unknown_elsewhere():
    assert support("form", "question", QUERIES) == 3
    assert support("Leading Words", "how to", QUERIES) == 2
    assert support("length", "1-2 words", QUERIES) == 1
    assert support("length", "short", QUERIES) is None
    assert support("tone", "polite", QUERIES) is None
