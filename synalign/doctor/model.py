"""The model endpoint: one tiny request, made of the retriever's own prompt and settings, and tried once."""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlsplit

import openai

from synalign.config import Configuration
from synalign.doctor.finding import Case
from synalign.errors import GenerationError
from synalign.generation import outcomes, request
from synalign.generation.attributes import reason_request
from synalign.generation.batches import Batch
from synalign.generation.client import final_error, openai_client
from synalign.generation.endpoint import EMBEDDED, Endpoint, endpoint
from synalign.generation.outcomes import Failure, Reply

_QUERIES = ("how to descale a kettle", "kettle leaks at the bottom")
_REMEDIES = {
    outcomes.CONNECTION: "check generation.endpoint, the network and the proxy variables",
    outcomes.TIMEOUT: "try again; if the model is that slow, raise runtime.timeout_seconds",
    outcomes.RATE_LIMITED: "others use the same quota now; a refresh waits, but takes longer",
    outcomes.SERVER_ERROR: "the endpoint has trouble of its own; try again later",
    outcomes.TRUNCATED: "raise generation.max_output_tokens; a reasoning model thinks within that limit too",
    outcomes.REFUSED: "take another model, or reword generation.prompts",
    outcomes.INVALID_OUTPUT: "take a model or endpoint with structured outputs (response_format json_schema, strict)",
    outcomes.CONTEXT_TOO_LONG: "take a model with a larger context, or lower generation.max_output_tokens",
    outcomes.REJECTED: "the endpoint takes no such request: does it know response_format json_schema, seed, "
    "temperature and max_completion_tokens?",
}


def model(case: Case) -> str:
    """The endpoint answers one tiny request as a refresh would send it.

    Raises:
        ConfigurationError: Its key, or the embedded writer's address, is unusable.
        GenerationError: It gives no good answer.
    """
    settings = case.configuration.generation
    with endpoint(settings) as where:
        started = time.monotonic()
        reply, date = asyncio.run(_ask(case.configuration, where))
        seconds = time.monotonic() - started
    if settings.endpoint != EMBEDDED:
        case.note_time(urlsplit(settings.endpoint).netloc.rpartition("@")[2], date)
    cost = f"{_count(reply.tokens_in)} tokens in, {_count(reply.tokens_out)} out"
    batches = ", and takes batches" if settings.mode == "batch" else ""
    return f"{reply.model} at {settings.endpoint} answered in {seconds:.1f} s ({cost}){batches}"


async def _ask(configuration: Configuration, where: Endpoint) -> tuple[Reply, str | None]:
    """The answer to a request *reason* about two made queries, and the response's date."""
    asked = reason_request(Batch("doctor", _QUERIES, ()), configuration)
    async with openai_client(configuration, where) as client:
        try:
            async with asyncio.timeout(configuration.runtime.timeout_seconds):
                sent = request.parameters(asked, configuration)
                response = await client.chat.completions.with_raw_response.create(**sent)
                reply = outcomes.of_completion(response.http_response.json(), asked.answer)
                if configuration.generation.mode == "batch":
                    await client.batches.list(limit=1)
        except Failure as failure:
            raise _error(failure, configuration, where) from None
        except (openai.OpenAIError, TimeoutError, ValueError, RecursionError) as error:
            # `from None`: the client's own exception may quote the key.
            raise _error(outcomes.of_error(error), configuration, where) from None
    return reply, response.headers.get("date")


def _error(failure: Failure, configuration: Configuration, where: Endpoint) -> GenerationError:
    """What people are told of a try that gave no good answer."""
    settings = configuration.generation
    failure.detail = failure.detail.replace(where.api_key, "***")
    if failure.outcome in outcomes.FINAL:
        return final_error(failure, settings)
    name = failure.outcome.replace("_", " ")
    return GenerationError(
        f"{settings.endpoint}, model {settings.model!r}: {name}: {failure.detail}.", remedy=_REMEDIES[failure.outcome]
    )


def _count(tokens: int | None) -> str:
    return "?" if tokens is None else f"{tokens:,}"
