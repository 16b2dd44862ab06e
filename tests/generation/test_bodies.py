"""The body of a response as a chat completion, whatever a server makes of it."""

from __future__ import annotations

import json

import pytest

from synalign.generation import outcomes
from synalign.generation.outcomes import Failure, of_completion, of_error, of_response
from synalign.generation.schemas import WrittenQueries
from tests.generation.test_outcomes import GOOD_COMPLETION
from tests.generation.test_reading import ANSWER, GOOD, OTHER, message


@pytest.mark.parametrize(
    "content",
    [b"<!doctype html><p>hi", b"\n <html>", b"<?xml version='1.0'?><a/>", b"Ollama is running", b"<div>Log in</div>"],
)
def test_a_body_for_people_is_a_page(content):
    with pytest.raises(ValueError) as caught:
        outcomes.of_response(content, WrittenQueries, {})
    failure = of_error(caught.value)
    assert failure.outcome == outcomes.PAGE
    assert failure.outcome in outcomes.UNBILLED and failure.outcome in outcomes.FINAL


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 3}, (7, 3)),
        ({"input_tokens": 7, "output_tokens": 3}, (7, 3)),
        ({"total_tokens": 10, "completion_tokens": 3}, (7, 3)),
        ({"total_tokens": 10, "prompt_tokens": 7}, (7, 3)),
        ({"total_tokens": 10}, (None, None)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, (None, None)),
        ({"prompt_tokens": "7", "completion_tokens": 3.0}, (None, None)),
        ({"prompt_tokens": -7, "completion_tokens": 3}, (None, 3)),
        (None, (None, None)),
        ([], (None, None)),
    ],
)
def test_usage_is_what_can_be_one(usage, tokens):
    reply = of_completion({**GOOD_COMPLETION, "usage": usage}, WrittenQueries)
    assert (reply.tokens_in, reply.tokens_out) == tokens


PLACES = {
    "text": message(content=GOOD),
    "parts": message(content=[{"type": "text", "text": GOOD[:9]}, {"type": "output_text", "text": GOOD[9:]}]),
    "parts with thoughts": message(content=[{"type": "thinking", "thinking": OTHER}, {"type": "text", "text": GOOD}]),
    "parts with a value": message(content=[{"type": "text", "text": {"value": GOOD}}]),
    "object": message(content=json.loads(GOOD)),
    "arguments": message(content=None, tool_calls=[{"function": {"name": "f", "arguments": GOOD}}]),
    "arguments as object": message(content="", tool_calls=[{"function": {"arguments": json.loads(GOOD)}}]),
    "function call": message(content=None, function_call={"name": "f", "arguments": GOOD}),
    "call in words": message(content='<tool_call>{"name": "f", "arguments": ' + GOOD + "}</tool_call>"),
    "thoughts": message(content="", reasoning_content=GOOD),
    "thoughts elsewhere": message(content=None, reasoning=f"Let me see. {GOOD}"),
    "content before thoughts": message(content=GOOD, reasoning_content=OTHER),
    "bad arguments": message(content=GOOD, tool_calls=[{"function": {"arguments": "{"}}]),
}


@pytest.mark.parametrize("place", PLACES)
def test_an_answer_is_found_wherever_servers_put_it(place):
    assert of_completion(PLACES[place], WrittenQueries).content == ANSWER


def test_thoughts_are_no_answer_where_there_is_content():
    with pytest.raises(Failure) as caught:
        of_completion(message(content="I would rather not.", reasoning_content=GOOD), WrittenQueries)
    assert caught.value.outcome == outcomes.INVALID_OUTPUT


def test_a_stream_that_nobody_asked_for_is_read():
    chunks = [{"model": "m", "choices": [{"delta": {"content": part}}]} for part in (GOOD[:20], GOOD[20:])]
    chunks.append({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    chunks.append({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}})
    body = ": keep-alive\n\n" + "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    reply = of_response(body.encode(), WrittenQueries, {})
    assert (reply.content, reply.model, reply.tokens_in, reply.tokens_out) == (ANSWER, "m", 3, 4)
    limited = b'data: {"error": {"message": "slow down", "code": 429}}\n\n'
    with pytest.raises(Failure) as caught:
        of_response(limited, WrittenQueries, {"retry-after": "7"})
    assert (caught.value.outcome, caught.value.retry_after) == (outcomes.RATE_LIMITED, 7.0)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_body_is_read_in_its_encoding(encoding):
    content = json.dumps(message(content=GOOD.replace("a query", "é")), ensure_ascii=False).encode(encoding)
    assert of_response(content, WrittenQueries, {}).content.documents[0].queries[0] == "é"
