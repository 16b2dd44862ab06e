"""A batch that was asked in parts ends in its parts, however deep."""

from __future__ import annotations

from collections import Counter

from synalign.config import Configuration
from synalign.generation import outcomes
from synalign.generation.client import Answer
from synalign.generation.demonstration_batches import Batch
from synalign.generation.results import Result, ends, not_sent, writes

CONFIGURATION = Configuration.model_validate(
    {"retriever": "r", "schedule": {"start": "2026-01-01"}, "source": {"kind": "beir", "path": "x"}}
)


def result(name: str, *parts: Result) -> Result:
    answer = Answer(name, "ok", None, "m", 1, 1, 0.0, False, Counter())
    return Result(Batch(name, (), ()), answer, answer, parts)


def test_ends_are_the_leaves_and_writes_are_all_in_their_order() -> None:
    tree = result("a", result("b", result("c"), result("d")), result("e"))
    assert [end.batch.batch_id for end in ends([tree, result("f")])] == ["c", "d", "e", "f"]
    assert [answer.request_id for answer in writes(tree)] == ["a", "b", "c", "d", "e"]


def test_a_request_that_was_never_sent_cost_nothing() -> None:
    answer = not_sent(Batch("b", (), ()), CONFIGURATION)
    assert answer.outcome == outcomes.NOT_SENT and (answer.tokens_in, answer.tokens_out) == (0, 0)
    assert answer.request_id != not_sent(Batch("another", (), ()), CONFIGURATION).request_id
