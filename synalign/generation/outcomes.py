"""How a request can end, and the one place where what an endpoint sends becomes one of these endings.

Decided by exception class, status code and the error's `code`, never by the text of a message.
"""

from __future__ import annotations

import email.utils
import math
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx2
import openai
from pydantic import BaseModel, ValidationError

OK = "ok"
RATE_LIMITED = "rate_limited"
QUOTA_EXHAUSTED = "quota_exhausted"
AUTHENTICATION = "authentication"
NOT_FOUND = "not_found"
CONTEXT_TOO_LONG = "context_too_long"
REJECTED = "rejected"
TIMEOUT = "timeout"
SERVER_ERROR = "server_error"
CONNECTION = "connection"
REFUSED = "refused"
TRUNCATED = "truncated"
INVALID_OUTPUT = "invalid_output"
NOT_SENT = "not_sent"
OVER_BUDGET = "over_budget"

# Trying again can help. The others would end the same way, and cost again.
RETRIED = frozenset({RATE_LIMITED, TIMEOUT, SERVER_ERROR, CONNECTION, INVALID_OUTPUT})
# Every other request would end the same way.
FINAL = frozenset({QUOTA_EXHAUSTED, AUTHENTICATION, NOT_FOUND})
# The model answered, though not well.
ANSWERED = frozenset({OK, REFUSED, TRUNCATED, INVALID_OUTPUT})
# Turned away before the model saw it: nobody bills that.
UNBILLED = FINAL | {RATE_LIMITED, CONTEXT_TOO_LONG, REJECTED}

_QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_CONTEXT_CODES = frozenset({"context_length_exceeded", "string_above_max_length"})
_BY_STATUS = {
    401: AUTHENTICATION,
    402: QUOTA_EXHAUSTED,
    403: AUTHENTICATION,
    404: NOT_FOUND,
    408: TIMEOUT,
    409: SERVER_ERROR,
    413: CONTEXT_TOO_LONG,
    429: RATE_LIMITED,
}
# What stands before the model says that there is none behind it, or that it has no room: whatever is asked.
_AWAY = frozenset({502, 503, 504, 529})
_MESSAGE_CHARACTERS = 300
_MOST_TOKENS = 10**9


class Failure(Exception):
    """One try that gave no good answer.

    Args:
        outcome: How it ended, one of the names above.
        detail: For people; may hold what the endpoint wrote.
        retry_after: Seconds the endpoint asked to wait, if it did.
        tokens_in: Tokens it cost all the same; None: nobody says.
        tokens_out: The same for what was received.
        away: Whether nobody was there to answer, so that it says nothing of the request.
    """

    def __init__(
        self,
        outcome: str,
        detail: str,
        *,
        retry_after: float | None = None,
        tokens_in: int | None = None,
        tokens_out: int | None = None,
        away: bool = False,
    ) -> None:
        super().__init__(f"{outcome}: {detail}")
        self.outcome = outcome
        self.detail = detail
        self.retry_after = retry_after
        self.tokens_in = tokens_in
        self.tokens_out = tokens_out
        self.away = away

    @property
    def unreached(self) -> bool:
        """Whether there was no connection at all: then not even a part of the endpoint is there."""
        return self.away and self.outcome != SERVER_ERROR


class Reply(NamedTuple):
    """A good answer of one try.

    Attributes:
        text: The answer as it was sent.
        content: The same, validated.
        model: The model's name as it reported it.
        tokens_in: Tokens sent; None where the endpoint does not say.
        tokens_out: The same for tokens received.
    """

    text: str
    content: BaseModel
    model: str
    tokens_in: int | None
    tokens_out: int | None


def of_error(error: Exception) -> Failure:
    """What an exception of the openai client stands for; one that is none of them is raised again."""
    if isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout):
        # Where there was no connection, nothing was sent.
        detail = f"the connection failed ({type(error.__cause__).__name__})"
        return Failure(CONNECTION, detail, tokens_in=0, tokens_out=0, away=True)
    if isinstance(error, TimeoutError | openai.APITimeoutError):
        return Failure(TIMEOUT, "no answer in time")
    if isinstance(error, openai.APIConnectionError):
        return Failure(CONNECTION, f"the connection failed ({type(error.__cause__).__name__})")
    if isinstance(error, openai.APIStatusError):
        asked = retry_after(error.response.headers)
        return of_refusal(error.status_code, error.code, error.type, error.message, asked)
    # The JSON decoder's, for a body that is none.
    if isinstance(error, ValueError | RecursionError | openai.APIError):
        return Failure(INVALID_OUTPUT, f"the body is no chat completion ({type(error).__name__})")
    raise error


def of_refusal(status: int, code: object, kind: object, message: object, asked: float | None = None) -> Failure:
    """What a status and the `code`, `type` and `message` of an error's body stand for; each may be anything.

    Args:
        status: HTTP status other than 200.
        code: `error.code` of the body.
        kind: `error.type` of the body.
        message: `error.message` of the body.
        asked: Seconds that the endpoint asks to wait.
    """
    codes = {word for word in (code, kind) if isinstance(word, str)}
    words = " ".join(str(message).split())[:_MESSAGE_CHARACTERS]
    return Failure(of_status(status, codes), f"status {status}: {words}", retry_after=asked, away=status in _AWAY)


def headers_of(error: Exception) -> Mapping[str, str]:
    """Headers of the response behind an exception of the openai client; none where there is no response."""
    return error.response.headers if isinstance(error, openai.APIStatusError) else {}


def of_completion(completion: object, model: type[BaseModel]) -> Reply:
    """The validated answer in a chat completion.

    Args:
        completion: The body of the response, as its JSON was read; any part may be missing or of another type.
        model: What the answer must be.

    Raises:
        Failure: There is none: refused, truncated, or not of the schema.
    """
    usage = _member(completion, "usage")
    tokens_in, tokens_out = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    choices = _member(completion, "choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message, finish = _member(choice, "message"), _member(choice, "finish_reason")

    def failure(outcome: str, detail: str) -> Failure:
        return Failure(outcome, detail, tokens_in=tokens_in, tokens_out=tokens_out)

    if choice is None:
        raise failure(INVALID_OUTPUT, "the body is no chat completion")
    if finish == "content_filter" or _member(message, "refusal"):
        raise failure(REFUSED, "the model refused")
    if finish == "length":
        raise failure(TRUNCATED, "the answer reached generation.max_output_tokens")
    text = _member(message, "content")
    if not isinstance(text, str):
        raise failure(INVALID_OUTPUT, "the answer has no text")
    try:
        content = model.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))[:_MESSAGE_CHARACTERS] or "the answer"
        raise failure(INVALID_OUTPUT, f"{place}: {first['type']}, {error.error_count()} in all") from None
    return Reply(text, content, str(_member(completion, "model"))[:_MESSAGE_CHARACTERS], tokens_in, tokens_out)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a response asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date."""
    for name, divisor in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) / divisor
        except (KeyError, ValueError):
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time())
    except (KeyError, ValueError, TypeError):
        return None


def _member(content: object, name: str) -> Any:
    """A member of a JSON object; None where there is none, or no object."""
    return content.get(name) if isinstance(content, dict) else None


def _count(usage: object, name: str) -> int | None:
    """A token count, or None where the endpoint reports none that can be one."""
    value = _member(usage, name)
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None


def of_status(status: int, codes: set[str]) -> str:
    """What an HTTP status and the error's codes stand for."""
    if codes & _QUOTA_CODES:
        return QUOTA_EXHAUSTED
    if codes & _CONTEXT_CODES:
        return CONTEXT_TOO_LONG
    if status >= 500:
        return SERVER_ERROR
    return _BY_STATUS.get(status, REJECTED)
