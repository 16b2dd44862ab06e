"""What a step cost: as reported, and at most where the endpoint is silent."""

from __future__ import annotations

from collections import Counter

import pytest

from synalign.config import Configuration
from synalign.generation.client import Answer
from synalign.generation.usage import spending

SETTINGS = Configuration.model_validate(
    {
        "retriever": "r",
        "schedule": {"start": "2026-01-01"},
        "source": {"kind": "beir", "path": "x"},
        "generation": {"budget": {"input_price": 1.0, "output_price": 2.0}},
    }
).generation


def answer(tokens_in: int | None, tokens_out: int | None, most_in: int, most_out: int) -> Answer:
    return Answer("r", "ok", None, "m", tokens_in, tokens_out, 0.0, False, Counter(), most_in, most_out)


def test_reported_tokens_are_added_and_priced() -> None:
    found = spending([answer(100, 10, 100, 10), answer(200, 20, 200, 20)], SETTINGS)
    # 300 tokens at 1 and 30 at 2, a million.
    assert found == {
        "tokens_in": 300, "tokens_out": 30, "tokens": 330, "money": pytest.approx(360e-6), "currency": "USD",
    }  # fmt: skip


def test_silent_answers_are_counted_at_most() -> None:
    found = spending([answer(100, 10, 100, 10), answer(None, 5, 400, 50)], SETTINGS)
    assert (found["tokens"], found["usage_missing"], found["tokens_at_most"]) == (110, 1, 560)
    assert found["money_at_most"] == pytest.approx((500 + 2 * 60) * 1e-6)


def test_where_all_are_silent_nothing_is_known() -> None:
    found = spending([answer(None, None, 400, 50)], SETTINGS)
    assert found["tokens"] is None and found["money"] is None and found["tokens_at_most"] == 450
