"""Examples: as many negatives in every row, from where there are some."""

import math

import pyarrow as pa
import pytest

from synalign.errors import InputError
from synalign.retriever.examples import Example, columns_for, examples, negative_columns


def table(*rows: tuple[str, str, list[str]], **more: object) -> pa.Table:
    """Rows of the split train: query, document, negatives; three columns of negatives."""
    columns = {
        "query": [query for query, _, _ in rows],
        "document": [document for _, document, _ in rows],
        "weight": [0.5] * len(rows),
        "split": ["train"] * len(rows),
    }
    for number in range(3):
        texts = [negatives[number] if number < len(negatives) else None for _, _, negatives in rows]
        columns[f"negative_{number + 1}"] = pa.array(texts, pa.string())
    return pa.table({**columns, **more})


def made(given: pa.Table, count: int = 3) -> list[Example]:
    return list(examples(given.to_batches(), count))


def test_a_row_with_all_of_its_negatives_keeps_them() -> None:
    (found,) = made(table(("q", "d", ["a", "b", "c"])))
    assert (found.negatives, found.own) == (("a", "b", "c"), 3)
    assert all(map(math.isnan, found.scores)) and not found.is_scored


def test_fewer_are_repeated_in_turn_with_their_scores() -> None:
    given = table(("q", "d", ["a", "b"]), score=[9.0], negative_score_1=[2.0], negative_score_2=[1.0])
    (found,) = made(given)
    assert (found.negatives, found.scores, found.own) == (("a", "b", "a"), (9.0, 2.0, 1.0, 2.0), 2)
    assert found.is_scored


def test_none_are_filled_from_rows_near_it_but_no_document_of_the_same_query() -> None:
    given = table(("x", "dx", ["a"]), ("q", "d1", []), ("q", "d2", ["b"]), ("y", "dy", ["c"]), ("z", "d1", ["e"]))
    found = made(given)[1]
    assert (found.negatives, found.own) == (("dy", "dx", "dy"), 0)
    assert all(map(math.isnan, found.negative_scores))


def test_filling_looks_back_over_the_end_of_a_batch() -> None:
    first, second = table(("x", "dx", ["a"])), table(("q", "d", []))
    found = list(examples([*first.to_batches(), *second.to_batches()], 2))
    assert found[1].negatives == ("dx", "dx")


def test_a_set_of_one_document_has_nothing_to_fill_in() -> None:
    with pytest.raises(InputError, match="has no hard negative"):
        made(table(("q", "d", []), ("p", "d", [])))
    assert len(made(table(("q", "d", []), ("p", "d", [])), 0)) == 2


def test_other_splits_and_empty_sets_give_nothing() -> None:
    given = table(("q", "d", ["a"])).set_column(3, "split", [["test"]])
    assert made(given) == made(given.slice(0, 0)) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [("query", None), ("document", None), ("weight", None), ("weight", -0.5), ("weight", math.nan), ("weight", "1")],
)
def test_rows_that_cannot_be_trained_on_are_refused(column: str, value: object) -> None:
    given = table(("q", "d", ["a"]))
    given = given.set_column(given.column_names.index(column), column, [pa.array([value])])
    with pytest.raises(InputError, match=f"has {column} == "):
        made(given)


def test_texts_are_handed_on_as_they_are() -> None:
    texts = ("", "naïve ☕ \x00 \u2028", "x" * 100_000)
    found = made(table(*((text, "d", [text]) for text in texts)), 1)
    assert [(each.query, each.negatives[0]) for each in found] == [(text, text) for text in texts]


def test_columns_are_counted_without_gaps() -> None:
    names = ["query", "negative_1", "negative_3", "negative_score_1", "negative_02", "negative_x"]
    assert negative_columns(names) == 1
    assert negative_columns(["query"]) == 0
    many = [f"negative_{number}" for number in range(1, 13)]
    assert (negative_columns(many), negative_columns(many, 5)) == (12, 5)
    assert columns_for([*names, "split", "weight", "document", "document_id"], 1, "document_id") == [
        "query", "document", "weight", "split", "negative_1", "negative_score_1", "document_id",
    ]  # fmt: skip
