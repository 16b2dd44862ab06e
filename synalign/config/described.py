"""Every setting of a retriever's YAML file, as the configuration's own schema has it, in words for people.

`synalign init` writes a first file from this and `synalign.config.reference` a page, so neither can know
less, or other, than what `synalign check` goes by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache
from typing import Any, NamedTuple

from synalign.config import IN_WORDS, Configuration

SOURCES = ("log", "ubi", "beir", "labelled")
"""The kinds of `source`."""

_TO_SAY = ("source.kind", "source.path", "source.documents.path", "source.queries.path")
"""Keys with a default that a file must say all the same; of a path, `table` or `sql` can take the place."""

_DAY = date(2026, 1, 1).isoformat()


class Setting(NamedTuple):
    """One key of the file: a value, or a section of others.

    Attributes:
        key: Its path from the top of the file, with dots.
        about: What it is, in sentences.
        rule: Which values it takes, in words; empty for a section.
        required: Whether a file without it is refused (where the section it is in is there).
        default: Its value where the file does not say; None where it is required.
        example: A value that it could have, for those without a default that says as much.
        parts: What is in it; empty for a value.
        each: For a list or a mapping of sections, what is in each of them.
    """

    key: str
    about: str
    rule: str
    required: bool
    default: Any
    example: Any
    parts: tuple[Setting, ...] = ()
    each: tuple[Setting, ...] = ()

    @property
    def name(self) -> str:
        """Its own key, without that of its section."""
        return self.key.rpartition(".")[2]

    def values(self) -> Iterator[Setting]:
        """Return this setting, or all settings with a value inside it where it is a section."""
        if not self.parts:
            yield self
        for part in self.parts:
            yield from part.values()


@cache
def settings(source: str = "log") -> tuple[Setting, ...]:
    """All settings, in the order of the configuration, those of `source` for one kind of it.

    Args:
        source: One of `SOURCES`.
    """
    schema = Configuration.model_json_schema()
    return tuple(_parts("", schema, schema["$defs"], source))


def json_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a retriever's file, for editors and other tools.

    It has every rule that stands alone; what two keys say together, only `synalign check` knows.
    """
    schema = Configuration.model_json_schema()
    for source in schema["properties"]["source"]["discriminator"]["mapping"].values():
        # The kind has a default, but a file must say it.
        definition = schema["$defs"][source.rpartition("/")[2]]
        definition["required"] = sorted({"kind", *definition.get("required", ())})
    about = "A retriever's settings, for SynAlign."
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": about, "description": about}


def _parts(prefix: str, model: Mapping[str, Any], definitions: Mapping[str, Any], source: str) -> Iterator[Setting]:
    """Return the settings of one model of the schema."""

    def inside(key: str, section: Mapping[str, Any] | None) -> tuple[Setting, ...]:
        return tuple(_parts(key, section, definitions, source)) if section else ()

    for name, field in model["properties"].items():
        key, section = f"{prefix}{name}", _section(field, definitions, source)
        about = " ".join(filter(None, [_folded(section) if section else "", field.get("description")]))
        yield Setting(
            key,
            about,
            "" if section else rule_of(field),
            name in model.get("required", ()) or key in _TO_SAY,
            field.get("default"),
            next(iter(field.get("examples", ())), None),
            inside(f"{key}.", section),
            inside(f"{key}[].", _section(field.get("items", {}), definitions, source))
            or inside(f"{key}.*.", _section(_values(field), definitions, source)),
        )


def _section(field: Mapping[str, Any], definitions: Mapping[str, Any], source: str) -> Mapping[str, Any] | None:
    """Return the model that a field holds, None where it holds a value."""
    mapping = field.get("discriminator", {}).get("mapping")
    choices = [{"$ref": mapping[source]}] if mapping else [field, *field.get("anyOf", ())]
    for choice in choices:
        if "$ref" in choice:
            found: Mapping[str, Any] = definitions[choice["$ref"].rpartition("/")[2]]
            return found if "properties" in found else None
    return None


def _values(field: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the schema of a mapping says of its values; empty where it says nothing."""
    values = field.get("additionalProperties")
    return values if isinstance(values, dict) else {}


def _folded(section: Mapping[str, Any]) -> str:
    """Return a model's docstring as one line."""
    return " ".join(section.get("description", "").split())


def rule_of(field: Mapping[str, Any]) -> str:
    """Which values a field of a JSON schema takes, in words.

    Examples:
        >>> rule_of({"type": "integer", "minimum": 1, "maximum": 4096})
        'whole number from 1 to 4,096'
        >>> rule_of({"anyOf": [{"type": "number", "exclusiveMinimum": 0.0}, {"type": "null"}]})
        'number above 0, or `null`'
        >>> rule_of({"enum": ["csv", "jsonl"], "type": "string"})
        '`csv` or `jsonl`'
    """
    choices = field.get("anyOf")
    if choices:
        rules = [rule_of(choice) for choice in choices if choice.get("type") != "null"]
        nothing = len(rules) < len(choices)
        return " or ".join(rules) + (", or `null`" if nothing else "")
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return _either(field["enum"])
    kind = field.get("type")
    if kind == "boolean":
        return "`true` or `false`"
    if kind in ("integer", "number"):
        return ("whole number" if kind == "integer" else "number") + _range(field)
    if kind == "array":
        return _list(field)
    if kind == "object":
        return _mapping(field)
    if kind == "string":
        return _text(field)
    # A reference: to a section, as in a list of them, or to whatever YAML can say.
    return "sections" if "$ref" in field and not field["$ref"].endswith("/JsonValue") else "any value"


def _either(values: list[Any]) -> str:
    words = [f"`{value}`" for value in values]
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _range(field: Mapping[str, Any]) -> str:
    """Bounds of a number in words, such as ` above 0, up to 10`."""
    low, high = field.get("minimum"), field.get("maximum")
    above, below = field.get("exclusiveMinimum"), field.get("exclusiveMaximum")
    lower = "" if low is None else f" from {_number(low)}"
    lower = lower if above is None else f" above {_number(above)}"
    if high is not None:
        return f"{lower} to {_number(high)}" if low is not None else f"{lower}, up to {_number(high)}"
    if below is not None:
        return f"{lower}, below {_number(below)}"
    return f"{lower} up" if low is not None else lower


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def _text(field: Mapping[str, Any]) -> str:
    if field.get("format") == "date":
        return f"day, such as {_DAY}"
    if "pattern" in field:
        return IN_WORDS.get(field["pattern"], f"text that matches `{field['pattern']}`")
    least = ", not empty" if field.get("minLength") else ""
    return f"text{least}" + (f", up to {field['maxLength']:,} characters" if "maxLength" in field else "")


def _list(field: Mapping[str, Any]) -> str:
    parts: Mapping[str, Any] = field.get("items") or next(iter(field.get("prefixItems", ())), {})
    least, most = field.get("minItems", 0), field.get("maxItems")
    count = f"{least:,} " if least == most else f"up to {most:,} " if most is not None else ""
    rule = rule_of(parts)
    return (
        f"list of {count}{rule.replace('number', 'numbers', 1) if parts.get('type') in ('integer', 'number') else rule}"
    )


def _mapping(field: Mapping[str, Any]) -> str:
    keys, values = field.get("propertyNames"), field.get("additionalProperties")
    named = rule_of({"type": "string", **keys}) if keys else "names"
    return f"mapping of {named} to {rule_of(values) if isinstance(values, dict) else 'any value'}"
