"""How a request can end, and the one place where what an endpoint sends becomes one of these endings.

Decided by exception class, status code and the error's `code`. Two endings need the text of a message, since endpoints
have no code for them: a request that is too long for the model, and a parameter that it does not take (`refusals`).
"""

from __future__ import annotations

import email.utils
import math
import re
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx2
import openai
from pydantic import BaseModel

from synalign.config.generation import LIMIT_NAMES
from synalign.generation import bodies, complaints, reading
from synalign.generation.bodies import member, texts, usage
from synalign.generation.complaints import Complaint
from synalign.generation.refusals import OVERFLOW_CODES, Refusal, refusal

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
PAGE = "page"
UNSUPPORTED = "unsupported"
ASKED_OTHERWISE = "asked_otherwise"
NOT_SENT = "not_sent"
NOT_ASKED = "not_asked"
OVER_BUDGET = "over_budget"

# Trying again can help. The others would end the same way, and cost again.
RETRIED = frozenset({RATE_LIMITED, TIMEOUT, SERVER_ERROR, CONNECTION, INVALID_OUTPUT})
# Every other request would end the same way.
FINAL = frozenset({QUOTA_EXHAUSTED, AUTHENTICATION, NOT_FOUND, PAGE, UNSUPPORTED})
# The model answered, though not well.
ANSWERED = frozenset({OK, REFUSED, TRUNCATED, INVALID_OUTPUT})
# Turned away before the model saw it: nobody bills that.
UNBILLED = FINAL | {RATE_LIMITED, CONTEXT_TOO_LONG, REJECTED, ASKED_OTHERWISE}
# No time mends them: the same request ends the same way.
LASTING = (FINAL | {CONTEXT_TOO_LONG, REJECTED, REFUSED, TRUNCATED, INVALID_OUTPUT}) - {QUOTA_EXHAUSTED}

_QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_CONTEXT_CODES = OVERFLOW_CODES
# What a body says that has no status of its own: the error of a response with status 200.
_STATUS_OF_CODE = {
    "rate_limit_exceeded": 429, "rate_limit_error": 429, "too_many_requests": 429, "RESOURCE_EXHAUSTED": 429,
    "throttling_error": 429, "insufficient_quota": 429, "invalid_api_key": 401, "authentication_error": 401,
    "unauthorized": 401, "UNAUTHENTICATED": 401, "permission_error": 403, "permission_denied": 403,
    "PERMISSION_DENIED": 403, "payment_required": 402, "model_not_found": 404, "not_found_error": 404,
    "not_found": 404, "NOT_FOUND": 404, "invalid_request_error": 400, "invalid_request": 400,
    "INVALID_ARGUMENT": 400, "bad_request": 400, "context_length_exceeded": 400, "overloaded_error": 529,
    "overloaded": 529, "service_unavailable": 503, "UNAVAILABLE": 503, "timeout": 408, "timeout_error": 408,
    "server_error": 500, "api_error": 500, "internal_server_error": 500, "internal_error": 500, "INTERNAL": 500,
}  # fmt: skip
# Of an error that has neither status nor code.
_STATUS_OF_WORDS = (
    (429, re.compile(r"rate.?limit|too many requests", re.IGNORECASE)),
    (401, re.compile(r"unauthori[sz]ed|(?:invalid|incorrect|missing|no) api.?key|not authenticated", re.IGNORECASE)),
    (404, re.compile(r"(?:model|page|url|route).{0,60}not (?:found|exist)|^not found$|no such model", re.IGNORECASE)),
    (400, re.compile(r"not support|unsupported|unrecogni[sz]ed|invalid|context (?:length|size|window)", re.IGNORECASE)),
)
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
# Gateway errors: no backend, or no capacity.
_AWAY = frozenset({502, 503, 504, 529})
_MESSAGE_CHARACTERS = 300


class Failure(Exception):
    """One try that gave no good answer.

    Args:
        outcome: How it ended, one of the names above.
        detail: For people; may hold what the endpoint wrote.
        retry_after: Seconds the endpoint asked to wait, if it did.
        tokens_in: Tokens it cost all the same; None: nobody says.
        tokens_out: The same for what was received.
        away: Whether nobody was there to answer, so that it says nothing of the request.
        refusal: What it was refused for, where that can be told.
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
        refusal: Refusal | None = None,
    ) -> None:
        super().__init__(outcome, detail)
        self.outcome = outcome
        self.detail = detail
        self.retry_after = retry_after
        self.tokens_in = tokens_in
        self.tokens_out = tokens_out
        self.away = away
        self.refusal = refusal
        # Set by the client: tokens left for the answer to the same request, and whether only a shorter one can help.
        self.room: int | None = None
        self.context_full = outcome == CONTEXT_TOO_LONG

    def __str__(self) -> str:
        return f"{self.outcome}: {self.detail}"

    @property
    def unreached(self) -> bool:
        """Return whether there was no connection at all: not even a gateway answered."""
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


def of_error(error: Exception, sent: Mapping[str, Any] | None = None) -> Failure:
    """Return the failure that an exception of the openai client stands for; raise any other exception again.

    Args:
        error: The exception.
        sent: The request's parameters.
    """
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
        return of_refusal(error.status_code, complaints.complaint(_content(error)), asked, sent)
    if isinstance(error, bodies.Page):
        return Failure(PAGE, "a page, not an API")
    # The JSON decoder's, for a body that is none.
    if isinstance(error, ValueError | RecursionError | openai.APIError):
        return Failure(INVALID_OUTPUT, "the body of the response is no chat completion")
    raise error


def of_refusal(
    status: int, said: Complaint, asked: float | None = None, sent: Mapping[str, Any] | None = None
) -> Failure:
    """Return the failure that a status and its body stand for.

    Args:
        status: HTTP status, of the response or in its body.
        said: What its body says.
        asked: Seconds that the endpoint asks to wait.
        sent: The request's parameters.
    """
    sent = sent or {}
    words = complaints.shown(said.words, sent.get("messages", ()))
    outcome = of_status(status, set(said.codes))
    # What is quoted of the prompt may name anything.
    found = refusal(status, said._replace(words=words if len(said.words) < complaints.LONGEST else said.words), sent)
    if outcome in (REJECTED, NOT_FOUND, CONTEXT_TOO_LONG, SERVER_ERROR) and found is not None:
        # Until somebody asks in another form, it is what it is.
        outcome = CONTEXT_TOO_LONG if found.overflow else UNSUPPORTED
    else:
        found = None
    detail = f"status {status}: {words}" if words else f"status {status}, without a word"
    away = outcome == SERVER_ERROR and status in _AWAY
    return Failure(outcome, detail, retry_after=asked, away=away, refusal=found)


def _content(error: openai.APIStatusError) -> Any:
    """Return the body of an error's response."""
    try:
        return error.response.content
    except httpx2.StreamError:
        return error.body


def headers_of(error: Exception) -> Mapping[str, str]:
    """Return the headers of the response behind an exception of the openai client; none where there is no response."""
    return error.response.headers if isinstance(error, openai.APIStatusError) else {}


def of_response(
    content: bytes, model: type[BaseModel], headers: Mapping[str, str], sent: Mapping[str, Any] | None = None
) -> Reply:
    """Return the validated answer in the body of a response with status 200.

    Args:
        content: The body.
        model: What the answer must be.
        headers: Of the response.
        sent: The request's parameters.

    Raises:
        Failure: There is none.
        ValueError: It is no JSON.
        RecursionError: It is nested without end.
    """
    return of_completion(bodies.completion(content), model, headers, sent)


def of_completion(
    completion: object,
    model: type[BaseModel],
    headers: Mapping[str, str] | None = None,
    sent: Mapping[str, Any] | None = None,
) -> Reply:
    """Return the validated answer in a chat completion.

    Args:
        completion: The body of the response, as its JSON was read; any part may be missing or of another type.
        model: What the answer must be.
        headers: Of the response, where it has a `Retry-After`.
        sent: The request's parameters.

    Raises:
        Failure: There is none: an error with status 200, refused, truncated, or not of the schema.
    """
    tokens_in, tokens_out = usage(completion)
    choices = member(completion, "choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message, finish = member(choice, "message"), member(choice, "finish_reason")

    def failure(outcome: str, detail: str) -> Failure:
        return Failure(outcome, detail, tokens_in=tokens_in, tokens_out=tokens_out)

    error = _error_in(completion, choice)
    if error is not None:
        raise _of_error_in(error, tokens_in, tokens_out, headers or {}, sent)
    if choice is None:
        raise failure(INVALID_OUTPUT, "the body of the response is no chat completion")
    if finish == "content_filter" or member(message, "refusal"):
        raise failure(REFUSED, "the model refused")
    if finish == "length":
        raise failure(TRUNCATED, _cut_off(tokens_out, sent))
    reason = "the answer has no text"
    for text in texts(message, choice):
        try:
            found = reading.read(text, model)
        except reading.Unreadable as unreadable:
            reason = str(unreadable)
            continue
        name = str(member(completion, "model"))[:_MESSAGE_CHARACTERS]
        return Reply(found.text, found.content, name, tokens_in, tokens_out)
    raise failure(INVALID_OUTPUT, reason)


def _error_in(completion: object, choice: object) -> object | None:
    """Return the error in a body with status 200; None where there is none."""
    if member(choice, "error") or member(choice, "finish_reason") == "error":
        return member(choice, "error") or {"message": "the answer ended with an error", "code": 500}
    if isinstance(completion, list):
        return completion if completion and member(completion[0], "error") else None
    if choice is not None or not isinstance(completion, dict):
        return None
    named = any(completion.get(name) for name in ("error", "errors", "detail"))
    return completion if named or completion.get("object") == "error" else None


def _of_error_in(
    error: object,
    tokens_in: int | None,
    tokens_out: int | None,
    headers: Mapping[str, str],
    sent: Mapping[str, Any] | None,
) -> Failure:
    """Return the failure of an error with status 200, by the status that the error names or its code stands for."""
    said = complaints.complaint(error)
    named = [_STATUS_OF_CODE[code] for code in said.codes if code in _STATUS_OF_CODE]
    named = named or [status for status, words in _STATUS_OF_WORDS if words.search(said.words)]
    # The most telling of its codes: a type such as invalid_request_error stands beside others.
    status = said.status or max(named, default=500)
    failure = of_refusal(status, said, retry_after(headers), sent)
    failure.detail = f"status 200 with an error in the body, {failure.detail.removeprefix('status ')}"
    # Nothing was answered: nobody bills that, unless it says so.
    failure.tokens_in, failure.tokens_out = tokens_in or 0, tokens_out or 0
    return failure


def _cut_off(tokens_out: int | None, sent: Mapping[str, Any] | None) -> str:
    """Explain why an answer was cut off, as far as its length tells."""
    limit = next((value for name, value in (sent or {}).items() if name in LIMIT_NAMES), None)
    if tokens_out is not None and isinstance(limit, int) and tokens_out < 0.9 * limit:
        return (
            f"the answer was cut off after {tokens_out:,} tokens, before generation.max_output_tokens: the model's "
            "context is full, or the endpoint has a limit of its own"
        )
    return "the answer reached generation.max_output_tokens"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a response asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date."""
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


def of_status(status: int, codes: set[str]) -> str:
    """Return the outcome that an HTTP status and the error's codes stand for."""
    if codes & _QUOTA_CODES:
        return QUOTA_EXHAUSTED
    if codes & _CONTEXT_CODES:
        return CONTEXT_TOO_LONG
    if status >= 500:
        return SERVER_ERROR
    return _BY_STATUS.get(status, REJECTED)
