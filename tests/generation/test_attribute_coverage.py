"""How many real queries have a value that the model named."""

from __future__ import annotations

import pytest

from synalign.generation.attribute_coverage import attribute_coverage, support, word_range
from tests.generation.test_attributes import answer

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
