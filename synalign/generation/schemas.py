"""The structured answers: what a model must send back, and how much of it we accept.

The bounds are checked here, on arrival. The JSON schema that is sent has those of its request (`Bounds`), so that a
list under a grammar ends, until an endpoint refuses a strict schema with length keywords in it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidatorFunctionWrapHandler, WrapValidator

ATTRIBUTES = "latent_attributes"
QUERIES = "written_queries"
GRADE = "grade_of_a_document"

NOT_TEXT = "not_text"
"""Why an item of an answer that is no text is no query."""

UNNUMBERED = -1
"""The number of a document whose number is none."""

_LONGEST_VALUE, _LONGEST_NAME, _LONGEST_QUERY = 300, 100, 20_000
_MOST_VALUES = 24
_KEPT = ("type", "description", "properties", "required", "additionalProperties", "items", "enum")


class Unusable(str):
    """An item of an answer that is no query.

    Attributes:
        reason: Why.
    """

    reason: str

    @classmethod
    def of(cls, reason: str) -> Unusable:
        """Return an item without a text."""
        item = cls()
        item.reason = reason
        return item


def _query(value: Any, strictly: ValidatorFunctionWrapHandler) -> str:
    """Return a query, or a stand-in where it is none: one bad item must not cost a whole answer."""
    if not isinstance(value, str):
        return Unusable.of(NOT_TEXT)
    # Half a surrogate pair is no character, and no table can hold it; the query is rejected by what stands for it.
    text: str = strictly(_whole(value)[:_LONGEST_QUERY])
    return text


def _whole(text: str) -> str:
    """Replace each half surrogate pair of a text by `U+FFFD`."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _entries(value: Any) -> Any:
    """Entries for documents: those that are none are passed over where there are others that are."""
    if not isinstance(value, list) or not any(map(_is_entry, value)):
        return value
    named = ({**entry, "document": UNNUMBERED} if _has_no_number(entry) else entry for entry in value)
    return [entry for entry in named if _is_entry(entry)]


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and type(entry.get("document")) is int and isinstance(entry.get("queries"), list)


def _has_no_number(entry: Any) -> bool:
    return isinstance(entry, dict) and type(entry.get("document")) is not int and isinstance(entry.get("queries"), list)


def _values(value: Any) -> Any:
    """Return the values of an attribute that can be used."""
    if not isinstance(value, list):
        return value
    return _texts(value, _LONGEST_VALUE)[:_MOST_VALUES]


def _attributes(value: Any) -> Any:
    """Return the attributes that can be used, where there are any."""
    if not isinstance(value, list):
        return value
    good = [item for item in value if isinstance(item, dict) and _texts([item.get("name")], _LONGEST_NAME)]
    return good[:_MOST_VALUES] if good else value


def _texts(items: Iterable[Any], longest: int) -> list[str]:
    return [item for item in items if isinstance(item, str) and 0 < len(item) <= longest and item == _whole(item)]


_Value = Annotated[str, Field(min_length=1, max_length=_LONGEST_VALUE)]
_Values = Annotated[list[_Value], Field(max_length=_MOST_VALUES), BeforeValidator(_values)]
_Query = Annotated[str, Field(max_length=_LONGEST_QUERY), WrapValidator(_query)]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Attribute(_Closed):
    """One latent attribute of a batch of demonstrations."""

    name: Annotated[str, Field(min_length=1, max_length=_LONGEST_NAME)] = Field(
        description="Short name of the attribute."
    )
    values_seen: _Values = Field(description="Its values in the demonstrations.")
    values_generalised: _Values = Field(description="Other values of it that the same people could use.")


class LatentAttributes(_Closed):
    """The answer to the request *reason*."""

    attributes: Annotated[list[Attribute], Field(min_length=1, max_length=_MOST_VALUES), BeforeValidator(_attributes)]


class DocumentQueries(_Closed):
    """Queries written for one document; what is wrong with a single query is judged query by query."""

    document: int = Field(description="The document's number in the request.")
    queries: Annotated[list[_Query], Field(max_length=256)] = Field(
        description="Search queries that this document answers."
    )


class QueriesOfOne(_Closed):
    """The answer to the request *write* where it is about one document."""

    queries: Annotated[list[_Query], Field(max_length=256)] = Field(
        description="Search queries that the document answers."
    )


class WrittenQueries(_Closed):
    """The answer to the request *write*."""

    documents: Annotated[list[DocumentQueries], Field(max_length=256), BeforeValidator(_entries)]


def _whole_number(value: Any) -> Any:
    """Return a grade as a whole number, where it is one in another form."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        return int(value)
    # For Python `true` is 1.
    if isinstance(value, bool):
        return None
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Judgement(_Closed):
    """The answer to the request *judge*."""

    grade: Annotated[Literal[0, 1, 2, 3], BeforeValidator(_whole_number)] = Field(
        description="How well the document answers the query, 0 to 3."
    )


class Bounds(NamedTuple):
    """How long an answer may be, as its request says; None: not said.

    Attributes:
        documents: Entries for documents, exactly.
        queries: Queries for each, exactly.
        query_characters: Of one query, at most.
        attributes: Attributes that are named, at most.
        values: Values of each, at most.
        value_characters: Of one value, at most.
    """

    documents: int | None = None
    queries: int | None = None
    query_characters: int | None = None
    attributes: int = 8
    values: int = 8
    value_characters: int = 100


@cache
def bounds(model: type[BaseModel]) -> dict[str, Any]:
    """Return a model's whole JSON schema, which must not be changed: it is made once, since it takes milliseconds."""
    return model.model_json_schema()


@cache
def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return a model's JSON schema for strict structured output: references inlined, every object closed, no bounds.

    Made once for each model; not to be changed.

    Examples:
        >>> json_schema(WrittenQueries)["properties"]["documents"]["items"]["required"]
        ['document', 'queries']
    """
    whole = bounds(model)
    stripped: dict[str, Any] = _strip(whole, whole.get("$defs", {}))
    return stripped


@cache
def bounded_schema(model: type[BaseModel], limits: Bounds) -> dict[str, Any]:
    """Return `json_schema` with the bounds of a request: under a grammar a list without them may never end.

    Examples:
        >>> bounded_schema(QueriesOfOne, Bounds(queries=1, query_characters=80))["properties"]["queries"]
        {'type': 'array', 'description': 'Search queries that the document answers.', \
'items': {'type': 'string', 'maxLength': 80}, 'minItems': 1, 'maxItems': 1}
    """
    schema: dict[str, Any] = copy.deepcopy(json_schema(model))
    for name, node in _properties(schema):
        if name == "documents":
            _exactly(node, limits.documents)
        elif name == "queries":
            _exactly(node, limits.queries)
            if limits.query_characters is not None:
                node["items"]["maxLength"] = limits.query_characters
        elif name == "attributes":
            node |= {"minItems": 1, "maxItems": limits.attributes}
        elif name in ("values_seen", "values_generalised"):
            node["maxItems"] = limits.values
            node["items"]["maxLength"] = limits.value_characters
        elif name == "name":
            node["maxLength"] = limits.value_characters
    return schema


def _exactly(node: dict[str, Any], count: int | None) -> None:
    if count is not None:
        node |= {"minItems": count, "maxItems": count}


def _properties(node: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the properties of a schema by name, those within them after them."""
    for name, child in node.get("properties", {}).items():
        yield name, child
        yield from _properties(child.get("items", {}))


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
