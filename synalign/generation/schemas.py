"""The two structured answers: what a model must send back, and how much of it we accept.

The bounds are checked here, on arrival. They are not part of the JSON schema that is sent: several endpoints refuse a
strict schema with length keywords in it.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

ATTRIBUTES = "latent_attributes"
QUERIES = "written_queries"

_Value = Annotated[str, Field(min_length=1, max_length=300)]
_KEPT = ("type", "description", "properties", "required", "additionalProperties", "items")


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Attribute(_Closed):
    """One latent attribute of a batch of demonstrations."""

    name: Annotated[str, Field(min_length=1, max_length=100)] = Field(description="Short name of the attribute.")
    values_seen: Annotated[list[_Value], Field(max_length=24)] = Field(description="Its values in the demonstrations.")
    values_generalised: Annotated[list[_Value], Field(max_length=24)] = Field(
        description="Other values of it that the same people could use."
    )


class LatentAttributes(_Closed):
    """The answer to the request *reason*."""

    attributes: Annotated[list[Attribute], Field(min_length=1, max_length=24)]


class DocumentQueries(_Closed):
    """Queries written for one document; what is wrong with a single query is judged query by query."""

    document: int = Field(description="The document's number in the request.")
    queries: Annotated[list[Annotated[str, Field(max_length=20_000)]], Field(max_length=256)] = Field(
        description="Search queries that this document answers."
    )


class WrittenQueries(_Closed):
    """The answer to the request *write*."""

    documents: Annotated[list[DocumentQueries], Field(max_length=256)]


@cache
def bounds(model: type[BaseModel]) -> dict[str, Any]:
    """A model's whole JSON schema, made once: it takes milliseconds. Not to be changed."""
    return model.model_json_schema()


@cache
def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """A model's JSON schema as strict structured output takes it: references inlined, every object closed, no bounds.

    Made once for each model; not to be changed.

    Examples:
        >>> json_schema(WrittenQueries)["properties"]["documents"]["items"]["required"]
        ['document', 'queries']
    """
    whole = bounds(model)
    stripped: dict[str, Any] = _strip(whole, whole.get("$defs", {}))
    return stripped


def _strip(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_strip(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _strip(definitions[node["$ref"].rsplit("/", 1)[1]], definitions)
    stripped: dict[str, Any] = {}
    for key in _KEPT:
        if key == "properties" and key in node:
            stripped[key] = {name: _strip(child, definitions) for name, child in node[key].items()}
        elif key in node:
            stripped[key] = _strip(node[key], definitions)
    return stripped
