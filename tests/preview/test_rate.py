"""What a preview costs, scaled to a refresh: by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pyarrow as pa
import pytest

from synalign.config import Configuration
from synalign.generation.client import Answer
from synalign.generation.demonstration_batches import Batch
from synalign.generation.results import Result, not_asked, not_sent
from synalign.preview.rate import rate_of
from synalign.preview.tables import Tables
from synalign.tables import schema

Make = Callable[..., Configuration]


def tables(train: int, *, whole: bool) -> Tables:
    empty = schema("documents").empty_table()
    return Tables(pa.table({"split": ["train"] * train + ["test"] * 9}), empty, empty, "some", whole)


def answer(tokens_in: int | None, tokens_out: int | None, most: int = 0) -> Answer:
    figures = (tokens_in, tokens_out, 1.0, False)
    return Answer("r", "ok", None, "m", *figures, Counter(), tokens_in or most, tokens_out or most)


def results(configuration: Configuration, *write: Answer) -> list[Result]:
    batch = Batch("b", ("a", "b"), ())
    return [Result(batch, answer(100, 20), one) for one in write]


def test_tokens_and_money_grow_with_the_batches_of_a_refresh(retriever: Make) -> None:
    budget = {"input_price": 2.0, "output_price": 10.0, "max_tokens": 1_000, "max_money": 0.001, "currency": "EUR"}
    shop = retriever(budget=budget)
    found = rate_of(results(shop, answer(300, 80), answer(500, 100)), 5, shop, tables(9_000, whole=False))
    assert (found.batches, found.refresh_batches, found.requests) == (2, 12, 4)
    assert (found.tokens_in, found.tokens_out, found.known) == (1_000, 220, True)
    assert found.money == pytest.approx(6 * (1_000 * 2.0 + 220 * 10.0) / 1e6)
    assert (found.whole(found.requests), found.whole(found.accepted), found.currency) == (24, 30, "EUR")
    assert found.accepted_per_thousand == pytest.approx(5 / 1.22)
    assert found.ceiling == "generation.budget.max_tokens (1,000) and generation.budget.max_money (0.00 EUR)"


def test_where_all_queries_are_known_there_are_no_more_batches_than_they_give(retriever: Make) -> None:
    found = rate_of(results(retriever(), answer(1, 1)), 0, retriever(), tables(10, whole=True))
    assert found.refresh_batches == 3
    assert found.money is None and found.ceiling == ""


def test_where_the_endpoint_does_not_say_what_it_counts_the_most_is_taken(retriever: Make) -> None:
    found = rate_of(results(retriever(), answer(None, None, most=700)), 1, retriever(), tables(9, whole=False))
    assert (found.known, found.tokens_in, found.tokens_out) == (False, 800, 720)


def test_requests_that_were_not_sent_cost_nothing(retriever: Make) -> None:
    shop = retriever()
    batch = Batch("b", ("a",), ())
    nothing = [Result(batch, not_asked("reason", batch, shop), not_sent(batch, shop))]
    found = rate_of(nothing, 0, shop, tables(9, whole=False))
    assert (found.requests, found.tokens_in, found.whole(found.tokens_in), found.accepted_per_thousand) == (0, 0, 0, 0)
