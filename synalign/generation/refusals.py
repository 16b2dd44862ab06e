"""What a refused request was refused for: a parameter that the endpoint does not take, or more tokens than it has room.

Endpoints agree neither on codes nor on words. What a field of the error names is believed first; of the message, only
the names of what was sent count, beside a word that refuses. The messages are those of OpenAI, Azure, vLLM, SGLang,
TGI, llama.cpp, Ollama, LiteLLM, Mistral, Groq, DeepSeek, Anthropic's and Gemini's compatible layers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from synalign.config.generation import LIMIT_NAMES
from synalign.generation.complaints import Complaint

SEED, TEMPERATURE, STRUCTURED, LIMIT_NAME = "seed", "temperature", "structured output", "output limit"
STREAM_OPTIONS, BOUNDS = "stream_options", "bounds of the schema"
"""What an endpoint may not take."""

WHOLE = "whole answers"
"""What an endpoint does not give that only streams."""

STATUSES = frozenset({400, 404, 405, 415, 422, 500, 501})
"""Statuses of such a refusal; 404 and 500 only with words that say so."""

_NAMES = {
    SEED: re.compile(r"\b(?:random_)?seed\b", re.IGNORECASE),
    TEMPERATURE: re.compile(r"\btemperature\b", re.IGNORECASE),
    STREAM_OPTIONS: re.compile(r"\bstream_options\b|\binclude_usage\b", re.IGNORECASE),
    LIMIT_NAME: re.compile(r"\b(?:" + "|".join(LIMIT_NAMES) + r")\b", re.IGNORECASE),
    STRUCTURED: re.compile(
        r"response[_ ]?format|json[_ ]?schema|json[_ ]?object|\bjson[_ ]mode\b|guided[_ ](?:decoding|json|grammar)"
        r"|structured[_ ]outputs?|\bgrammar\b|\btool[s_]?\b|\btool_choice\b|\btool (?:use|calling|choice)"
        r"|function[_ ]call",
        re.IGNORECASE,
    ),
}
_LENGTH_KEYWORDS = ("minItems", "maxItems", "maxLength")
_BOUNDS = re.compile(r"\b(?:min|max)_?(?:items|length)\b|\bgrammar\b|repetition", re.IGNORECASE)
_STREAMS_ONLY = re.compile(
    r"only supports? (?:the )?stream|stream(?:ing)? (?:mode )?(?:is )?(?:required|mandatory)|enable the stream"
    r"|[`'\"]?stream[`'\"]? (?:must|should|has to) be (?:set to )?true|non-?stream\w* .{0,40}not support",
    re.IGNORECASE,
)
_REFUSES = re.compile(
    r"(?:not|n't|isn't|cannot|can't|never)\b.{0,40}\b(?:support|permit|allow|accept|available|implement|enabled|recogni[sz]"
    r"|valid|expected|known|be (?:specified|used|set|less|greater|honou?red))"
    r"|\b(?:un(?:supported|recogni[sz]ed|known|expected|available|implemented)|invalid|extra|forbidden|disallowed"
    r"|deprecated|incompatible|illegal|failed to|no endpoints? found|no such|only|must be|must have|requires?|should be"
    r"|range|does ?n[o']t|cannot)\b",
    re.IGNORECASE,
)
_OVERFLOW = re.compile(
    r"context[ _-]?(?:length|window|size|limit)|maximum context|\bmax_model_len\b|exceed_context"
    r"|exceeds? the (?:available )?context"
    r"|(?:prompt|input|messages?|request)s?\b.{0,60}?\b(?:too (?:long|large|many)|longer than|exceeds?\b)"
    r"|too many (?:input )?tokens|reduce the length|`inputs` tokens|token count.{0,30}exceeds?",
    re.IGNORECASE | re.DOTALL,
)
OVERFLOW_CODES = frozenset(
    {
        "context_length_exceeded",
        "context_window_exceeded",
        "exceed_context_size_error",
        "string_above_max_length",
        "model_max_prompt_tokens_exceeded",
        "ContextWindowExceededError",
    }
)
_WINDOW = (
    re.compile(r"context limit: \d[\d,]* \+ \d[\d,]* > (\d[\d,]*)", re.IGNORECASE),
    re.compile(r"context (?:length|window|size|limit)(?: is| of)?(?: only)?[^\d]{0,12}(\d[\d,]*)", re.IGNORECASE),
    re.compile(r"context (?:length|window|size|limit) \((\d[\d,]*) tokens\)", re.IGNORECASE),
    re.compile(r"max_new_tokens`? must be <= (\d[\d,]*)", re.IGNORECASE),
    re.compile(r"tokens? > (\d[\d,]*) maximum", re.IGNORECASE),
    re.compile(r"maximum number of tokens allowed \(?(\d[\d,]*)", re.IGNORECASE),
    re.compile(r"with (\d[\d,]*) maximum context", re.IGNORECASE),
    re.compile(r"context window of (\d[\d,]*)", re.IGNORECASE),
)
_INPUT = (
    re.compile(r"(\d[\d,]*) (?:tokens )?(?:in the messages|of text input|from the input|in your prompt|in the prompt)",
               re.IGNORECASE),
    re.compile(r"(\d[\d,]*) input tokens", re.IGNORECASE),
    re.compile(r"resulted in (\d[\d,]*) tokens", re.IGNORECASE),
    re.compile(r"given: (\d[\d,]*) `inputs`", re.IGNORECASE),
    re.compile(r"context limit: (\d[\d,]*) \+", re.IGNORECASE),
    re.compile(r"(?:prompt|input|request)\b[^\d]{0,40}?(\d[\d,]*) tokens", re.IGNORECASE),
    re.compile(r"input token count \(?(\d[\d,]*)", re.IGNORECASE),
)  # fmt: skip
_LIMIT_VALUE = re.compile(
    r"too (?:large|high|big|many)|at most|maximum|exceeds?|less than|<=|\brange\b|\[\d+, ?\d+\]|greater than|> ?\d",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![\w.])\d[\d,]{0,11}(?![\w.]*[A-Za-z])")
_LEAST_LIMIT = 16


class Refusal(NamedTuple):
    """What a request was refused for.

    Attributes:
        parameters: Those that the endpoint does not take, of `SEED` and its like.
        most_output: The most output tokens that it allows, where it says so.
        overflow: Whether the request does not fit into the model's context.
        window: Tokens of that context, where it says so.
        tokens_in: Tokens of the prompt as it counts them, where it says so.
    """

    parameters: tuple[str, ...] = ()
    most_output: int | None = None
    overflow: bool = False
    window: int | None = None
    tokens_in: int | None = None


def refusal(status: int, said: Complaint, sent: Mapping[str, Any]) -> Refusal | None:
    """Return what a request was refused for, or None where that is neither a parameter nor its length.

    Args:
        status: HTTP status, of the response or in its body.
        said: The complaint, without what it quotes of the prompt.
        sent: The request's parameters.
    """
    if status in (400, 413, 422, 500):
        if said.codes & OVERFLOW_CODES:
            return _overflow(said)
        most = _most_output(said, sent)
        if most is not None and not _window(said):
            return Refusal(most_output=most)
        if status == 413 or _OVERFLOW.search(said.words):
            return _overflow(said)
    if status not in STATUSES:
        return None
    if _BOUNDS.search(said.words) and is_bounded(sent):
        # The same form with less in it is nearer to what was asked for than the next form.
        return Refusal((BOUNDS,))
    if "stream" not in sent and _STREAMS_ONLY.search(said.words):
        return Refusal((WHOLE,))
    parameters = _named(said, sent) or _mentioned(said.words, sent)
    if status == 500:
        # What a server's own error says of other parameters is no refusal of them.
        parameters = tuple(name for name in parameters if name == STRUCTURED)
    return Refusal(parameters) if parameters else None


def is_bounded(sent: Mapping[str, Any]) -> bool:
    """Return whether some parameters hold a schema with bounds of lists and texts."""
    schema = json.dumps([sent.get("tools"), sent.get("response_format")])
    return any(f'"{keyword}"' in schema for keyword in _LENGTH_KEYWORDS)


def _overflow(said: Complaint) -> Refusal:
    window = said.figures.get("n_ctx") or _window(said)
    tokens_in = said.figures.get("n_prompt_tokens") or _first(_INPUT, said.words)
    return Refusal(overflow=True, window=window, tokens_in=tokens_in)


def _window(said: Complaint) -> int | None:
    return _first(_WINDOW, said.words)


def _most_output(said: Complaint, sent: Mapping[str, Any]) -> int | None:
    """Return the most output tokens that the message allows, where it says that too many were asked for."""
    names = [name for name in LIMIT_NAMES if name in sent]
    if not names or not _NAMES[LIMIT_NAME].search(said.words + " " + " ".join(said.parameters)):
        return None
    if not _LIMIT_VALUE.search(said.words):
        return None
    asked = int(sent[names[0]])
    numbers = [int(match[0].replace(",", "")) for match in _NUMBER.finditer(said.words)]
    lower = [number for number in numbers if _LEAST_LIMIT <= number < asked]
    return max(lower, default=None)


def _named(said: Complaint, sent: Mapping[str, Any]) -> tuple[str, ...]:
    """Parameters that fields of the error name."""
    found = []
    for name in said.parameters:
        found += [kind for kind in _kinds(sent) if _NAMES[kind].search(name)]
    return tuple(dict.fromkeys(found))


def _mentioned(words: str, sent: Mapping[str, Any]) -> tuple[str, ...]:
    """Parameters that the message names as refused."""
    if not _REFUSES.search(words):
        return ()
    found = []
    for kind in _kinds(sent):
        if kind == LIMIT_NAME:
            # "Use 'max_completion_tokens' instead" names another than the one that was sent.
            matches = any(re.search(rf"\b{name}\b", words) for name in LIMIT_NAMES if name in sent)
        else:
            matches = _NAMES[kind].search(words) is not None
        if matches:
            found.append(kind)
    return tuple(found)


def _kinds(sent: Mapping[str, Any]) -> list[str]:
    """Return the sent parameters that an endpoint may not take."""
    kinds = [kind for kind in (SEED, TEMPERATURE, STREAM_OPTIONS) if kind in sent]
    if any(name in sent for name in LIMIT_NAMES):
        kinds.append(LIMIT_NAME)
    if "response_format" in sent or "tools" in sent:
        kinds.append(STRUCTURED)
    return kinds


def _first(patterns: tuple[re.Pattern[str], ...], words: str) -> int | None:
    for pattern in patterns:
        match = pattern.search(words)
        if match:
            return int(match[1].replace(",", ""))
    return None
