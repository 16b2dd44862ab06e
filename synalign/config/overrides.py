"""Settings of one run: which ones a trigger form may change, and how a job learns what was changed.

Everything else is changed in the retriever's YAML file, where it holds for every run: what a retriever is, where its
data lies, what counts as personal data, what a version must pass. Airflow makes its form from `fields`, and hands the
jobs what differs from the file in one environment variable. Imported by DAG files: nothing heavier than pydantic.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from pydantic import BaseModel

from synalign.config import Configuration
from synalign.errors import ConfigurationError

VARIABLE = "SYNALIGN_OVERRIDES"
"""Environment variable of a job: a JSON object of dotted keys, such as `{"sampling.batches": 8}`."""

SETTINGS = {
    "What goes in": ("source.window_days", "sampling.batches", "sampling.memory", "seed"),
    "What is written": (
        "generation.model",
        "generation.temperature",
        "generation.targets",
        "generation.documents_per_batch",
        "generation.queries_per_document",
        "generation.budget.max_money",
        "generation.budget.max_tokens",
    ),
    "What is kept, and its weights": (
        "screening.near_duplicate_cosine",
        "screening.round_trip_depth",
        "alignment.mass",
    ),
    "How it is tried": ("evaluation.retriever", "evaluation.seeds", "evaluation.steps"),
    "How fast": ("runtime.concurrency", "runtime.requests_per_minute", "runtime.tokens_per_minute"),
}
"""Keys that one run may change, by heading of the form."""

_RULES = ("type", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "pattern")


class Field(NamedTuple):
    """A field of the trigger form.

    Attributes:
        key: Dotted key of the configuration.
        value: What the retriever's file (or its default) says.
        title: The key's last part, in words.
        section: Heading.
        description: What it is, with its key; Markdown.
        schema: JSON schema of its values, as the configuration has it.
    """

    key: str
    value: Any
    title: str
    section: str
    description: str
    schema: dict[str, Any]


def fields(configuration: Configuration) -> list[Field]:
    """Return the fields of a retriever's form, in order, without those that its kind of source does not have."""
    return [
        _field(owner, key, section)
        for section, keys in SETTINGS.items()
        for key in keys
        if (owner := _owner(configuration, key)) is not None
    ]


def changed(form: list[Field], values: Mapping[str, Any]) -> str:
    """Return the changes of a filled-in form as the variable's text; empty where nothing was changed.

    Args:
        form: The fields, with what the file says.
        values: What the run was started with; keys that are no field are kept, for `apply` to refuse.
    """
    said = {field.key: field.value for field in form}
    different = {key: value for key, value in values.items() if key not in said or value != said[key]}
    return json.dumps(different, sort_keys=True) if different else ""


def from_environment() -> dict[str, Any]:
    """Return the settings that this run changes, by dotted key.

    Raises:
        ConfigurationError: The variable holds no JSON object.
    """
    text = os.environ.get(VARIABLE, "").strip()
    try:
        found = json.loads(text or "{}")
    except ValueError as error:
        raise ConfigurationError(f"{VARIABLE} == {text[:200]!r}, must be a JSON object: {error}.") from error
    if not isinstance(found, dict):
        raise ConfigurationError(f"{VARIABLE} == {text[:200]!r}, must be a JSON object.")
    return found


def apply(content: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return a file's settings, with those that one run changes replaced.

    Args:
        content: What stands in the YAML file; is not changed.
        overrides: Values by dotted key.

    Raises:
        ConfigurationError: A key is not one that a single run may change.
    """
    allowed = [key for keys in SETTINGS.values() for key in keys]
    settings = dict(content)
    for key, value in overrides.items():
        if key not in allowed:
            raise ConfigurationError(
                f"setting of this run == {key!r}, must be one of {', '.join(allowed)}.",
                remedy="trigger the run with one of these, or change the retriever's YAML file",
            )
        _put(settings, key.split("."), value)
    return settings


def _put(settings: dict[str, Any], path: list[str], value: Any) -> None:
    """Set a nested value; sections on its way are copied, and one that is no mapping is left for the schema to tell."""
    first, *rest = path
    if not rest:
        settings[first] = value
        return
    section = settings.get(first, {})
    if isinstance(section, dict):
        settings[first] = dict(section)
        _put(settings[first], rest, value)


def _owner(configuration: Configuration, key: str) -> BaseModel | None:
    """Return the section that holds a key, None where this configuration has no such key."""
    owner: Any = configuration
    *path, name = key.split(".")
    for part in path:
        owner = getattr(owner, part)
    return owner if name in type(owner).model_fields else None


@cache
def _properties(section: type[BaseModel]) -> dict[str, Any]:
    """JSON schemas of a section's settings; a folder of retrievers asks for the same few again and again."""
    properties: dict[str, Any] = section.model_json_schema()["properties"]
    return properties


def _field(owner: BaseModel, key: str, section: str) -> Field:
    name = key.rpartition(".")[2]
    schema = _properties(type(owner))[name]
    # `X | None` is two schemas to pydantic and one with two types to a form.
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind["type"] != "null"]
    rules = {rule: value for rule, value in kinds[0].items() if rule in _RULES}
    if "anyOf" in schema:
        rules["type"] = [rules["type"], "null"]
    # An empty field is what `null` is in the file.
    description = f"{schema.get('description', '')} (*{key}*)".replace("null:", "Empty:")
    title = name.replace("_", " ").capitalize()
    return Field(key, getattr(owner, name), title, section, description, rules)
