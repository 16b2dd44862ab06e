"""The requests of the step *generate* in `mode: batch`: one look at the provider, which advances them by one round."""

from __future__ import annotations

import asyncio
import os
from collections import Counter

from synalign.config import Configuration
from synalign.errors import ConfigurationError, GenerationError
from synalign.generation import outcomes
from synalign.generation.attributes import REASON, attributes_of, reason_request
from synalign.generation.client import Answer
from synalign.generation.demonstration_batches import Batch, fewer_demonstrations, pieces, smaller
from synalign.generation.dialect import Dialect
from synalign.generation.endpoint import EMBEDDED, WRITER_VARIABLE, Endpoint
from synalign.generation.journal import Journal
from synalign.generation.provider_batch import ProviderBatches
from synalign.generation.provider_record import RECORD, Record
from synalign.generation.request import Request
from synalign.generation.results import Result, failed, not_asked, not_sent, over_budget
from synalign.generation.schemas import LatentAttributes
from synalign.generation.writing import WRITE, write_request
from synalign.prompts.families import family
from synalign.run import Run
from synalign.run.waiting import Waiting

_STEP = "generate"


def require_lasting_endpoint(configuration: Configuration) -> None:
    """Raise an error for a writer that is started for this step alone: it would take its batches with it.

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


def look(batches: list[Batch], run: Run, where: Endpoint, journal: Journal, dialect: Dialect) -> list[Result] | Waiting:
    """Collect the provider's batches that have ended, and submit what is missing.

    Returns:
        Results in the order of the batches; or, while some are in flight, what to wait for before the next look.

    Raises:
        GenerationError: The endpoint cannot be used; the next look begins anew what failed, not what is in flight.
        RunError: The journal or the record cannot be used.
    """
    record = Record(run.folder / RECORD)
    try:
        return asyncio.run(_advance(batches, run, where, journal, record, dialect))
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
    batches: list[Batch], run: Run, where: Endpoint, journal: Journal, record: Record, dialect: Dialect
) -> list[Result] | Waiting:
    configuration, settings = run.configuration, run.configuration.generation
    fingerprint = run.fingerprint(_STEP)
    async with ProviderBatches(configuration, where, journal, record, fingerprint, dialect) as provider:
        await provider.collect()
        wanted: list[Request] = []
        results = [_result(batch, provider, configuration, wanted) for batch in batches]
        await provider.submit(wanted)
        flying = provider.in_flight(wanted)
        if flying:
            key = None if settings.endpoint == EMBEDDED else settings.api_key_variable
            named = settings.headers_variable
            return Waiting(tuple(flying), where.url, key, dict(named) if isinstance(named, dict) else named)
        # Nothing is on its way, so what has no answer did not fit under the ceiling.
        return results


def _result(batch: Batch, provider: ProviderBatches, configuration: Configuration, wanted: list[Request]) -> Result:
    """Return what came of a batch so far, and add all its requests that can be made by now to `wanted`."""
    if family(configuration).attributes:
        batch, reason = _reason(batch, provider, configuration, wanted)
    else:
        reason = not_asked(REASON, batch, configuration)
    result = Result(batch, reason, not_sent(batch, configuration))
    if failed(result):
        return result
    attributes = attributes_of(batch, reason.content)
    whole = pieces(batch, configuration)
    if not whole:
        return _written(result, attributes, provider, configuration, wanted)
    made = [_written(result._replace(batch=piece), attributes, provider, configuration, wanted) for piece in whole]
    return result._replace(write=not_asked(WRITE, batch, configuration), parts=tuple(made))


def _reason(
    batch: Batch, provider: ProviderBatches, configuration: Configuration, wanted: list[Request]
) -> tuple[Batch, Answer]:
    failures = Counter[str]()
    while True:
        asked = reason_request(batch, configuration)
        wanted.append(asked)
        reason = provider.answer(asked) or over_budget(asked, configuration)
        failures += reason.failures
        fewer = fewer_demonstrations(batch) if reason.outcome == outcomes.CONTEXT_TOO_LONG else None
        if fewer is None:
            return batch, reason._replace(failures=failures)
        batch = fewer


def _written(
    result: Result,
    attributes: LatentAttributes,
    provider: ProviderBatches,
    configuration: Configuration,
    wanted: list[Request],
) -> Result:
    asked = write_request(result.batch, attributes, configuration)
    wanted.append(asked)
    answer = provider.answer(asked) or over_budget(asked, configuration)
    parts = smaller(result.batch, configuration) if answer.outcome == outcomes.CONTEXT_TOO_LONG else ()
    made = [_written(result._replace(batch=part), attributes, provider, configuration, wanted) for part in parts]
    return result._replace(write=answer, parts=tuple(made))
