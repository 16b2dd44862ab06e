"""The step *generate*: two requests per batch, answers into the tables `requests`, `attributes` and `candidates`.

Answers arrive in any order and by either mode; rows are put in the order of the batches, so the same answers give the
same bytes. Only `requests` tells the modes apart: its `seconds` are those of a request, or of its provider's batch.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from os import PathLike
from typing import Any

import pyarrow as pa

from synalign.config import Configuration, PersonalData
from synalign.errors import GenerationError
from synalign.generation import batch_mode, outcomes
from synalign.generation.attribute_coverage import attribute_coverage
from synalign.generation.attributes import REASON, AttributeRow, attribute_rows, reason_request
from synalign.generation.batches import Batch, read_batches, train_queries
from synalign.generation.budget import RECORD, cost, held_back
from synalign.generation.client import Client
from synalign.generation.endpoint import Endpoint, endpoint
from synalign.generation.examples import dropped_examples
from synalign.generation.journal import Journal
from synalign.generation.ledger import generation_ledger
from synalign.generation.progress import Progress
from synalign.generation.prompts import prompt_version
from synalign.generation.results import Result, not_sent
from synalign.generation.schemas import LatentAttributes, WrittenQueries
from synalign.generation.writing import (
    WRITE,
    Candidate,
    Written,
    asked_for,
    read_answer,
    redacted_in,
    write_request,
)
from synalign.job import Waiting
from synalign.progress import progress
from synalign.run import Attempt, Run
from synalign.tables import schema

log = logging.getLogger("synalign")

_MODEL_NAME = re.compile(r"[\w.:/@+-]{1,100}", re.ASCII)
_MOST_MODELS = 3


def generate(attempt: Attempt) -> Waiting | None:
    """Write `requests`, `attributes` and `candidates`.

    Good answers are kept in the run's journal as they come; after a kill only what is missing is asked again.

    Returns:
        None when they are written; in `mode: batch`, while batches are in flight, what the step waits for.

    Raises:
        ConfigurationError: The endpoint needs a key that the environment does not hold; or, in `mode: batch`, the
            writer would end with this step.
        GenerationError: The endpoint cannot be used, or no candidate came of it.
        RunError: A table or the journal is missing or damaged.
    """
    started = time.monotonic()
    configuration = attempt.configuration
    if configuration.generation.mode == "batch":
        batch_mode.require_lasting_endpoint(configuration)
    batches = read_batches(attempt.run)
    with Journal(attempt.run.journal) as journal, endpoint(configuration.generation) as where:
        if configuration.generation.mode == "online":
            results = asyncio.run(_ask_all(batches, configuration, where, journal, attempt.run.folder / RECORD))
        else:
            found = batch_mode.look(batches, attempt.run, where, journal)
            if isinstance(found, Waiting):
                return found
            results = found
    written = [_written(result, configuration) for result in results]
    attempt.metrics.update(_metrics(results, written, configuration))
    attempt.metrics["redactions"] = _redactions(batches, configuration)
    attempt.metrics["attribute_coverage"] = attribute_coverage(
        [result.reason.content for result in results], train_queries(attempt.run)
    )
    attempt.metrics["seconds"] = round(time.monotonic() - started, 3)
    try:
        _judge(attempt.metrics, _held_back(attempt.run, journal, attempt.metrics))
    except GenerationError:
        batch_mode.conclude(attempt.run)
        raise
    candidates = [candidate for part in written for candidate in part.candidates]
    attempt.write("requests", _table("requests", _request_rows(results, configuration)))
    attempt.write("attributes", _table("attributes", _attribute_rows(results)))
    attempt.write("candidates", _table("candidates", candidates))
    return None


async def _ask_all(
    batches: list[Batch], configuration: Configuration, where: Endpoint, journal: Journal, record: PathLike[str]
) -> list[Result]:
    """Results in the order of the batches. A final error lets requests in flight end, so that they are kept."""
    results: list[Result | None] = [None] * len(batches)
    waiting = iter(enumerate(batches))

    async def work(client: Client, counted: Progress) -> None:
        for place, batch in waiting:
            results[place] = await _ask(batch, client, configuration, counted)

    with progress("generate", 2 * len(batches), "requests") as advance:
        async with Client(configuration, where, journal, record=record) as client:
            counted = Progress(advance, client.budget)
            # Twice as many batches at work as requests in flight: while one waits to try again, another takes its slot.
            workers = [work(client, counted) for _ in range(min(len(batches), 2 * configuration.runtime.concurrency))]
            async with counted.shown():
                ended = await asyncio.gather(*workers, return_exceptions=True)
    log.info("%s", advance.line())
    for error in ended:
        if error is not None:
            raise error
    return [result for result in results if result is not None]


async def _ask(batch: Batch, client: Client, configuration: Configuration, counted: Progress) -> Result:
    reason = await client.ask(reason_request(batch, configuration))
    counted.add(reason)
    if not isinstance(reason.content, LatentAttributes):
        counted.skip()
        return Result(batch, reason, not_sent(batch, configuration))
    write = await client.ask(write_request(batch, reason.content, configuration))
    counted.add(write)
    return Result(batch, reason, write)


def _written(result: Result, configuration: Configuration) -> Written:
    answer = result.write
    if isinstance(answer.content, WrittenQueries):
        return read_answer(result.batch, answer.request_id, answer.content, configuration)
    return Written([], 0, Counter(), asked_for(result.batch, configuration))


def _request_rows(results: list[Result], configuration: Configuration) -> Iterator[tuple[str | int | float, ...]]:
    versions = {kind: prompt_version(kind, configuration) for kind in (REASON, WRITE)}
    for batch, *answers in results:
        for kind, answer in zip((REASON, WRITE), answers, strict=True):
            spent = (answer.tokens_in, answer.tokens_out, answer.seconds)
            version = versions[kind]
            yield (answer.request_id, batch.batch_id, kind, answer.outcome, answer.model, version, *spent)


def _attribute_rows(results: list[Result]) -> Iterator[AttributeRow]:
    for batch, reason, _ in results:
        if isinstance(reason.content, LatentAttributes):
            yield from attribute_rows(batch, reason.request_id, reason.content)


def _table(name: str, rows: Iterable[tuple[Any, ...] | Candidate | AttributeRow]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema(name))
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema(name), strict=True)]
    return pa.table(arrays, schema=schema(name))


def _metrics(results: list[Result], written: list[Written], configuration: Configuration) -> dict[str, Any]:
    """Figures of the step; `ledger` adds up."""
    answers = [answer for result in results for answer in (result.reason, result.write)]
    sent = [answer for answer in answers if answer.outcome not in (outcomes.NOT_SENT, outcomes.OVER_BUDGET)]
    tokens_in, tokens_out = sum(answer.tokens_in for answer in sent), sum(answer.tokens_out for answer in sent)
    settings = configuration.generation
    return {
        "mode": settings.mode,
        "model": _models({answer.model for answer in sent if answer.content is not None}),
        "endpoint": configuration.generation.endpoint,
        "requests": len(sent),
        "journal_hits": sum(answer.reused for answer in sent),
        "tokens_in": tokens_in,
        "tokens_out": tokens_out,
        "tokens": tokens_in + tokens_out,
        "money": cost(tokens_in, tokens_out, settings.budget, settings.mode),
        "currency": settings.budget.currency,
        "outcomes": dict(sorted(Counter(answer.outcome for answer in answers).items())),
        "failed_tries": dict(sorted(sum((answer.failures for answer in answers), Counter()).items())),
        "write_requests_answered": sum(result.write.content is not None for result in results),
        "ledger": generation_ledger(results, written, configuration),
        "examples": dropped_examples(written, configuration),
    }


def _models(reported: set[str]) -> str:
    """The models that answered, by the names that the endpoint reported.

    What cannot be a name is not repeated: this is shown in Airflow and MLflow, and an endpoint may send anything.
    """
    named = sorted(name for name in reported if _MODEL_NAME.fullmatch(name))
    others = len(reported) - len(named[:_MOST_MODELS])
    return ", ".join([*named[:_MOST_MODELS], *([f"{others} more"] if named and others else [])])


def _redactions(batches: list[Batch], configuration: Configuration) -> dict[str, int]:
    """Personal data kept out of the prompts, by kind."""
    counts = sum((redacted_in(batch, configuration) for batch in batches), Counter[PersonalData]())
    return {str(kind): count for kind, count in sorted(counts.items())}


def _held_back(run: Run, journal: Journal, metrics: dict[str, Any]) -> str:
    """What of the ceiling stands for requests whose cost nobody knows, where the ceiling was reached."""
    if metrics["mode"] != "online" or not metrics["outcomes"].get(outcomes.OVER_BUDGET):
        return ""
    return held_back(run.folder / RECORD, run.configuration.generation.budget, journal.cost)


def _judge(metrics: dict[str, Any], held: str = "") -> None:
    """Stop when nothing came of the step; warn when part of it failed.

    Args:
        metrics: Of the step.
        held: What of the ceiling is held back for requests whose cost nobody knows.

    Raises:
        GenerationError: Nothing came of it.
    """
    ledger = metrics["ledger"]
    failed = {outcome: count for outcome, count in metrics["outcomes"].items() if outcome != outcomes.OK}
    reasons = ", ".join(f"{outcome} {count}" for outcome, count in failed.items())
    over_budget = failed.pop(outcomes.OVER_BUDGET, 0)
    if over_budget:
        log.warning(
            "generate: the ceiling of generation.budget is reached: %d requests were not sent; going on with %d "
            "candidates of %d queries asked for%s", over_budget, ledger["accepted"], ledger["asked_for"],
            f"; {held}" if held else "",
        )  # fmt: skip
    if over_budget and not metrics["write_requests_answered"]:
        raise GenerationError(
            f"the ceiling of generation.budget leaves no room for queries; requests by how they ended: {reasons}.",
            cause=held or "it is lower than the most that a few requests can cost",
            remedy="`synalign estimate` says what a refresh can cost; raise the ceiling "
            + ("by what is held back, or " if held else "or ")
            + "lower generation.max_output_tokens, and run the step again: good answers are kept",
        )
    if not metrics["write_requests_answered"]:
        raise GenerationError(
            f"no request for queries was answered; requests by how they ended: {reasons}.",
            cause=f"tries that failed: {metrics['failed_tries']}",
            remedy="see the log for what the endpoint said; run the step again, good answers are kept",
        )
    if not ledger["accepted"]:
        raise GenerationError(
            f"none of {ledger['returned']} returned queries can be used; rejected: {ledger['rejected']}, "
            f"invalid: {ledger['invalid']}.",
            cause=f"the model {metrics['model']!r} does not follow the request",
            remedy="try another model, or raise ingest.max_query_characters if they are over_length",
        )
    if failed.keys() - {outcomes.NOT_SENT}:
        log.warning(
            "generate: requests failed (%s); going on with %d candidates of %d queries asked for",
            reasons, ledger["accepted"], ledger["asked_for"],
        )  # fmt: skip
