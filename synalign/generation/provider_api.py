"""The calls of the provider's batch API: files up and down, batches made, found and looked at, each patiently."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TypeVar

import openai
from openai.types import Batch

from synalign.config import Configuration
from synalign.errors import EndpointError, GenerationError
from synalign.generation import outcomes
from synalign.generation.client import seconds_to_wait
from synalign.generation.connection import openai_client
from synalign.generation.endings import final_error
from synalign.generation.endpoint import Endpoint

log = logging.getLogger("synalign")

DIGEST = "synalign_digest"
"""Key of a batch's metadata that names the set of requests."""

COMPLETIONS = "/v1/chat/completions"
LONGEST_MEMORY = 30 * 86_400
"""Older batches are not looked for: their files are gone by then."""

_PAGE = 100
_Answer = TypeVar("_Answer")


class BatchApi:
    """One provider's files and batches endpoints. An async context manager.

    Args:
        configuration: Says how often a call is tried, and how long it may take.
        endpoint: Where.
        backoff_seconds: Wait after the first failed try; doubles with each.
    """

    def __init__(self, configuration: Configuration, endpoint: Endpoint, *, backoff_seconds: float = 1.0) -> None:
        self._settings = configuration.generation
        self._runtime = configuration.runtime
        self._backoff = backoff_seconds
        self._openai = openai_client(configuration, endpoint)

    async def __aenter__(self) -> BatchApi:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._openai.close()

    async def find(self, digest: str) -> Batch | None:
        """Return the batch of a set of requests, or None; the newest if there should be several."""

        async def look() -> Batch | None:
            oldest = time.time() - LONGEST_MEMORY
            async for batch in self._openai.batches.list(limit=_PAGE):
                if isinstance(batch.metadata, dict) and batch.metadata.get(DIGEST) == digest:
                    return batch
                if isinstance(batch.created_at, int) and 0 < batch.created_at < oldest:
                    break
            return None

        return await self._patiently("list batches", look)

    async def submit(self, digest: str, requests: bytes) -> Batch:
        """Return the batch of a set of requests: the one that is there, or a new one.

        A try whose answer got lost may have made the batch: the next one looks for it first.

        Args:
            digest: Names the set.
            requests: JSON lines.
        """
        found = await self.find(digest)
        if found is not None:
            log.info("generate: batch %s was submitted before", found.id)
            return found
        content = (f"synalign-{digest[:16]}.jsonl", requests)
        file = await self._patiently(
            "upload requests", lambda: self._openai.files.create(file=content, purpose="batch")
        )
        tries = itertools.count()

        async def create() -> Batch:
            made = await self.find(digest) if next(tries) else None
            return made or await self._openai.batches.create(
                input_file_id=file.id,
                endpoint=COMPLETIONS,
                completion_window="24h",
                metadata={DIGEST: digest, "program": "synalign"},
            )

        return await self._patiently("submit a batch", create)

    async def retrieve(self, batch_id: str) -> Batch | None:
        """Return a batch; None if the provider knows none of that id."""
        try:
            return await self._patiently("look at a batch", lambda: self._openai.batches.retrieve(batch_id))
        except _Unknown:
            return None

    async def content(self, file_id: str) -> bytes:
        """Return the content of a file; empty if the provider has it no more."""

        async def download() -> bytes:
            return (await self._openai.files.content(file_id)).content

        try:
            return await self._patiently("download answers", download)
        except _Unknown:
            log.warning("generate: the provider has no file %s any more", file_id)
            return b""

    async def _patiently(self, what: str, call: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """Try a call until it succeeds, or `runtime.attempts` times.

        Raises:
            _Unknown: There is no such thing at that address.
            GenerationError: It cannot succeed, or did not.
        """
        for nth in range(1, self._runtime.attempts + 1):
            try:
                return await call()
            except (openai.OpenAIError, TimeoutError) as error:
                failure = outcomes.of_error(error)
            if failure.outcome == outcomes.NOT_FOUND:
                raise _Unknown(
                    f"{self._settings.endpoint} does not know what was asked for to {what}.",
                    cause="it has no batch API, or its address lacks /v1",
                    remedy="check generation.endpoint, or set generation.mode to online",
                )
            if failure.outcome in outcomes.FINAL:
                raise final_error(failure, self._settings)
            if failure.outcome not in outcomes.RETRIED or nth == self._runtime.attempts:
                break
            wait = seconds_to_wait(failure, nth, self._backoff)
            log.info("generate: cannot %s: %s; trying again in %.1f s", what, failure.detail, wait)
            await asyncio.sleep(wait)
        kind = EndpointError if failure.outcome in outcomes.LASTING else GenerationError
        raise kind(
            f"{self._settings.endpoint}: cannot {what} ({failure.outcome}).",
            cause=failure.detail,
            remedy="run the step again: what was submitted is not submitted twice, and no answer is lost",
        )


class _Unknown(EndpointError):
    """There is nothing at that address."""
