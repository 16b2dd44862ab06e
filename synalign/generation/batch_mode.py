"""The requests of the step *generate* in `mode: batch`: one look at the provider, which advances them by one round."""

from __future__ import annotations

import asyncio
import os

from synalign.config import Configuration
from synalign.errors import ConfigurationError, GenerationError
from synalign.generation.attributes import reason_request
from synalign.generation.batch_record import RECORD, Record
from synalign.generation.batches import Batch
from synalign.generation.endpoint import EMBEDDED, WRITER_VARIABLE, Endpoint
from synalign.generation.journal import Journal
from synalign.generation.provider_batch import ProviderBatches
from synalign.generation.request import Request
from synalign.generation.results import Result, not_sent, over_budget
from synalign.generation.schemas import LatentAttributes
from synalign.generation.writing import write_request
from synalign.job import Waiting
from synalign.run import Run

_STEP = "generate"


def require_lasting_endpoint(configuration: Configuration) -> None:
    """A writer that is started for this step alone would take its batches with it.

    Raises:
        ConfigurationError: There is no other.
    """
    if configuration.generation.endpoint == EMBEDDED and not os.environ.get(WRITER_VARIABLE, "").strip():
        raise ConfigurationError(
            "generation.mode == 'batch' needs a writer that outlives this step; none is running.",
            cause=f"{WRITER_VARIABLE} is not set",
            remedy="`synalign refresh` and `synalign up` start one; or run `python -m "
            f"synalign.writer.server --port 8100` and export {WRITER_VARIABLE}=http://127.0.0.1:8100/v1",
        )


def look(batches: list[Batch], run: Run, where: Endpoint, journal: Journal) -> list[Result] | Waiting:
    """Collect the provider's batches that have ended, and submit what is missing.

    Returns:
        Results in the order of the batches; or, while some are in flight, what to wait for before the next look.

    Raises:
        GenerationError: The endpoint cannot be used; the next look begins anew what failed, not what is in flight.
        RunError: The journal or the record cannot be used.
    """
    record = Record(run.folder / RECORD)
    try:
        return asyncio.run(_advance(batches, run, where, journal, record))
    except GenerationError:
        record.conclude(run.fingerprint(_STEP))
        raise
    finally:
        record.close()


def conclude(run: Run) -> None:
    """Note that the step was given up: run again, it submits anew what failed."""
    if run.configuration.generation.mode == "batch":
        record = Record(run.folder / RECORD)
        record.conclude(run.fingerprint(_STEP))
        record.close()


async def _advance(
    batches: list[Batch], run: Run, where: Endpoint, journal: Journal, record: Record
) -> list[Result] | Waiting:
    configuration, settings = run.configuration, run.configuration.generation
    async with ProviderBatches(configuration, where, journal, record, run.fingerprint(_STEP)) as provider:
        await provider.collect()
        pairs = [_pair(batch, provider, configuration) for batch in batches]
        wanted = [asked for pair in pairs for asked in pair if asked is not None]
        await provider.submit(wanted)
        flying = provider.in_flight(wanted)
        if flying:
            return Waiting(
                tuple(flying), where.url, None if settings.endpoint == EMBEDDED else settings.api_key_variable
            )
        # Nothing is on its way, so what has no answer did not fit under the ceiling.
        return [_result(batch, pair, provider, configuration) for batch, pair in zip(batches, pairs, strict=True)]


def _pair(batch: Batch, provider: ProviderBatches, configuration: Configuration) -> tuple[Request, Request | None]:
    """A batch's first request, and its second as soon as the first is answered."""
    first = reason_request(batch, configuration)
    answer = provider.answer(first)
    if answer is None or not isinstance(answer.content, LatentAttributes):
        return first, None
    return first, write_request(batch, answer.content, configuration)


def _result(
    batch: Batch, pair: tuple[Request, Request | None], provider: ProviderBatches, configuration: Configuration
) -> Result:
    first, second = pair
    reason = provider.answer(first) or over_budget(first, configuration)
    if second is None:
        return Result(batch, reason, not_sent(batch, configuration))
    return Result(batch, reason, provider.answer(second) or over_budget(second, configuration))
