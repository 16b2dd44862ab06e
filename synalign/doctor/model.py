"""The model endpoint: a tiny request of the retriever's own prompt and settings, in a form that the endpoint takes."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx2
import openai

from synalign.config import Configuration
from synalign.doctor.finding import Case
from synalign.errors import EndpointError, GenerationError
from synalign.generation import outcomes
from synalign.generation.attributes import reason_request
from synalign.generation.client import adapt
from synalign.generation.connection import COMPLETIONS, openai_client
from synalign.generation.demonstration_batches import Batch
from synalign.generation.dialect import UNFOLLOWED, Dialect
from synalign.generation.endings import REMEDIES, final_error
from synalign.generation.endpoint import EMBEDDED, Endpoint
from synalign.generation.outcomes import Failure, Reply
from synalign.writer.endpoint import endpoint

_QUERIES = ("how to descale a kettle", "kettle leaks at the bottom")
_MOST_ASKED = 12
"""Requests until a form is found: each refusal decides one thing, and costs nothing."""


class _Found(NamedTuple):
    """A good answer.

    Attributes:
        reply: The answer.
        seconds: How long it took.
        date: The response's date.
    """

    reply: Reply
    seconds: float
    date: str | None


def model(case: Case) -> str:
    """Send the endpoint a tiny request, in the form in which a refresh sends its requests.

    Raises:
        ConfigurationError: Its key, a header, or the embedded writer's address, is unusable.
        GenerationError: It gives no good answer.
    """
    settings = case.configuration.generation
    dialect = Dialect(case.configuration)
    with endpoint(settings) as where:
        reply, seconds, date = asyncio.run(_ask(case.configuration, where, dialect))
    if settings.endpoint != EMBEDDED:
        case.note_time(urlsplit(settings.endpoint).netloc.rpartition("@")[2], date)
    batches = ", and takes batches" if settings.mode == "batch" else ""
    return (
        f"{reply.model} at {settings.endpoint} answered in {seconds:.1f} s ({_usage(reply, seconds)}); it takes "
        f"{_taken(dialect, case.configuration)}{batches}"
    )


async def _ask(configuration: Configuration, where: Endpoint, dialect: Dialect) -> _Found:
    """Return a good answer to a request *reason* about two invented queries, in the first form that gives one."""
    async with openai_client(configuration, where) as client:
        found = await _found(configuration, client, dialect)
        if configuration.generation.mode == "batch":
            try:
                await client.batches.list(limit=1)
            except (openai.OpenAIError, TimeoutError) as error:
                raise _error(outcomes.of_error(error), configuration) from None
        return found


async def _found(configuration: Configuration, client: openai.AsyncOpenAI, dialect: Dialect) -> _Found:
    asked = reason_request(Batch("doctor", _QUERIES, ()), configuration)
    room: int | None = None
    for _ in range(_MOST_ASKED):
        sent = dialect.parameters(asked, room)
        started = time.monotonic()
        try:
            async with asyncio.timeout(configuration.runtime.timeout_seconds):
                response = await client.post(COMPLETIONS, cast_to=httpx2.Response, body=sent)
            reply = outcomes.of_response(response.content, asked.answer, response.headers, sent)
            return _Found(reply, time.monotonic() - started, response.headers.get("date"))
        except Failure as failure:
            ended = failure
        except (openai.OpenAIError, TimeoutError, ValueError, RecursionError) as error:
            ended = outcomes.of_error(error, sent)
        form = dialect.structured_output
        for _ in range(UNFOLLOWED if ended.outcome == outcomes.INVALID_OUTPUT else 1):
            adapt(ended, asked.answer_tokens, sent, dialect, configuration)
        room = ended.room if ended.room is not None else room
        if ended.outcome != outcomes.ASKED_OTHERWISE and form == dialect.structured_output:
            break
    # `from None`: the client's own exception may quote the key.
    raise _error(ended, configuration) from None


def _error(failure: Failure, configuration: Configuration) -> GenerationError:
    """Return what people are told of a try that gave no good answer."""
    settings = configuration.generation
    if failure.outcome in outcomes.FINAL:
        return final_error(failure, settings)
    name = failure.outcome.replace("_", " ")
    kind = EndpointError if failure.outcome in outcomes.LASTING else GenerationError
    detail = failure.detail.rstrip(".")
    return kind(f"{settings.endpoint}, model {settings.model!r}: {name}: {detail}.", remedy=REMEDIES[failure.outcome])


def _usage(reply: Reply, seconds: float) -> str:
    """Return what the answer cost, as far as the endpoint says."""
    if reply.tokens_in is None or reply.tokens_out is None:
        known = " and ".join(
            f"{tokens:,} tokens {way}" for tokens, way in ((reply.tokens_in, "in"), (reply.tokens_out, "out"))
            if tokens is not None
        )  # fmt: skip
        return f"{known or 'it does not say how many tokens'}: what a refresh costs is known as *at most* only"
    speed = reply.tokens_out / max(seconds, 1e-3)
    return f"{reply.tokens_in:,} tokens in, {reply.tokens_out:,} out, {speed:,.0f} a second"


def _taken(dialect: Dialect, configuration: Configuration) -> str:
    """Return in words which parameters the endpoint takes, and which it refused."""
    settings = configuration.generation
    parts = [f"structured_output `{dialect.structured_output}`", f"output_limit_name `{dialect.limit_name}`"]
    values = {"seed": settings.seed, "temperature": settings.temperature}
    parts += [f"{name}" for name, value in values.items() if value is not None and name not in dialect.not_sent]
    words = ", ".join(parts)
    if dialect.not_sent:
        words += f"; not {' nor '.join(sorted(dialect.not_sent))}: null in the file spares a refusal in every run"
    for limit, name in ((dialect.most_output, "tokens an answer at most"), (dialect.window, "tokens of context")):
        words += f"; {limit:,} {name}" if limit is not None else ""
    return words
