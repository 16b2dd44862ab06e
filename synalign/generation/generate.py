"""The step *generate*: two requests per batch, answers into the tables `requests`, `attributes` and `candidates`.

Answers arrive in any order; rows are put in the order of the batches, so the same answers give the same bytes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import pyarrow as pa

from synalign.config import Configuration
from synalign.errors import GenerationError
from synalign.generation import outcomes
from synalign.generation.attributes import REASON, AttributeRow, attribute_rows, reason_request
from synalign.generation.batches import Batch, read_batches
from synalign.generation.client import Answer, Client
from synalign.generation.endpoint import Endpoint, endpoint
from synalign.generation.journal import Journal
from synalign.generation.progress import Progress
from synalign.generation.prompts import prompt_version
from synalign.generation.schemas import LatentAttributes, WrittenQueries
from synalign.generation.writing import WRITE, Candidate, Written, asked_for, read_answer, write_request
from synalign.run import Attempt
from synalign.tables import content_id, schema

log = logging.getLogger("synalign")


class Result(NamedTuple):
    """What came of one batch.

    Attributes:
        batch: The batch.
        reason: The answer to its first request.
        write: The answer to its second; its outcome is `not_sent` when the first failed.
    """

    batch: Batch
    reason: Answer
    write: Answer


def generate(attempt: Attempt) -> None:
    """Write `requests`, `attributes` and `candidates`.

    Good answers are kept in the run's journal as they come; after a kill only what is missing is asked again.

    Raises:
        ConfigurationError: The endpoint needs a key that the environment does not hold.
        GenerationError: The endpoint cannot be used, or no candidate came of it.
        RunError: A table or the journal is missing or damaged.
    """
    started = time.monotonic()
    configuration = attempt.configuration
    batches = read_batches(attempt.run)
    with Journal(attempt.run.journal) as journal, endpoint(configuration.generation) as where:
        results = asyncio.run(_ask_all(batches, configuration, where, journal))
    written = [_written(result, configuration) for result in results]
    attempt.metrics.update(_metrics(results, written, configuration))
    attempt.metrics["seconds"] = round(time.monotonic() - started, 3)
    _judge(attempt.metrics)
    candidates = [candidate for part in written for candidate in part.candidates]
    attempt.write("requests", _table("requests", _request_rows(results)))
    attempt.write("attributes", _table("attributes", _attribute_rows(results)))
    attempt.write("candidates", _table("candidates", candidates))


async def _ask_all(
    batches: list[Batch], configuration: Configuration, where: Endpoint, journal: Journal
) -> list[Result]:
    """Results in the order of the batches. A final error lets requests in flight end, so that they are kept."""
    results: list[Result | None] = [None] * len(batches)
    waiting = iter(enumerate(batches))
    progress = Progress(2 * len(batches))

    async def work(client: Client) -> None:
        for place, batch in waiting:
            results[place] = await _ask(batch, client, configuration, progress)

    async with Client(configuration, where, journal) as client, progress.shown():
        # Twice as many batches at work as requests in flight: while one waits to try again, another takes its slot.
        workers = [work(client) for _ in range(min(len(batches), 2 * configuration.runtime.concurrency))]
        ended = await asyncio.gather(*workers, return_exceptions=True)
    for error in ended:
        if error is not None:
            raise error
    return [result for result in results if result is not None]


async def _ask(batch: Batch, client: Client, configuration: Configuration, progress: Progress) -> Result:
    reason = await client.ask(reason_request(batch))
    progress.add(reason)
    if not isinstance(reason.content, LatentAttributes):
        progress.skip()
        return Result(batch, reason, _not_sent(batch, configuration))
    write = await client.ask(write_request(batch, reason.content, configuration))
    progress.add(write)
    return Result(batch, reason, write)


def _not_sent(batch: Batch, configuration: Configuration) -> Answer:
    request_id = content_id(WRITE, batch.batch_id, outcomes.NOT_SENT)
    model = configuration.generation.model
    return Answer(request_id, outcomes.NOT_SENT, None, model, 0, 0, 0.0, False, Counter())


def _written(result: Result, configuration: Configuration) -> Written:
    answer = result.write
    if isinstance(answer.content, WrittenQueries):
        return read_answer(result.batch, answer.request_id, answer.content, configuration)
    return Written([], 0, Counter(), asked_for(result.batch, configuration))


def _request_rows(results: list[Result]) -> Iterator[tuple[str | int | float, ...]]:
    for batch, *answers in results:
        for kind, answer in zip((REASON, WRITE), answers, strict=True):
            spent = (answer.tokens_in, answer.tokens_out, answer.seconds)
            yield (answer.request_id, batch.batch_id, kind, answer.outcome, answer.model, prompt_version(kind), *spent)


def _attribute_rows(results: list[Result]) -> Iterator[AttributeRow]:
    for batch, reason, _ in results:
        if isinstance(reason.content, LatentAttributes):
            yield from attribute_rows(batch, reason.request_id, reason.content)


def _table(name: str, rows: Iterable[tuple[Any, ...] | Candidate | AttributeRow]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema(name))
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema(name), strict=True)]
    return pa.table(arrays, schema=schema(name))


def _metrics(results: list[Result], written: list[Written], configuration: Configuration) -> dict[str, Any]:
    """Figures of the step; `ledger` adds up: see `_ledger`."""
    answers = [answer for result in results for answer in (result.reason, result.write)]
    sent = [answer for answer in answers if answer.outcome != outcomes.NOT_SENT]
    return {
        "model": ", ".join(sorted({answer.model for answer in sent if answer.content is not None})),
        "endpoint": configuration.generation.endpoint,
        "requests": len(sent),
        "journal_hits": sum(answer.reused for answer in sent),
        "tokens_in": sum(answer.tokens_in for answer in sent),
        "tokens_out": sum(answer.tokens_out for answer in sent),
        "outcomes": dict(sorted(Counter(answer.outcome for answer in answers).items())),
        "failed_tries": dict(sorted(sum((answer.failures for answer in answers), Counter()).items())),
        "write_requests_answered": sum(result.write.content is not None for result in results),
        "ledger": _ledger(results, written, configuration),
    }


def _ledger(results: list[Result], written: list[Written], configuration: Configuration) -> dict[str, Any]:
    """Where every query went.

    accepted + all rejected == returned, and returned == asked_for - all missing + unknown_document + too_many.
    """
    missing: Counter[str] = Counter()
    for result, part in zip(results, written, strict=True):
        outcome = result.write.outcome
        missing["not_returned" if outcome == outcomes.OK else f"request_{outcome}"] += part.missing
    return {
        "asked_for": sum(asked_for(result.batch, configuration) for result in results),
        "missing": dict(sorted((+missing).items())),
        "returned": sum(part.returned for part in written),
        "rejected": dict(sorted(sum((part.rejected for part in written), Counter()).items())),
        "accepted": sum(len(part.candidates) for part in written),
    }


def _judge(metrics: dict[str, Any]) -> None:
    """Stop when nothing came of the step; warn when part of it failed."""
    ledger = metrics["ledger"]
    failed = {outcome: count for outcome, count in metrics["outcomes"].items() if outcome != outcomes.OK}
    reasons = ", ".join(f"{outcome} {count}" for outcome, count in failed.items())
    if not metrics["write_requests_answered"]:
        raise GenerationError(
            f"no request for queries was answered; requests by how they ended: {reasons}.",
            cause=f"tries that failed: {metrics['failed_tries']}",
            remedy="see the log for what the endpoint said; run the step again, good answers are kept",
        )
    if not ledger["accepted"]:
        raise GenerationError(
            f"none of {ledger['returned']} returned queries can be used; rejected: {ledger['rejected']}.",
            cause=f"the model {metrics['model']!r} does not follow the request",
            remedy="try another model, or raise ingest.max_query_characters if they are over_length",
        )
    if failed:
        log.warning(
            "generate: requests failed (%s); going on with %d candidates of %d queries asked for",
            reasons, ledger["accepted"], ledger["asked_for"],
        )  # fmt: skip
