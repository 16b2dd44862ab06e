"""What endpoints send, and what it is taken for; nothing may break the reading of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synalign.generation import outcomes
from synalign.generation.outcomes import Failure, Reply, of_completion, of_error, retry_after
from synalign.generation.schemas import WrittenQueries

GOOD = '{"documents": [{"document": 0, "queries": ["a query"]}]}'

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "usage", "message", "content", "finish_reason", "model", "prompt_tokens"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_json_is_an_answer_or_a_failure(body):
    try:
        assert isinstance(of_completion(body, WrittenQueries), Reply)
    except Failure as failure:
        assert failure.outcome in {outcomes.INVALID_OUTPUT, outcomes.REFUSED, outcomes.TRUNCATED}


@pytest.mark.parametrize("count", [-1, "7", 7.0, True, None, [7], 10**30])
def test_a_token_count_that_cannot_be_one_is_not_reported(count):
    choice = {"finish_reason": "stop", "message": {"content": GOOD}}
    body = {"choices": [choice], "usage": {"prompt_tokens": count, "completion_tokens": 3}, "model": "m"}
    reply = of_completion(body, WrittenQueries)
    assert (reply.tokens_in, reply.tokens_out) == (None, 3)


def test_tokens_of_a_failure_are_told_where_they_are_reported():
    body = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 6}}
    with pytest.raises(Failure) as caught:
        of_completion(body, WrittenQueries)
    assert (caught.value.tokens_in, caught.value.tokens_out) == (5, 6)
    with pytest.raises(Failure) as caught:
        of_completion({}, WrittenQueries)
    assert (caught.value.tokens_in, caught.value.tokens_out) == (None, None)


def test_a_mistake_of_ours_is_no_outcome():
    with pytest.raises(KeyError):
        of_error(KeyError("x"))


@given(st.text(max_size=20), st.text(max_size=40))
def test_no_header_breaks_the_reading_of_a_wait(milliseconds, seconds):
    found = retry_after({"retry-after-ms": milliseconds, "retry-after": seconds})
    assert found is None or 0.0 <= found < float("inf")


GOOD_COMPLETION = {"choices": [{"finish_reason": "stop", "message": {"content": GOOD}}], "model": "m"}
ERRORS = {
    "number": ({"error": {"message": "Rate limit exceeded", "code": 429}}, outcomes.RATE_LIMITED),
    "text": ({"error": {"message": "slow", "code": "429"}}, outcomes.RATE_LIMITED),
    "name": ({"error": {"message": "slow", "code": "rate_limit_exceeded"}}, outcomes.RATE_LIMITED),
    "type": ({"error": {"message": "slow", "type": "rate_limit_error"}}, outcomes.RATE_LIMITED),
    "words": ({"error": "Too Many Requests"}, outcomes.RATE_LIMITED),
    "key": ({"error": {"message": "bad key", "code": 401}}, outcomes.AUTHENTICATION),
    "key in words": ({"message": "Invalid API key", "object": "error"}, outcomes.AUTHENTICATION),
    "model": ({"error": {"message": "no", "code": "model_not_found"}}, outcomes.NOT_FOUND),
    "empty account": ({"error": {"message": "no", "code": "insufficient_quota"}}, outcomes.QUOTA_EXHAUSTED),
    "overloaded": ({"error": {"message": "busy", "type": "overloaded_error"}}, outcomes.SERVER_ERROR),
    "in the choice": ({"choices": [{"error": {"code": 502, "message": "x"}}]}, outcomes.SERVER_ERROR),
    "in a list": ([{"error": {"code": 503, "message": "x", "status": "UNAVAILABLE"}}], outcomes.SERVER_ERROR),
    "too long": (
        {"error": {"message": "prompt is too long: 9 tokens > 8 maximum", "code": 400}},
        outcomes.CONTEXT_TOO_LONG,
    ),
    "nobody knows": ({"error": {"message": "boom"}}, outcomes.SERVER_ERROR),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_with_status_200_is_the_error_that_it_names_and_costs_nothing(kind):
    body, outcome = ERRORS[kind]
    with pytest.raises(Failure) as caught:
        of_completion(body, WrittenQueries, {"retry-after": "3"})
    assert (caught.value.outcome, caught.value.tokens_in, caught.value.tokens_out) == (outcome, 0, 0)
    assert caught.value.retry_after == 3.0


@pytest.mark.parametrize("error", [None, {}, "", []])
def test_an_empty_error_beside_an_answer_is_none(error):
    assert of_completion({**GOOD_COMPLETION, "error": error}, WrittenQueries).text == GOOD
