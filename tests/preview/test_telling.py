"""A preview in sentences."""

from __future__ import annotations

from synalign.preview import telling
from synalign.preview.findings import Asked
from tests.preview.findings import made


def test_the_level_follows_what_came_back() -> None:
    found = made("what is a closure")
    assert telling.level(found) == "caution"
    (batch,) = found.batches
    good = found._replace(warnings=(), batches=(batch._replace(requests=batch.requests[:1]),))
    assert telling.level(good) == "good"
    assert telling.level(good._replace(batches=(batch._replace(queries=batch.queries[1:]),))) == "bad"


def test_a_whole_sample_needs_no_warning_of_its_own() -> None:
    found = made("x")
    assert "rejects more" in " ".join(telling.basis(found))
    assert "rejects more" not in " ".join(telling.basis(found._replace(whole=True)))


def test_costs_that_nobody_tells_are_said_to_be_the_most() -> None:
    rate = made().rate._replace(known=False, money=None, ceiling="")
    first, second = telling.costs(rate)
    assert "at most 8,000 tokens sent" in first and "at most 96,000 tokens sent" in second
    assert "generation.budget has no input_price" in second


def test_a_request_says_how_it_ended_and_whether_it_was_paid_now() -> None:
    asked = Asked("write", (), "ok", "{}", "first try timed out", 10, 20, 2.0, True)
    assert telling.ended(asked) == "ok, 10 tokens sent, 20 received, from the journal, at no cost now"
    failed = asked._replace(outcome="timeout", reused=False, tokens_out=None)
    assert telling.ended(failed) == "timeout, tokens not told, 2.0\u202fs: first try timed out"
