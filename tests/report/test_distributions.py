"""Shares of values, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from synalign.report.distributions import MOST_VALUES, REST, Distribution, Side, measured, named, seen_values

REAL = ["how to sort", "how to sort", "sort list", "sort"]
WRITTEN = ["how to sort", "a b c d e"]
NONE = np.empty(0, np.int64)


def sides(real: list[str], written: list[str], weights: list[float]) -> list[Side]:
    equal = np.ones(len(written))
    return [
        Side(real, NONE, {"real": np.ones(len(real))}),
        Side(written, NONE, {"equal": equal, "aligned": np.array(weights)}),
    ]


def one(found: list[Distribution], name: str) -> Distribution:
    return next(each for each in found if each.name == name)


def test_shares_are_of_weight_and_the_distance_is_what_would_have_to_change() -> None:
    length = one(measured(sides(REAL, WRITTEN, [2.0, 0.0])), "length")
    shares = {row.value: row.shares for row in length.rows}
    assert shares["3"] == {"real": 0.5, "equal": 0.5, "aligned": 1.0}
    assert shares["5"] == {"real": 0.0, "equal": 0.5, "aligned": 0.0}
    assert [row.value for row in length.rows] == ["1", "2", "3", "5"]
    # Real has a quarter at 1 and at 2 words, which both sets lack; equal weights have half at 5, which real lacks.
    assert length.distances == pytest.approx({"equal": 0.5, "aligned": 0.5})


def test_weights_that_match_have_no_distance() -> None:
    found = measured(sides(["sort", "sort list"], ["read", "read file", "read it now"], [1.5, 1.5, 0.0]))
    assert one(found, "length").distances == pytest.approx({"equal": 1 / 3, "aligned": 0.0})


def test_columns_add_up_also_where_most_values_are_in_one_row() -> None:
    openings = [
        "how to",
        "what is",
        "why does",
        "can i",
        "where is",
        "when did",
        "who was",
        "is it",
        "do we",
        "which of",
    ]
    found = one(measured(sides([f"{words} sort" for words in openings], ["how to sort"], [1.0])), "leading words")
    assert len(found.rows) == MOST_VALUES + 1
    assert found.rows[-1].value == REST
    for side in ("real", "equal", "aligned"):
        assert sum(row.shares[side] for row in found.rows) == pytest.approx(1.0)
    assert found.distances["equal"] == pytest.approx(0.9)


def test_what_only_the_model_can_tell_is_that_of_the_nearest_batch() -> None:
    rows = [("b1", "Tone", "plain", False), ("b2", "tone", "terse", False), ("b2", "tone", "plain", False)]
    rows += [("b1", "tone", "rude", True), ("b1", "length", "short", False), ("gone", "tone", "odd", False)]
    values = seen_values(rows, {"b1": 0, "b2": 1})
    assert values == {"tone": {"plain": {0, 1}, "terse": {1}}}
    both = [
        Side(["a", "b", "c", "d"], np.array([0, 0, 0, 1]), {"real": np.ones(4)}),
        Side(["e", "f"], np.array([0, 1]), {"equal": np.ones(2), "aligned": np.array([0.5, 1.5])}),
    ]
    (found,) = named(values, both)
    assert [(row.value, row.shares) for row in found.rows] == [
        ("plain", {"real": 1.0, "equal": 1.0, "aligned": 1.0}),
        ("terse", {"real": 0.25, "equal": 0.5, "aligned": 0.75}),
    ]
    assert found.distances == {}
