"""What an answer must be, and what a bad item of it costs: itself."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from synalign.generation.reading import Unreadable, read
from synalign.generation.schemas import LatentAttributes, Unusable, WrittenQueries


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


def test_bad_items_stand_for_themselves():
    items = ["good", None, 5, True, {"a": "b"}, ["x"], "\ud800", "", "x" * 30_000]
    content = read(json.dumps({"documents": [{"document": 0, "queries": items}]}), WrittenQueries).content
    kinds = [type(query) is Unusable for query in content.documents[0].queries]
    assert kinds == [False, True, True, True, True, True, False, False, False]
    assert content.documents[0].queries[6] == "\ufffd"
    assert len(content.documents[0].queries[8]) == 20_000


def test_bad_values_of_an_attribute_are_left_out():
    attributes = [
        {"name": "form", "values_seen": ["question", None, "", "x" * 400, "half \ud800"], "values_generalised": [{}]},
        {"name": "", "values_seen": [], "values_generalised": []},
        None,
    ]
    content = read(json.dumps({"attributes": attributes}), LatentAttributes).content
    (only,) = content.attributes
    assert (only.name, only.values_seen, only.values_generalised) == ("form", ["question"], [])
    with pytest.raises(Unreadable):
        read('{"attributes": [null]}', LatentAttributes)
