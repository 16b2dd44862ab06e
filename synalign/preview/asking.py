"""The requests of a preview: sent as the step *generate* sends them, and shown as they were sent and answered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

from synalign.config import Configuration
from synalign.generation import dialect as dialects
from synalign.generation import outcomes, request
from synalign.generation.attributes import attributes_of, reason_request
from synalign.generation.client import Answer
from synalign.generation.demonstration_batches import Batch
from synalign.generation.dialect import Dialect
from synalign.generation.journal import Journal
from synalign.generation.request import Request
from synalign.generation.results import Result
from synalign.generation.writing import write_request
from synalign.preview.findings import Asked
from synalign.run.previews import folder_of, journal_of, lock_of
from synalign.steps.generate import ask_all
from synalign.storage.home_lock import one_at_a_time
from synalign.writer.endpoint import endpoint


class Answered(NamedTuple):
    """What came of the requests of all batches.

    Attributes:
        results: Results, in the order of the batches.
        requests: The requests of each batch, as they were sent and answered.
        form: How the shape of the answers was asked for.
    """

    results: list[Result]
    requests: list[tuple[Asked, ...]]
    form: str


def ask(batches: list[Batch], configuration: Configuration, others: Sequence[str] = ()) -> Answered:
    """Send the requests of some batches; answers that a journal has are not asked for again.

    Args:
        batches: The batches.
        configuration: The settings of the preview.
        others: Journals of runs, whose answers are taken over.

    Raises:
        ConfigurationError: The endpoint needs a key that the environment does not hold.
        GenerationError: No request can succeed. Answers so far are kept.
        RunError: The journal is damaged.
        SetupError: What a local model needs is missing.
    """
    folder = folder_of(configuration.retriever)
    # What the endpoint takes is written by one process at a time; two previews at once would pay twice, too.
    with one_at_a_time(lock_of(configuration.retriever)):
        folder.mkdir(parents=True, exist_ok=True)
        dialect = Dialect(configuration, folder / dialects.RECORD)
        journal = Journal(journal_of(configuration.retriever), others)
        with closing(dialect), journal, endpoint(configuration.generation) as where:
            results = asyncio.run(ask_all(batches, configuration, where, journal, None, dialect))
            requests = [tuple(_requests(result, configuration, journal, dialect)) for result in results]
            return Answered(results, requests, dialect.structured_output)


def _requests(result: Result, configuration: Configuration, journal: Journal, dialect: Dialect) -> Iterator[Asked]:
    """Yield the requests of a batch in the order in which they are asked; those that were not sent are left out."""
    if result.reason.outcome != outcomes.NOT_ASKED:
        asked = reason_request(result.batch, configuration)
        yield _asked(asked, result.reason, configuration, journal, dialect)
    attributes = attributes_of(result.batch, result.reason.content)
    for batch, answer in _writes(result):
        yield _asked(write_request(batch, attributes, configuration), answer, configuration, journal, dialect)


def _writes(result: Result) -> Iterator[tuple[Batch, Answer]]:
    """Yield each batch or part of one for which queries were asked, with the answer."""
    if result.write.outcome not in (outcomes.NOT_ASKED, outcomes.NOT_SENT):
        yield result.batch, result.write
    for part in result.parts:
        yield from _writes(part)


def _asked(asked: Request, answer: Answer, configuration: Configuration, journal: Journal, dialect: Dialect) -> Asked:
    entry = journal.get(request.key(asked, configuration)) if answer.content is not None else None
    sent = dialect.parameters(asked, None)["messages"]
    return Asked(
        kind=asked.kind,
        messages=tuple((message["role"], message["content"]) for message in sent),
        outcome=answer.outcome,
        answer=entry.answer if entry is not None else "",
        detail=answer.detail,
        tokens_in=answer.tokens_in,
        tokens_out=answer.tokens_out,
        seconds=answer.seconds,
        reused=answer.reused,
    )
