"""The attributes of a batch: those that rules measure, and those that the model names when it is asked (*reason*)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from synalign.config import Configuration
from synalign.generation.attribute_coverage import support
from synalign.generation.client import Request
from synalign.generation.demonstration_batches import Batch
from synalign.generation.prompts import render
from synalign.generation.schemas import ATTRIBUTES, Attribute, Bounds, LatentAttributes
from synalign.prompts.families import family
from synalign.prompts.templates import prompt_version
from synalign.text import forms
from synalign.text.normal import normalise

REASON = "reason"
_LEAST_TOKENS = 512


class AttributeRow(NamedTuple):
    """One row of the table `attributes`; `support` is how many demonstrations show the value, where a rule can tell."""

    batch_id: str
    name: str
    value: str
    generalised: bool
    request_id: str
    support: int | None = None


def reason_request(batch: Batch, configuration: Configuration) -> Request:
    """Ask for the latent attributes of a batch."""
    data = {"demonstrations": batch.demonstrations}
    messages = render(REASON, data, configuration, count=len(batch.demonstrations))
    version = prompt_version(REASON, configuration)
    attributes, values, characters = family(configuration).named
    limits = Bounds(attributes=attributes, values=values, value_characters=characters)
    return Request(REASON, batch.batch_id, version, messages, ATTRIBUTES, LatentAttributes, _LEAST_TOKENS, limits)


def attributes_of(batch: Batch, named: object) -> LatentAttributes:
    """Return all attributes of a batch: what rules measure in its demonstrations, then what only a reader can tell.

    Args:
        batch: The batch.
        named: What the model named, `LatentAttributes`; of the names that rules measure it counts for nothing.
            Anything else: it was not asked.
    """
    rules = [Attribute(**found) for found in forms.measure(batch.demonstrations) if found["name"] in forms.MEASURED]
    answer = named.attributes if isinstance(named, LatentAttributes) else []
    others = [attribute for attribute in answer if not _is_measured(attribute)]
    # All were validated; together they may be more than one answer may hold.
    return LatentAttributes.model_construct(attributes=[*rules, *others])


def latent(attributes: LatentAttributes) -> LatentAttributes:
    """Return the attributes that no rule measures."""
    others = [attribute for attribute in attributes.attributes if not _is_measured(attribute)]
    return LatentAttributes.model_construct(attributes=others)


def _is_measured(attribute: Attribute) -> bool:
    return normalise(attribute.name).casefold() in forms.MEASURED


def attribute_rows(batch: Batch, request_id: str, answer: LatentAttributes) -> list[AttributeRow]:
    """Return the answer as rows; each value of a name once, as seen if it is given as both."""
    rows: dict[tuple[str, str], AttributeRow] = {}
    for name, value, generalised in _values(answer):
        key = (name.casefold(), value.casefold())
        if name and value and (key not in rows or rows[key].generalised > generalised):
            shown = support(name, value, batch.demonstrations)
            rows[key] = AttributeRow(batch.batch_id, name, value, generalised, request_id, shown)
    return list(rows.values())


def attributes_as_data(answer: LatentAttributes) -> list[dict[str, Any]]:
    """Return the answer as it goes into the data block of the request *write*."""
    return [attribute.model_dump() for attribute in answer.attributes]


def _values(answer: LatentAttributes) -> Iterator[tuple[str, str, bool]]:
    for attribute in answer.attributes:
        for generalised, values in ((False, attribute.values_seen), (True, attribute.values_generalised)):
            for value in values:
                yield normalise(attribute.name), normalise(value), generalised
