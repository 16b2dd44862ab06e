"""The step *generate*: the requests of each batch, and answers into tables: `candidates` above all.

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
from contextlib import closing
from os import PathLike
from typing import Any

import pyarrow as pa

from synalign.config import Configuration, PersonalData
from synalign.errors import EndpointError, GenerationError
from synalign.generation import dialect as dialects
from synalign.generation import outcomes, provider_mode
from synalign.generation.attribute_coverage import attribute_coverage
from synalign.generation.attributes import REASON, AttributeRow, attribute_rows, attributes_of, reason_request
from synalign.generation.budget import RECORD, held_back
from synalign.generation.client import Answer, Client
from synalign.generation.demonstration_batches import (
    Batch,
    TrainQueries,
    fewer_demonstrations,
    pieces,
    read_batches,
    requests_of,
    smaller,
)
from synalign.generation.dialect import Dialect
from synalign.generation.endings import counts, nothing_answered
from synalign.generation.endpoint import Endpoint
from synalign.generation.examples import dropped_examples
from synalign.generation.journal import Journal
from synalign.generation.ledger import generation_ledger
from synalign.generation.progress import Progress
from synalign.generation.results import Result, answers, ends, failed, not_asked, not_sent, writes
from synalign.generation.schemas import LatentAttributes, QueriesOfOne, WrittenQueries
from synalign.generation.traces import trace_rows
from synalign.generation.usage import spending
from synalign.generation.writing import (
    WRITE,
    Candidate,
    Written,
    asked_for,
    read_answer,
    redacted_in,
    write_request,
)
from synalign.progress import progress
from synalign.prompts.families import family
from synalign.prompts.templates import digests, prompt_version
from synalign.run import Attempt, Run, previews
from synalign.run.waiting import Waiting
from synalign.tables import schema
from synalign.writer.endpoint import endpoint

log = logging.getLogger("synalign")

_MODEL_NAME = re.compile(r"[\w.:/@+-]{1,100}", re.ASCII)
_MOST_MODELS = 3


def outside(run: Run) -> dict[str, str]:
    """Return the digests of the retriever's own prompt templates: see `synalign.steps.job.main`."""
    return digests(run.configuration)


def generate(attempt: Attempt) -> Waiting | None:
    """Write `requests`, `traces`, `attributes` and `candidates`.

    Good answers are kept in the run's journal as they come; after a kill only what is missing is asked again. What a
    preview was answered on this machine is taken from there.

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
        provider_mode.require_lasting_endpoint(configuration)
    batches = read_batches(attempt.run)
    dialect = Dialect(configuration, attempt.run.folder / dialects.RECORD)
    journal = Journal(attempt.run.journal, [previews.journal_of(configuration.retriever)])
    with closing(dialect), journal, endpoint(configuration.generation) as where:
        if configuration.generation.mode == "online":
            record = attempt.run.folder / RECORD
            results = asyncio.run(ask_all(batches, configuration, where, journal, record, dialect))
        else:
            found = provider_mode.look(batches, attempt.run, where, journal, dialect)
            if isinstance(found, Waiting):
                return found
            results = found
    ended = list(ends(results))
    written = [written_of(result, configuration) for result in ended]
    attempt.metrics.update(_metrics(results, ended, written, configuration))
    attempt.metrics["asked_as"] = dialect.summary()
    attempt.metrics["redactions"] = _redactions(batches, configuration)
    attempt.metrics["attribute_coverage"] = attribute_coverage(
        [attributes_of(result.batch, result.reason.content) for result in results if not failed(result)],
        TrainQueries(attempt.run),
    )
    attempt.metrics["seconds"] = round(time.monotonic() - started, 3)
    try:
        _judge(attempt.metrics, ended, _held_back(attempt.run, journal, attempt.metrics))
    except GenerationError:
        provider_mode.conclude(attempt.run)
        raise
    for name, table in tables_of(results, written, configuration).items():
        attempt.write(name, table)
    return None


def tables_of(results: list[Result], written: list[Written], configuration: Configuration) -> dict[str, pa.Table]:
    """Return the tables of the step, by name."""
    candidates = [candidate for part in written for candidate in part.candidates]
    return {
        "requests": _table("requests", _request_rows(results, configuration)),
        "traces": _table("traces", trace_rows(results, configuration)),
        "attributes": _table("attributes", _attribute_rows(results)),
        "candidates": _table("candidates", candidates),
    }


async def ask_all(
    batches: list[Batch],
    configuration: Configuration,
    where: Endpoint,
    journal: Journal,
    record: PathLike[str] | None,
    dialect: Dialect,
) -> list[Result]:
    """Ask for attributes and queries of each batch.

    Args:
        batches: The batches.
        configuration: The retriever's.
        where: The endpoint.
        journal: Has the answers so far, and keeps those that come.
        record: See `Client`.
        dialect: What the endpoint takes.

    Returns:
        Results in the order of the batches.

    Raises:
        GenerationError: No request can succeed. Requests in flight end first, so that their answers are kept.
        RunError: The journal or the record of what is spent cannot be written.
    """
    results: list[Result | None] = [None] * len(batches)
    waiting = iter(enumerate(batches))

    async def work(client: Client, counted: Progress) -> None:
        for place, batch in waiting:
            results[place] = await _ask(batch, client, configuration, counted)

    total = sum(requests_of(batch, configuration) + family(configuration).attributes for batch in batches)
    with progress("generate", total, "requests") as advance:
        async with Client(configuration, where, journal, record=record, dialect=dialect) as client:
            counted = Progress(advance, client.budget)
            # Twice as many batches at work as requests in flight: while one waits to try again, another takes its slot.
            workers = [work(client, counted) for _ in range(min(len(batches), 2 * configuration.runtime.concurrency))]
            with counted.shown():
                ended = await asyncio.gather(*workers, return_exceptions=True)
    log.info("%s", advance.line())
    for error in ended:
        if error is not None:
            raise error
    return [result for result in results if result is not None]


async def _ask(batch: Batch, client: Client, configuration: Configuration, counted: Progress) -> Result:
    if family(configuration).attributes:
        batch, reason = await _reason(batch, client, configuration)
        counted.add(reason)
    else:
        reason = not_asked(REASON, batch, configuration)
    result = Result(batch, reason, not_sent(batch, configuration))
    if failed(result):
        counted.skip(requests_of(batch, configuration))
        return result
    attributes = attributes_of(batch, reason.content)
    whole = pieces(batch, configuration)
    if not whole:
        return await _write(result, attributes, client, configuration, counted)
    made = [await _write(result._replace(batch=piece), attributes, client, configuration, counted) for piece in whole]
    return result._replace(write=not_asked(WRITE, batch, configuration), parts=tuple(made))


async def _reason(batch: Batch, client: Client, configuration: Configuration) -> tuple[Batch, Answer]:
    """Ask a batch's first request; one that is too long is asked with fewer demonstrations."""
    failures = Counter[str]()
    while True:
        answer = await client.ask(reason_request(batch, configuration))
        failures += answer.failures
        fewer = fewer_demonstrations(batch) if answer.outcome == outcomes.CONTEXT_TOO_LONG else None
        if fewer is None:
            return batch, answer._replace(failures=failures)
        batch = fewer


async def _write(
    result: Result, attributes: LatentAttributes, client: Client, configuration: Configuration, counted: Progress
) -> Result:
    """Ask the second request of a batch or a piece of it; one that is too long is asked in parts."""
    made = await _parts(result, attributes, client, configuration)
    counted.add(*writes(made))
    return made


async def _parts(result: Result, attributes: LatentAttributes, client: Client, configuration: Configuration) -> Result:
    batch = result.batch
    answer = await client.ask(write_request(batch, attributes, configuration))
    parts = smaller(batch, configuration) if answer.outcome == outcomes.CONTEXT_TOO_LONG else ()
    made = [await _parts(result._replace(batch=part), attributes, client, configuration) for part in parts]
    return result._replace(write=answer, parts=tuple(made))


def written_of(result: Result, configuration: Configuration) -> Written:
    """Judge every query of the answer that a result ends with; none where it has no answer."""
    answer = result.write
    if isinstance(answer.content, WrittenQueries | QueriesOfOne):
        return read_answer(result.batch, answer.request_id, answer.content, configuration)
    return Written([], 0, Counter(), asked_for(result.batch, configuration))


def _request_rows(
    results: list[Result], configuration: Configuration
) -> Iterator[tuple[str | int | float | None, ...]]:
    versions = {kind: prompt_version(kind, configuration) for kind in (REASON, WRITE)}
    for result in results:
        for kind, answer in answers(result):
            spent = (answer.seconds, answer.tokens_in, answer.tokens_out)
            named = (answer.request_id, result.batch.batch_id, kind, answer.outcome, answer.model, versions[kind])
            yield (*named, *spent)


def _attribute_rows(results: list[Result]) -> Iterator[AttributeRow]:
    for result in results:
        if not failed(result):
            attributes = attributes_of(result.batch, result.reason.content)
            yield from attribute_rows(result.batch, result.reason.request_id, attributes)


def _table(name: str, rows: Iterable[tuple[Any, ...] | Candidate | AttributeRow]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(schema(name))
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema(name), strict=True)]
    return pa.table(arrays, schema=schema(name))


def _metrics(
    results: list[Result], ended: list[Result], written: list[Written], configuration: Configuration
) -> dict[str, Any]:
    """Return figures of the step; `ledger` adds up."""
    every = [answer for result in results for _, answer in answers(result)]
    sent = [answer for answer in every if answer.outcome not in (outcomes.NOT_SENT, outcomes.OVER_BUDGET)]
    # Those that were asked in parts ended with their parts.
    first = [result.reason for result in results if result.reason.outcome != outcomes.NOT_ASKED]
    last = [*first, *(result.write for result in ended)]
    return {
        "mode": configuration.generation.mode,
        "model": _models({answer.model for answer in sent if answer.content is not None}),
        "endpoint": configuration.generation.endpoint,
        "requests": len(sent),
        "journal_hits": sum(answer.reused for answer in sent),
        **spending(sent, configuration.generation),
        "outcomes": dict(sorted(Counter(answer.outcome for answer in last).items())),
        "asked_in_parts": len(every) - len(last),
        "failed_tries": dict(sorted(sum((answer.failures for answer in every), Counter()).items())),
        "write_requests_answered": sum(result.write.content is not None for result in ended),
        "ledger": generation_ledger(ended, written, configuration),
        "examples": dropped_examples(written, configuration),
    }


def _models(reported: set[str]) -> str:
    """Return the models that answered, by the names that the endpoint reported.

    What cannot be a name is not repeated: this is shown in Airflow and MLflow, and an endpoint may send anything.
    """
    named = sorted(name for name in reported if _MODEL_NAME.fullmatch(name))
    others = len(reported) - len(named[:_MOST_MODELS])
    return ", ".join([*named[:_MOST_MODELS], *([f"{others} more"] if named and others else [])])


def _redactions(batches: list[Batch], configuration: Configuration) -> dict[str, int]:
    """Return personal data kept out of the prompts, by kind."""
    counts = sum((redacted_in(batch, configuration) for batch in batches), Counter[PersonalData]())
    return {str(kind): count for kind, count in sorted(counts.items())}


def _held_back(run: Run, journal: Journal, metrics: dict[str, Any]) -> str:
    """Say how much of a ceiling that was reached stands for requests of unknown cost."""
    if metrics["mode"] != "online" or not metrics["outcomes"].get(outcomes.OVER_BUDGET):
        return ""
    return held_back(run.folder / RECORD, run.configuration.generation.budget, journal.cost)


def _judge(metrics: dict[str, Any], ended: list[Result], held: str = "") -> None:
    """Stop when nothing came of the step; warn when part of it failed.

    Args:
        metrics: Of the step.
        ended: How its requests ended, those that were asked in parts by their parts.
        held: What of the ceiling is held back for requests whose cost nobody knows.

    Raises:
        GenerationError: Nothing came of it.
    """
    ledger = metrics["ledger"]
    not_good = {outcome: count for outcome, count in metrics["outcomes"].items() if outcome != outcomes.OK}
    reasons = counts(not_good)
    over_budget = not_good.pop(outcomes.OVER_BUDGET, 0)
    if over_budget:
        log.warning(
            "generate: the ceiling of generation.budget is reached: %d requests were not sent; going on with %d "
            "candidates of %d queries asked for%s", over_budget, ledger["accepted"], ledger["asked_for"],
            f"; {held}" if held else "",
        )  # fmt: skip
    if over_budget and not metrics["write_requests_answered"]:
        raise EndpointError(
            f"the ceiling of generation.budget leaves no room for queries; requests by how they ended: {reasons}.",
            cause=held or "it is lower than the most that a few requests can cost",
            remedy="`synalign estimate` says what a refresh can cost; raise the ceiling "
            + ("by what is held back, or " if held else "or ")
            + "lower generation.max_output_tokens, and run the step again: good answers are kept",
        )
    if not metrics["write_requests_answered"]:
        outcome, detail = _commonest(ended)
        raise nothing_answered(outcome, reasons, detail)
    if not ledger["accepted"]:
        raise EndpointError(
            f"none of {ledger['returned']} returned queries can be used; rejected: "
            f"{counts(ledger['rejected']) or 'none'}; invalid: {counts(ledger['invalid']) or 'none'}.",
            cause=f"the model {metrics['model']!r} does not follow the request",
            remedy="try another model, or raise ingest.max_query_characters if they are over_length",
        )
    if not_good.keys() - {outcomes.NOT_SENT}:
        outcome, detail = _commonest(ended)
        log.warning(
            "generate: requests failed (%s); going on with %d candidates of %d queries asked for. The endpoint on %s: "
            "%s", reasons, ledger["accepted"], ledger["asked_for"], outcome, detail or "nothing",
        )  # fmt: skip


def _commonest(ended: list[Result]) -> tuple[str, str]:
    """Say how most of the failed requests ended, and what the endpoint said of the first of them."""
    fine = (outcomes.OK, outcomes.NOT_SENT, outcomes.NOT_ASKED, outcomes.OVER_BUDGET)
    bad = [answer for result in ended for answer in (result.reason, result.write) if answer.outcome not in fine]
    if not bad:
        return outcomes.NOT_SENT, ""
    outcome = Counter(answer.outcome for answer in bad).most_common(1)[0][0]
    return outcome, next((answer.detail for answer in bad if answer.outcome == outcome and answer.detail), "")
