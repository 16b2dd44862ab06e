"""What endpoints say when they refuse: their own words, once, in any shape; no secret, and nothing of a prompt."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synalign import masking
from synalign.generation import outcomes
from synalign.generation.complaints import LONGEST, Complaint, complaint, shown
from synalign.generation.outcomes import of_refusal
from synalign.generation.refusals import LIMIT_NAME, SEED, STRUCTURED, TEMPERATURE, refusal

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


SENT = {
    "messages": [],
    "response_format": {"type": "json_schema"},
    "temperature": 0.7,
    "max_completion_tokens": 4096,
    "seed": 0,
}
OLD = {"messages": [], "tools": [], "temperature": 0.7, "max_tokens": 4096, "seed": 0}


@pytest.mark.parametrize(
    ("status", "words", "parameters"),
    [
        (400, "Unrecognized request argument supplied: max_completion_tokens", (LIMIT_NAME,)),
        (400, "Unrecognized request arguments supplied: max_completion_tokens, seed", (SEED, LIMIT_NAME)),
        (
            400,
            "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value.",
            (TEMPERATURE,),
        ),
        (400, "temperature: range: 0..1", (TEMPERATURE,)),
        (
            400,
            "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
            (STRUCTURED,),
        ),
        (400, "This response_format type is unavailable now", (STRUCTURED,)),
        (400, "This model does not support response format `json_schema`.", (STRUCTURED,)),
        (400, "Invalid grammar: guided decoding failed to compile", (STRUCTURED,)),
        (422, "body.seed: field not allowed", (SEED,)),
        (400, "property 'seed' is unsupported", (SEED,)),
        (400, 'Invalid JSON payload received. Unknown name "seed": Cannot find field.', (SEED,)),
        (400, "does not support parameters: ['response_format', 'seed'], for model=y", (SEED, STRUCTURED)),
        (500, "failed to parse grammar", (STRUCTURED,)),
        (501, "This server does not support response_format.", (STRUCTURED,)),
        (404, "No endpoints found that support response_format json_schema.", (STRUCTURED,)),
    ],
)
def test_a_refused_parameter_is_told_from_the_message(status, words, parameters):
    assert refusal(status, Complaint(words), SENT).parameters == parameters


@pytest.mark.parametrize(
    ("words", "parameters"),
    [
        ("Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead.", (LIMIT_NAME,)),
        ("tools param requires --jinja flag", (STRUCTURED,)),
        ("registry.ollama.ai/library/x does not support tools", (STRUCTURED,)),
    ],
)
def test_of_the_names_in_a_message_only_those_that_were_sent_count(words, parameters):
    assert refusal(400, Complaint(words), OLD).parameters == parameters


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "no"),
        (422, "no"),
        (400, "rate limit quota 429 api key"),
        (404, "The model `gpt-9` does not exist or you do not have access to it."),
        (400, "The model `m` has been deprecated"),
        (500, "The server had an error while it processed the seed."),
        (429, "response_format is not supported"),
        (400, "messages: at least one message is required"),
        (400, "The model is trained from another seed"),
    ],
)
def test_other_refusals_are_left_alone(status, words):
    assert refusal(status, Complaint(words), SENT) is None


@pytest.mark.parametrize(
    ("words", "most"),
    [
        ("max_completion_tokens is too large: 4096. This model supports at most 2048 completion tokens", 2048),
        ("Invalid max_tokens value, the valid range of max_tokens is [1, 2048]", 2048),
        ("max_tokens: 4096 > 2048, which is the maximum allowed number of output tokens for this model", 2048),
        ("`max_tokens` must be less than or equal to `1024`", 1024),
    ],
)
def test_the_most_output_that_a_model_gives_is_read(words, most):
    assert refusal(400, Complaint(words), SENT).most_output == most


@pytest.mark.parametrize(
    ("words", "window", "tokens_in"),
    [
        ("This model's maximum context length is 4096 tokens. However, you requested 4396 tokens (300 in the "
         "messages, 4096 in the completion).", 4096, 300),
        ("This model's maximum context length is 4097 tokens. Your messages resulted in 5000 tokens.", 4097, 5000),
        ("'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum context length is 4096 "
         "tokens and your request has 300 input tokens (4096 > 4096 - 300).", 4096, 300),
        ("request (4390 tokens) exceeds the available context size (4096 tokens), try increasing it", 4096, 4390),
        ("Context size has been exceeded.", None, None),
        ("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 3000 `inputs` tokens and "
         "4096 `max_new_tokens`", 4096, 3000),
        ("prompt is too long: 210000 tokens > 200000 maximum", 200_000, 210_000),
        ("input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000", 200_000, 190_000),
        ("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)", 1048576, 1200000),
        ("The input (5000 tokens) is longer than the model's context length (4096 tokens).", 4096, 5000),
        ("Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a total of "
         "8396 tokens: 4300 tokens from the input messages", 4096, 4300),
        ("Prompt contains 40000 tokens, too large for model with 32768 maximum context length", 32_768, 40_000),
        ("Input is too long for requested model.", None, None),
        ("the input length exceeds the context length", None, None),
    ],
)  # fmt: skip
def test_a_request_that_is_too_long_is_told_with_the_numbers_that_are_given(words, window, tokens_in):
    found = refusal(400, Complaint(words), SENT)
    assert (found.overflow, found.window, found.tokens_in) == (True, window, tokens_in)


def test_fields_are_believed_before_words():
    error = {
        "code": 400,
        "message": "too much",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 1407,
        "n_ctx": 256,
    }
    found = refusal(400, complaint({"error": error}), SENT)
    assert (found.overflow, found.window, found.tokens_in) == (True, 256, 1407)
    error = {"message": "not this one", "param": "temperature", "code": "unsupported_value"}
    assert refusal(400, complaint({"error": error}), SENT).parameters == (TEMPERATURE,)
    assert refusal(413, Complaint(""), SENT).overflow
