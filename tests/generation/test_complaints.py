"""What endpoints say when they refuse: their own words, once, in any shape; no secret, and nothing of a prompt."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synalign import masking
from synalign.generation import outcomes
from synalign.generation.complaints import LONGEST, complaint, shown
from synalign.generation.outcomes import of_refusal

FASTAPI = [
    {"loc": ["body", "seed"], "msg": "field not allowed", "type": "value_error.extra", "input": "what users typed"}
]
SHAPES = {
    "openai": ({"error": {"message": "no such thing", "type": "t", "param": None, "code": None}}, "no such thing"),
    "error as text": ({"error": "no such thing"}, "no such thing"),
    "message": ({"message": "no such thing"}, "no such thing"),
    "detail as text": ({"detail": "no such thing"}, "no such thing"),
    "fastapi": ({"detail": FASTAPI}, "body.seed: field not allowed"),
    "fastapi as text": ({"object": "error", "message": json.dumps(FASTAPI)}, "body.seed: field not allowed"),
    "fastapi as python": ({"object": "error", "message": str(FASTAPI), "code": 400}, "body.seed: field not allowed"),
    "fastapi in message": ({"message": {"detail": FASTAPI}}, "body.seed: field not allowed"),
    "fastapi in error's message": ({"error": {"message": str({"detail": FASTAPI})}}, "body.seed: field not allowed"),
    "vllm": ({"object": "error", "message": "no such thing", "type": "BadRequestError", "code": 400}, "no such thing"),
    "several": ({"errors": [{"message": "one"}, {"message": "two"}]}, "one; two"),
    "gemini": ([{"error": {"code": 400, "message": "no such thing", "status": "INVALID_ARGUMENT"}}], "no such thing"),
    "anthropic": (
        {"type": "error", "error": {"type": "invalid_request_error", "message": "no such thing"}},
        "no such thing",
    ),
    "wrapped": (
        {"error": {"message": 'litellm.BadRequestError: OpenAIException - {"error": {"message": "no such thing"}}'}},
        "litellm.BadRequestError: OpenAIException: no such thing",
    ),
    "wrapped bytes": (
        {"error": {"message": 'x.BadRequestError: V - b\'{\\n "error": {"message": "no such thing"}}\''}},
        "x.BadRequestError: V: no such thing",
    ),
    "said twice": ({"error": {"message": "no such thing"}, "message": "no such thing"}, "no such thing"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_words_are_found_once_in_every_shape(shape):
    body, words = SHAPES[shape]
    assert complaint(json.dumps(body).encode()).words == words
    failure = of_refusal(400, complaint(body), None, {"messages": []})
    assert failure.detail == f"status 400: {words}"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"upstream connect error", "upstream connect error"),
        (b"<html><head><title>502 Bad\n Gateway</title></head>", 'a page with the title "502 Bad Gateway"'),
        (b"  <!DOCTYPE html><p>hello", "a page without a title"),
        (b"", ""),
        (b"{}", ""),
        (b"[1, 2", "[1, 2"),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_what_is_no_json_is_told_too(body, words):
    assert complaint(body).words == words


@given(st.binary(max_size=200))
def test_no_body_breaks_the_reading_of_a_complaint(body):
    shown(complaint(body).words)


NAMES = st.sampled_from(["error", "message", "detail", "loc", "msg", "code", "type", "param"])
LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=9)


@given(
    st.recursive(
        LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
    )
)
def test_no_json_breaks_it_either(body):
    failure = of_refusal(400, complaint(body), None, {"messages": [{"role": "user", "content": "x"}]})
    assert failure.outcome in {outcomes.REJECTED, outcomes.CONTEXT_TOO_LONG, outcomes.QUOTA_EXHAUSTED}


def test_long_words_are_cut_and_secrets_masked_before_that():
    masking.learn("a-secret-of-the-complaints-test")
    words = shown("x" * (LONGEST - 10) + "a-secret-of-the-complaints-test")
    assert len(words) <= LONGEST and "a-secret" not in words


PROMPT = '<data>\n{"demonstrations": ["my neighbour Jane Roe of 12 Elm Street", "jane roe"], "documents": []}\n</data>'


@pytest.mark.parametrize(
    "words",
    [
        "cannot parse 'My neighbour Jane Roe of 12 Elm Street'",
        "value_error: input=my neighbour Jane Roe of 12 Elm",
        "bad text: " + PROMPT,
        "bad text: " + json.dumps(PROMPT),
        "unexpected 'jane roe' in messages",
    ],
)
def test_what_a_server_quotes_of_the_prompt_is_left_out(words):
    said = shown(words, [{"role": "system", "content": "You write"}, {"role": "user", "content": PROMPT}])
    assert "jane" not in said.lower() and "elm" not in said.lower() and "…" in said
    assert said.startswith(words.split()[0])


def test_a_prompt_that_names_parameters_decides_nothing():
    prompt = '{"demonstrations": ["which seed is not supported at a low temperature of the oven"]}'
    said = complaint(
        {"error": {"message": "cannot parse: which seed is not supported at a low temperature of the oven"}}
    )
    sent = {"seed": 0, "temperature": 0.7, "max_tokens": 9, "messages": [{"role": "user", "content": prompt}]}
    assert of_refusal(400, said, None, sent).outcome == outcomes.REJECTED
