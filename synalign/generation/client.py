"""The only module that talks to a model: asks, retries, counts, and keeps every good answer in the journal.

The openai client's own retries are off: exactly one place decides what is tried again, and when.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import time
from collections import Counter
from types import TracebackType
from typing import Any, NamedTuple

import openai
from pydantic import BaseModel

from synalign.config import Configuration
from synalign.errors import GenerationError
from synalign.generation import outcomes
from synalign.generation.endpoint import EMBEDDED, Endpoint
from synalign.generation.journal import Entry, Journal
from synalign.generation.outcomes import Failure, Reply
from synalign.generation.schemas import json_schema
from synalign.manifests import canonical
from synalign.tables import content_id

log = logging.getLogger("synalign")

LONGEST_BACKOFF = 30.0
# A rate limit is the endpoint's way to say "later", not a failure: it costs no try, only patience.
RATE_LIMIT_PATIENCE = 600.0


class Request(NamedTuple):
    """One request, before the endpoint's own parameters are added.

    Attributes:
        kind: `reason` or `write`.
        batch_id: The batch it is for; no part of what is sent.
        prompt_version: Which wording its messages have.
        messages: Chat messages.
        schema_name: Name of the structured answer.
        answer: The answer's model.
    """

    kind: str
    batch_id: str
    prompt_version: str
    messages: list[dict[str, str]]
    schema_name: str
    answer: type[BaseModel]


class Answer(NamedTuple):
    """How a request ended.

    Attributes:
        request_id: Its id.
        outcome: `ok`, or the outcome of its last try.
        content: The validated answer; None unless `ok`.
        model: The model's name as it reported it; as configured when nothing came back.
        tokens_in: Tokens sent, failed tries included.
        tokens_out: Tokens received, failed tries included.
        seconds: From the first try to the end.
        reused: Whether it came from the journal.
        failures: Outcomes of the failed tries, counted.
    """

    request_id: str
    outcome: str
    content: BaseModel | None
    model: str
    tokens_in: int
    tokens_out: int
    seconds: float
    reused: bool
    failures: Counter[str]


class Client:
    """Asks one endpoint, with `runtime.concurrency` requests in flight. An async context manager.

    Args:
        configuration: Says what is asked and how often it is tried.
        endpoint: Where.
        journal: Where good answers are kept; one that is there is not asked for again.
        backoff_seconds: Wait after the first failed try; doubles with each.
    """

    def __init__(
        self, configuration: Configuration, endpoint: Endpoint, journal: Journal, *, backoff_seconds: float = 1.0
    ) -> None:
        self._settings = configuration.generation
        self._seed = configuration.seed
        self._runtime = configuration.runtime
        self._endpoint = endpoint
        self._journal = journal
        self._backoff = backoff_seconds
        self._slots = asyncio.Semaphore(self._runtime.concurrency)
        self._held_until = 0.0
        self._fatal: GenerationError | None = None
        # A proxy of the environment has no business with the writer on this machine.
        local = openai.DefaultAsyncHttpxClient(trust_env=False) if self._settings.endpoint == EMBEDDED else None
        self._openai = openai.AsyncOpenAI(
            base_url=endpoint.url,
            api_key=endpoint.api_key,
            max_retries=0,
            timeout=self._runtime.timeout_seconds,
            http_client=local,
        )

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._openai.close()

    def key(self, request: Request) -> str:
        """SHA-256 of the canonical request: endpoint as configured, parameters, messages, and all bounds of the answer.

        The embedded writer's address is not part of it, since its port changes from run to run.
        """
        content = {
            "endpoint": self._settings.endpoint,
            "parameters": self._parameters(request),
            "bounds": request.answer.model_json_schema(),
        }
        return hashlib.sha256(canonical(content)).hexdigest()

    async def ask(self, request: Request) -> Answer:
        """Answer a request from the journal or the endpoint.

        Returns:
            How it ended; a request that failed for itself alone is an outcome, not an error.

        Raises:
            GenerationError: No request can succeed: quota exhausted, key refused, or no such model or address.
            RunError: The journal cannot be written.
        """
        key = self.key(request)
        request_id = content_id(request.kind, request.batch_id, key)
        entry = self._journal.get(key)
        if entry is not None:
            return _reused(request_id, entry, request)
        failures: list[Failure] = []
        started = time.monotonic()
        reply = await self._try(request, failures)
        seconds = round(time.monotonic() - started, 3)
        spent_in = sum(failure.tokens_in for failure in failures)
        spent_out = sum(failure.tokens_out for failure in failures)
        counted = Counter(failure.outcome for failure in failures)
        if reply is None:
            outcome = failures[-1].outcome
            return Answer(request_id, outcome, None, self._settings.model, spent_in, spent_out, seconds, False, counted)
        entry = Entry(key, reply.text, reply.model, reply.tokens_in + spent_in, reply.tokens_out + spent_out, seconds)
        # A twin of this request may have been faster: its answer stands.
        return _reused(request_id, self._journal.add(entry), request)._replace(reused=False, failures=counted)

    async def _try(self, request: Request, failures: list[Failure]) -> Reply | None:
        """Try until there is a good answer or no more patience; adds every failed try to `failures`."""
        tries, patience = 0, RATE_LIMIT_PATIENCE
        while True:
            try:
                return await self._send(request)
            except Failure as failure:
                failures.append(failure)
                self._note(request, failure)
                tries += failure.outcome != outcomes.RATE_LIMITED
                wait = self._wait(failure, len(failures))
                patience -= wait
                if failure.outcome not in outcomes.RETRIED or tries >= self._runtime.attempts or patience < 0:
                    return None
            if failures[-1].outcome == outcomes.RATE_LIMITED:
                # The limit is everybody's, so everybody waits: requests sent meanwhile would be refused as well.
                self._held_until = max(self._held_until, time.monotonic() + wait)
            else:
                await asyncio.sleep(wait)

    async def _send(self, request: Request) -> Reply:
        """One try.

        Raises:
            Failure: It gave no good answer.
            GenerationError: No request can succeed.
        """
        async with self._slots:
            while (held := self._held_until - time.monotonic()) > 0:
                await asyncio.sleep(held)
            if self._fatal is not None:
                raise self._fatal
            try:
                async with asyncio.timeout(self._runtime.timeout_seconds):
                    completion = await self._openai.chat.completions.create(**self._parameters(request))
            except (openai.OpenAIError, TimeoutError, ValueError) as error:
                failure = outcomes.of_error(error)
                failure.detail = failure.detail.replace(self._endpoint.api_key, "***")
            else:
                return outcomes.of_completion(completion, request.answer)
        if failure.outcome in outcomes.FINAL:
            self._fatal = self._final(failure)
            # `from None`: the client's own exception may quote the key.
            raise self._fatal from None
        raise failure from None

    def _parameters(self, request: Request) -> dict[str, Any]:
        """Everything that is sent."""
        schema = {"name": request.schema_name, "strict": True, "schema": json_schema(request.answer)}
        return {
            "model": self._settings.model,
            "messages": request.messages,
            "response_format": {"type": "json_schema", "json_schema": schema},
            "temperature": self._settings.temperature,
            "max_completion_tokens": self._settings.max_output_tokens,
            "seed": self._seed,
        }

    def _wait(self, failure: Failure, tries: int) -> float:
        """Seconds until the next try: as long as the endpoint asks, or doubling, with jitter against stampedes."""
        doubled = min(LONGEST_BACKOFF, self._backoff * 2.0 ** (tries - 1)) * random.uniform(0.5, 1.0)
        return doubled if failure.retry_after is None else failure.retry_after

    def _note(self, request: Request, failure: Failure) -> None:
        log.info("generate: %s of batch %s: %s", request.kind, request.batch_id[:8], failure)

    def _final(self, failure: Failure) -> GenerationError:
        settings = self._settings
        if failure.outcome == outcomes.QUOTA_EXHAUSTED:
            message = f"{settings.endpoint} says that the quota is exhausted: this is about billing, not speed."
            remedy = "top up the account or raise its limit, then run the step again; answers so far are kept"
        elif failure.outcome == outcomes.AUTHENTICATION:
            message = f"{settings.endpoint} refused the API key in {settings.api_key_variable}."
            remedy = f"put a valid key, one that may use {settings.model!r}, into {settings.api_key_variable}"
        else:
            message = f"{settings.endpoint} knows no model {settings.model!r}, or is no chat-completions endpoint."
            remedy = "check generation.model and generation.endpoint; most base URLs end in /v1"
        return GenerationError(message, cause=failure.detail, remedy=remedy)


def _reused(request_id: str, entry: Entry, request: Request) -> Answer:
    content = request.answer.model_validate_json(entry.answer)
    figures = (entry.model, entry.tokens_in, entry.tokens_out, entry.seconds)
    return Answer(request_id, outcomes.OK, content, *figures, True, Counter())
