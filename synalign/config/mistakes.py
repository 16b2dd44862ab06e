"""Mistakes in a file of settings, in words: file, line, key, value, rule, and what was probably meant.

What is wrong comes from pydantic, what would be right from the JSON schema of the model: the rules are those of
docs/configuration.md, word for word. Imported by DAG files, so it imports nothing heavier than pydantic.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from synalign.config import SECRET, Unlike
from synalign.config.described import rule_of
from synalign.errors import listed
from synalign.masking import MASK, is_secret

LONGEST_VALUE = 200
"""Characters of a wrong value that a message shows."""

_SECTION = re.compile(r"model_(attributes_)?type|dataclass_type")


class _Place(NamedTuple):
    """Where a mistake is.

    Attributes:
        path: Keys from the top of the file.
        rule: The JSON schema of the value; empty where the model knows none.
        section: The JSON schema of the section that the last key is in.
    """

    path: tuple[str, ...]
    rule: Mapping[str, Any]
    section: Mapping[str, Any]

    @property
    def key(self) -> str:
        return ".".join(self.path) or "(whole file)"


def explain(
    error: ValidationError, model: type[BaseModel], file: str, lines: Mapping[tuple[str, ...], int] | None = None
) -> list[str]:
    """Return every mistake as `file: key == value, rule (line N).`, in the order of the settings.

    Args:
        error: What pydantic found.
        model: The model that the file was checked against.
        file: What to call the file.
        lines: Lines of the file's keys; none where there is no file, or the value is not from it.
    """
    schema = _schema(model)
    told = []
    for item in error.errors(include_url=False):
        if item["type"] == "default_factory_not_called":
            # It needs the keys that are wrong.
            continue
        place = _place(schema, item["loc"])
        if item["type"] == "invalid_key":
            place = place._replace(path=(*place.path[:-1], str(item["input"])))
        if item["type"].startswith("union_tag"):
            place = _tag(place, schema)
        line = _line(place.path, lines or {})
        told.append(at(f"{file}: {_words(item, place, schema)}", line))
    return list(dict.fromkeys(told))


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def at(words: str, line: int) -> str:
    """Return a sentence with the line that it is about; 0 for none."""
    return f"{words} (line {line})." if line else f"{words}."


def _line(path: tuple[str, ...], lines: Mapping[tuple[str, ...], int]) -> int:
    """Return the line of a key, or of the nearest section that is there; 1 where none is, 0 without a file."""
    found = (lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines)
    return next(found, 1 if lines else 0)


def _words(item: Any, place: _Place, schema: Mapping[str, Any]) -> str:
    """Return a key and what is wrong with its value."""
    key, kind, value = place.key, item["type"], item["input"]
    value = value.value if isinstance(value, Unlike) else value
    rule = _rule(place.rule)
    if kind in ("missing", "union_tag_not_found"):
        return f"{key} is missing, it is required" + (f": {rule}" if rule else "")
    if kind == "extra_forbidden":
        # A key that somebody put here by mistake is not to be shown, least of all in a log.
        return f"{key} == {_shown(value, place)}, is not a known setting{_known(place, schema)}"
    if kind == SECRET:
        return f"{key} {item['msg']}"
    if kind == "invalid_key":
        return f'{key} is no key, must be text: write it in quotes, such as "{value}"'
    if kind == "union_tag_invalid":
        value = value.get("kind") if isinstance(value, dict) else value
    told = _told(item, place, value, rule)
    if isinstance(value, dict | BaseModel) and kind in ("value_error", "assertion_error"):
        # A rule about several keys of a section says which.
        return f"{key} is wrong: {told}"
    return f"{key} is empty, {told}" if value is None else f"{key} == {_shown(value, place)}, {told}"


def _told(item: Any, place: _Place, value: Any, rule: str) -> str:
    """Return the rule that a value breaks, and what was probably meant."""
    if item["type"] in ("value_error", "assertion_error"):
        return str(item["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ").rstrip(".")
    if "properties" in place.rule or _SECTION.fullmatch(item["type"]):
        names = listed([f"`{name}`" for name in place.rule.get("properties", {})])
        empty = "; leave the key out to have its defaults" if value is None else ""
        return f"must be a section with settings such as {names}{empty}" if names else "must be a section of settings"
    return f"must be {rule or 'another value'}{_hint(value, place.rule)}"


def _rule(node: Mapping[str, Any]) -> str:
    """Return which values are taken, to follow `must be`."""
    if not node or "properties" in node:
        return ""
    rule = rule_of(node)
    return f"a {rule}" if rule.startswith(("whole", "number", "list", "mapping", "day")) else rule


def _hint(value: Any, node: Mapping[str, Any]) -> str:
    """Return what was probably meant, as the end of a sentence; empty where nothing is near."""
    kinds = {choice.get("type") for choice in _choices(node)}
    names = [str(name) for choice in _choices(node) for name in choice.get("enum", ())]
    if isinstance(value, str):
        near = _nearest(value, names)
        if near:
            return f"; did you mean {near}?"
        if kinds & {"integer", "number"} and (number := _number(value)) is not None:
            return f"; write {number}"
        return f"; write it as a list, [{_short(value, 60)}]" if "array" in kinds else ""
    if "string" in kinds and isinstance(value, (bool, int, float, date)):
        read = f"YAML reads a bare yes or no as {str(value).lower()}: " if isinstance(value, bool) else ""
        return f"; {read}write it in quotes" + ("" if isinstance(value, bool) else f', "{value}"')
    return ""


def _number(text: str) -> str | None:
    """Return a number that was written for people as YAML takes it, such as `1e6` or `1,000`."""
    try:
        number = float(re.sub(r"[,_'\s]", "", text))
    except ValueError:
        return None
    return f"{number:.0f}" if number.is_integer() and abs(number) < 1e15 else f"{number:g}"


def _known(place: _Place, schema: Mapping[str, Any]) -> str:
    """Return which known setting was probably meant by an unknown one."""
    names = list(place.section.get("properties", ()))
    near = _nearest(place.path[-1], names)
    if near:
        return f"; did you mean {near}?"
    elsewhere = list(dict.fromkeys(key for key in _keys(schema, schema, "") if key.split(".")[-1] == place.path[-1]))
    if elsewhere:
        return f"; did you mean {listed(elsewhere)}?"
    return f"; there are {', '.join(names)}" if names else ""


def _nearest(written: str, names: list[str]) -> str:
    """Return the name that is nearest to what was written, whatever its case and its hyphens; empty where none is."""
    plain = {re.sub(r"[\W_]", "", name).lower(): name for name in names}
    near = difflib.get_close_matches(re.sub(r"[\W_]", "", written[:100]).lower(), plain, 1, 0.7)
    return plain[near[0]] if near else ""


def _keys(schema: Mapping[str, Any], node: Mapping[str, Any], prefix: str) -> Iterator[str]:
    """Yield every key of the file that a schema describes, sections first; keys of list entries are left out."""
    for name, field in node.get("properties", {}).items():
        yield f"{prefix}{name}"
        for choice in _choices(_resolved(schema, field), schema):
            yield from _keys(schema, choice, f"{prefix}{name}.")


def _place(schema: Mapping[str, Any], location: tuple[int | str, ...]) -> _Place:
    """Return where a location of pydantic's is: it names a union's tag and a mapping's key, which nobody wrote."""
    node: Mapping[str, Any] = schema
    section: Mapping[str, Any] = schema
    path: list[str] = []
    for part in location:
        tags = node.get("discriminator", {}).get("mapping", {})
        if part in tags:
            node = _resolved(schema, {"$ref": tags[part]})
            continue
        if part == "[key]":
            node = {"type": "string", **section.get("propertyNames", {})}
            continue
        choices = _choices(node, schema)
        if len(choices) > 1 and not any("properties" in choice or _inside(schema, choice, part) for choice in choices):
            # Which of several kinds of value was tried.
            continue
        path.append(str(part))
        sections = [choice for choice in choices if _inside(schema, choice, part)]
        section = next(iter([*sections, *(choice for choice in choices if "properties" in choice)]), node)
        node = _inside(schema, section, part)
    return _Place(tuple(path), node, section)


def _inside(schema: Mapping[str, Any], node: Mapping[str, Any], part: int | str) -> Mapping[str, Any]:
    """Return the schema of one key or entry of a value; empty where there is none."""
    if isinstance(part, int) and node.get("type") == "array":
        places = node.get("prefixItems", ())
        return _resolved(schema, places[part] if part < len(places) else node.get("items", {}))
    found = node.get("properties", {}).get(part) or node.get("additionalProperties")
    return _resolved(schema, found) if isinstance(found, Mapping) else {}


def _tag(place: _Place, schema: Mapping[str, Any]) -> _Place:
    """Return the key that says of which kind a section is."""
    names = list(place.rule.get("discriminator", {}).get("mapping", ()))
    key = str(place.rule.get("discriminator", {}).get("propertyName", "kind"))
    return _Place((*place.path, key), {"type": "string", "enum": names}, place.rule)


def _choices(node: Mapping[str, Any], schema: Mapping[str, Any] | None = None) -> list[Mapping[str, Any]]:
    """Return a schema and those that it offers instead."""
    offered = [*node.get("anyOf", ()), *node.get("oneOf", ())]
    return [node, *(choice if schema is None else _resolved(schema, choice) for choice in offered)]


def _resolved(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema with its reference followed."""
    if "$ref" not in node:
        return node
    found: Mapping[str, Any] = schema["$defs"].get(node["$ref"].rpartition("/")[2], {})
    return found


def _shown(value: Any, place: _Place) -> str:
    """Return a value as a message may quote it: what looks like a secret is hidden."""
    named = is_secret(place.path[-1] if place.path else "") and isinstance(value, str | dict | list)
    numbers = any(choice.get("type") in ("integer", "number") for choice in _choices(place.rule))
    return MASK if (named and not numbers) or _has_secrets(value) else _short(value)


def _has_secrets(value: Any) -> bool:
    if isinstance(value, dict):
        return any(is_secret(str(key)) or _has_secrets(part) for key, part in value.items())
    return isinstance(value, list) and any(map(_has_secrets, value))


def _short(value: Any, most: int = LONGEST_VALUE) -> str:
    # As it stands in the file.
    text = str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, date) else repr(value)
    return text if len(text) <= most else text[:most] + "..."
