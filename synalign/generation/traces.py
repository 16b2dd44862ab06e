"""A sample of the requests that were sent, to be read by people: messages and answers, redacted.

Which requests is decided by their ids, which are hashes, so a rerun keeps the same. Made from what the answers say, and
checked: what cannot be rendered to the very request that was sent is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from synalign.config import Configuration
from synalign.generation import outcomes, request
from synalign.generation.attributes import attributes_of, reason_request
from synalign.generation.budget import cost
from synalign.generation.client import Answer
from synalign.generation.prompts import redacted
from synalign.generation.request import Request
from synalign.generation.results import Result, failed
from synalign.generation.schemas import LatentAttributes
from synalign.generation.writing import write_request
from synalign.tables import content_id

_DIGITS = 8
_NOT_SENT = (outcomes.NOT_SENT, outcomes.OVER_BUDGET, outcomes.NOT_ASKED)


class TraceRow(NamedTuple):
    """One row of the table `traces`; messages and answer are JSON."""

    request_id: str
    batch_id: str
    kind: str
    messages: str
    answer: str | None
    outcome: str
    model: str
    prompt_version: str
    seconds: float
    tokens_in: int | None
    tokens_out: int | None
    money: float | None
    currency: str


def is_traced(request_id: str, share: float) -> bool:
    """Return whether a request is in the sample.

    Examples:
        >>> is_traced("00000000aa", 0.01), is_traced("ff000000aa", 0.01), is_traced("00000000aa", 0.0)
        (True, False, False)
    """
    return int(request_id[:_DIGITS], 16) < share * 16**_DIGITS


def trace_rows(results: Sequence[Result], configuration: Configuration) -> Iterator[TraceRow]:
    """Yield the sampled requests of some batches, in their order, each once."""
    if configuration.runtime.trace_share:
        yield from {row.request_id: row for row in _sampled(results, configuration)}.values()


def _sampled(results: Sequence[Result], configuration: Configuration) -> Iterator[TraceRow]:
    for result in results:
        if _wanted(result.reason, configuration):
            yield from _row(reason_request(result.batch, configuration), result.reason, configuration)
        if not failed(result):
            yield from _writes(result, attributes_of(result.batch, result.reason.content), configuration)


def _writes(result: Result, attributes: LatentAttributes, configuration: Configuration) -> Iterator[TraceRow]:
    """Yield the second request of a batch, and those that were asked in its place; all have the batch's attributes."""
    if _wanted(result.write, configuration):
        yield from _row(write_request(result.batch, attributes, configuration), result.write, configuration)
    for part in result.parts:
        yield from _writes(part, attributes, configuration)


def _wanted(answer: Answer, configuration: Configuration) -> bool:
    return answer.outcome not in _NOT_SENT and is_traced(answer.request_id, configuration.runtime.trace_share)


def _row(asked: Request, answer: Answer, configuration: Configuration) -> Iterator[TraceRow]:
    """Yield the row of a request, if this is the request that was sent."""
    if content_id(asked.kind, asked.batch_id, request.key(asked, configuration)) != answer.request_id:
        return
    settings = configuration.generation
    content = None if answer.content is None else redacted(answer.content.model_dump(), settings)
    known = answer.tokens_in is not None and answer.tokens_out is not None
    yield TraceRow(
        answer.request_id,
        asked.batch_id,
        asked.kind,
        json.dumps(asked.messages, ensure_ascii=False),
        None if content is None else json.dumps(content, ensure_ascii=False),
        answer.outcome,
        answer.model,
        asked.prompt_version,
        answer.seconds,
        answer.tokens_in,
        answer.tokens_out,
        cost(answer.tokens_in or 0, answer.tokens_out or 0, settings.budget, settings.mode) if known else None,
        settings.budget.currency,
    )
