"""What came of one batch of demonstrations: the answers to its two requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from synalign.config import Configuration
from synalign.generation import outcomes, request
from synalign.generation.attributes import REASON
from synalign.generation.client import Answer
from synalign.generation.demonstration_batches import Batch
from synalign.generation.request import Request
from synalign.generation.writing import WRITE
from synalign.tables import content_id


class Result(NamedTuple):
    """What came of one batch.

    Attributes:
        batch: The batch.
        reason: The answer to its first request; its outcome is `not_asked` where the family of prompts has none.
        write: The answer to its second; its outcome is `not_sent` when the first failed, and `not_asked` where the
            family of prompts asks for pieces of a batch.
        parts: What came of its parts, where the second was too long for the model, or is asked in pieces.
    """

    batch: Batch
    reason: Answer
    write: Answer
    parts: tuple[Result, ...] = ()


def ends(results: Iterable[Result]) -> Iterator[Result]:
    """Yield the results at the end of each batch: of the batch itself, or of its parts."""
    for result in results:
        if result.parts:
            yield from ends(result.parts)
        else:
            yield result


def writes(result: Result) -> Iterator[Answer]:
    """Yield the answers to a batch's second request, and to the parts that were asked in its place."""
    if result.write.outcome != outcomes.NOT_ASKED:
        yield result.write
    for part in result.parts:
        yield from writes(part)


def answers(result: Result) -> Iterator[tuple[str, Answer]]:
    """Yield the kind of each request of a batch with its answer."""
    if result.reason.outcome != outcomes.NOT_ASKED:
        yield REASON, result.reason
    for answer in writes(result):
        yield WRITE, answer


def failed(result: Result) -> bool:
    """Return whether the model was asked for attributes, and named none."""
    return result.reason.content is None and result.reason.outcome != outcomes.NOT_ASKED


def not_asked(kind: str, batch: Batch, configuration: Configuration) -> Answer:
    """Return the answer that stands for a request which the family of prompts does not make."""
    return _without(content_id(kind, batch.batch_id, outcomes.NOT_ASKED), outcomes.NOT_ASKED, configuration)


def not_sent(batch: Batch, configuration: Configuration) -> Answer:
    """Return the answer for a second request whose first failed."""
    return _without(content_id(WRITE, batch.batch_id, outcomes.NOT_SENT), outcomes.NOT_SENT, configuration)


def over_budget(asked: Request, configuration: Configuration) -> Answer:
    """Return the answer for a request that the ceiling had no room for."""
    request_id = content_id(asked.kind, asked.batch_id, request.key(asked, configuration))
    return _without(request_id, outcomes.OVER_BUDGET, configuration)


def _without(request_id: str, outcome: str, configuration: Configuration) -> Answer:
    return Answer(request_id, outcome, None, configuration.generation.model, 0, 0, 0.0, False, Counter())
