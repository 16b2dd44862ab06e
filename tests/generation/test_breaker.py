"""The circuit breaker, against a naive count."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from synalign.generation import outcomes
from synalign.generation.breaker import LEAST, WINDOW, Breaker

KINDS = [outcomes.OK, outcomes.SERVER_ERROR, outcomes.TIMEOUT, outcomes.RATE_LIMITED, outcomes.REFUSED]


@given(st.lists(st.sampled_from(KINDS), max_size=200), st.sampled_from([0.1, 0.5, 0.9, 1.0]))
def test_it_trips_as_soon_as_too_many_of_the_recent_tries_failed(ends, most):
    breaker, counted = Breaker(most), []
    for end in ends:
        tripped = breaker.add(end)
        if end in (outcomes.RATE_LIMITED, outcomes.REFUSED):
            assert tripped is None
            continue
        counted.append(end)
        recent = counted[-WINDOW:]
        failed = sum(end != outcomes.OK for end in recent)
        assert (tripped is not None) == (len(recent) >= LEAST and failed / len(recent) > most)


def test_it_says_what_failed_and_that_good_answers_are_kept():
    breaker = Breaker(0.5)
    errors = [breaker.add(outcomes.TRUNCATED) for _ in range(LEAST)]
    assert errors[:-1] == [None] * (LEAST - 1)
    assert "20 of the last 20" in str(errors[-1]) and "truncated 20" in str(errors[-1])
    assert "max_output_tokens" in str(errors[-1]) and "kept" in str(errors[-1])
