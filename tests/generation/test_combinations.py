"""Combinations: every value in its share of the queries, few twice, the same for the same batch."""

from __future__ import annotations

import math
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.generation.combinations import GENERALISED_SHARE, MOST_COMBINED, combinations
from synalign.generation.schemas import Attribute, LatentAttributes


def attributes(**values: int) -> LatentAttributes:
    """Attributes with so many values, the last of them generalised; no rule can count them."""
    found = []
    for name, count in values.items():
        known = [f"{name} {'abcdefgh'[number]}" for number in range(count)]
        found.append(Attribute(name=name, values_seen=known[:-1], values_generalised=known[-1:]))
    return LatentAttributes(attributes=found)


def drawn(given: LatentAttributes, documents: int, queries: int, shown=(), batch: str = "b", seed: int = 0):
    rows = combinations(given, shown, documents, queries, batch_id=batch, seed=seed)
    assert [len(row) for row in rows] == [queries] * documents
    return [combination for row in rows for combination in row]


@settings(max_examples=100)
@given(
    st.lists(st.integers(2, 8), min_size=1, max_size=3), st.integers(1, 16), st.integers(1, 8), st.integers(0, 10**6)
)
def test_values_seen_are_used_evenly_and_so_are_generalised_ones(sizes, documents, queries, seed):
    named = attributes(**{f"a{number}": size for number, size in enumerate(sizes)})
    rows = drawn(named, documents, queries, seed=seed)
    for attribute in named.attributes:
        counts = Counter(row[attribute.name] for row in rows)
        assert counts.total() == len(rows)
        for value in attribute.values_seen:
            share = len(rows) * (1 - GENERALISED_SHARE) / len(attribute.values_seen)
            assert math.floor(share - 1e-9) <= counts[value] <= math.ceil(share + 1e-9)
        (new,) = attribute.values_generalised
        assert abs(counts[new] - len(rows) * GENERALISED_SHARE) < 1


def test_values_that_can_be_counted_are_used_as_often_as_the_demonstrations_show_them():
    named = LatentAttributes(
        attributes=[Attribute(name="form", values_seen=["question", "keywords"], values_generalised=[])]
    )
    shown = ["how to clean a kettle", "is tea healthy", "what is tea", "kettle descaler"]
    counts = Counter(row["form"] for row in drawn(named, 10, 4, shown))
    assert counts == {"question": 30, "keywords": 10}


def test_hardly_a_combination_comes_twice_while_many_are_left():
    for seed in range(30):
        rows = drawn(attributes(intent=6, mood=6, style=6), 12, 4, seed=seed)
        assert len({tuple(row.items()) for row in rows}) == len(rows) == 48


def test_the_same_batch_gets_the_same_draw_and_others_get_others():
    given = attributes(intent=4, mood=5)
    assert drawn(given, 3, 4) == drawn(given, 3, 4)
    assert drawn(given, 3, 4) != drawn(given, 3, 4, batch="c")
    assert drawn(given, 3, 4) != drawn(given, 3, 4, seed=1)


def test_what_the_document_decides_and_what_all_share_is_not_combined():
    given = LatentAttributes(
        attributes=[
            Attribute(name="Topic", values_seen=["tea", "coffee"], values_generalised=["milk"]),
            Attribute(name="capitalisation", values_seen=["lower case"], values_generalised=[]),
            Attribute(name="form", values_seen=["question"], values_generalised=["question", "keywords"]),
        ]
    )
    assert {tuple(row) for row in drawn(given, 4, 2)} == {("form",)}
    assert drawn(LatentAttributes(attributes=given.attributes[:2]), 2, 2) == [{}] * 4


def test_form_comes_first_and_few_attributes_make_a_combination():
    given = attributes(a=2, b=2, c=2, length=3, form=2)
    assert {tuple(row) for row in drawn(given, 2, 3)} == {("form", "length", "a")}
    assert MOST_COMBINED == 3


def test_no_documents_no_queries_and_only_generalised_values():
    named = attributes(form=2)
    assert combinations(named, (), 0, 4, batch_id="b", seed=0) == []
    assert combinations(named, (), 2, 0, batch_id="b", seed=0) == [[], []]
    new = LatentAttributes(attributes=[Attribute(name="mood", values_seen=[], values_generalised=["a", "b"])])
    assert Counter(row["mood"] for row in drawn(new, 2, 4)) == {"a": 4, "b": 4}
