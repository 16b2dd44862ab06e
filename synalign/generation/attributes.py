"""The request *reason*: what the queries of a batch have in common, seen and generalised."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from synalign.generation.batches import Batch
from synalign.generation.client import Request
from synalign.generation.prompts import prompt_version, render
from synalign.generation.schemas import ATTRIBUTES, LatentAttributes
from synalign.text import normalise

REASON = "reason"


class AttributeRow(NamedTuple):
    """One row of the table `attributes`."""

    batch_id: str
    name: str
    value: str
    generalised: bool
    request_id: str


def reason_request(batch: Batch) -> Request:
    """Ask for the latent attributes of a batch."""
    messages = render(REASON, {"demonstrations": batch.demonstrations}, count=len(batch.demonstrations))
    return Request(REASON, batch.batch_id, prompt_version(REASON), messages, ATTRIBUTES, LatentAttributes)


def attribute_rows(batch: Batch, request_id: str, answer: LatentAttributes) -> list[AttributeRow]:
    """The answer as rows; each value of a name once, as seen if it is given as both."""
    rows: dict[tuple[str, str], AttributeRow] = {}
    for name, value, generalised in _values(answer):
        key = (name.casefold(), value.casefold())
        if name and value and (key not in rows or rows[key].generalised > generalised):
            rows[key] = AttributeRow(batch.batch_id, name, value, generalised, request_id)
    return list(rows.values())


def attributes_as_data(answer: LatentAttributes) -> list[dict[str, Any]]:
    """The answer as it goes into the data block of the request *write*."""
    return [attribute.model_dump() for attribute in answer.attributes]


def _values(answer: LatentAttributes) -> Iterator[tuple[str, str, bool]]:
    for attribute in answer.attributes:
        for generalised, values in ((False, attribute.values_seen), (True, attribute.values_generalised)):
            for value in values:
                yield normalise(attribute.name), normalise(value), generalised
