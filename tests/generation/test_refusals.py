"""What a request was refused for is told from the words of the endpoint."""

from __future__ import annotations

import pytest

from synalign.generation.complaints import Complaint, complaint
from synalign.generation.refusals import BOUNDS, LIMIT_NAME, SEED, STRUCTURED, TEMPERATURE, is_bounded, refusal

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


BOUNDED = {**SENT, "response_format": {"type": "json_schema", "json_schema": {"schema": {"maxItems": 3}}}}


@pytest.mark.parametrize(
    "words",
    [
        "Invalid schema for response_format 'x': In context=('properties', 'a'), 'maxItems' is not permitted.",
        "failed to parse grammar: number of repetitions exceeds sane defaults",
        "Unsupported schema keyword: min_length",
    ],
)
def test_bounds_of_a_schema_are_given_up_before_the_schema(words: str) -> None:
    found = refusal(400, complaint({"error": {"message": words}}), BOUNDED)
    assert found is not None and found.parameters == (BOUNDS,)
    without = refusal(400, complaint({"error": {"message": words}}), SENT)
    assert without is None or without.parameters != (BOUNDS,)
    assert is_bounded(BOUNDED) and not is_bounded(SENT)
