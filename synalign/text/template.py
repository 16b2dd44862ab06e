"""Texts made of named fields by a template, in which a missing field leaves no punctuation of its own behind.

In `{title} ({brand}, {category}). Price: {price} EUR` each field owns the words around it up to the next separator:
`Price: ` and ` EUR` go with the price, and a pair of brackets goes where nothing within them is left.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping
from typing import NamedTuple

_BRACKETS = {"(": ")", "[": "]", "«": "»", "“": "”"}
_SEPARATOR = re.compile(r"\s*[.,;|/\n\u2013\u2014•·]+\s*|\s+-\s+")
_CLOSED = re.compile(r"([)\]»”\"']*)(\s*)")
MOST_FIELDS = 32
"""Fields of a template, at most."""


class Field(NamedTuple):
    """A field of a template, by its name."""

    name: str


class Group(NamedTuple):
    """Parts that belong together: within brackets, or an entry of a list.

    Attributes:
        opening: What stands before them.
        parts: The parts.
        closing: What stands behind them.
    """

    opening: str
    parts: tuple[Part, ...]
    closing: str


class Part(NamedTuple):
    """A field or a group with the words that are its own.

    Attributes:
        separator: Between what was written before and this part; dropped where nothing was.
        prefix: Words that come and go with the field.
        inner: The field, or the group.
        suffix: As `prefix`, behind it.
    """

    separator: str
    prefix: str
    inner: Field | Group
    suffix: str


def parse(template: str | Iterable[str]) -> tuple[Part, ...]:
    r"""Return the parts of a template.

    Args:
        template: Text with names in braces; or a list of such texts and of bare names, each for a line.

    Raises:
        ValueError: A brace is not closed, a field has no name or says how to format it, or there are too few or too
            many fields.

    Examples:
        >>> render(parse("{title} ({brand}, {category})"), {"title": "Kettle", "category": "Kitchen"})
        'Kettle (Kitchen)'
        >>> render(parse(["title", "Brand: {brand}", "price"]), {"title": "Kettle", "price": "9"})
        'Kettle\n9'
    """
    if isinstance(template, str):
        parts = _parts(_items(template))
    else:
        lines = [text if "{" in text or "}" in text else f"{{{text}}}" for text in template]
        parts = tuple(Part("\n", "", Group("", _parts(_items(line)), ""), "") for line in lines)
    number = len(names(parts))
    if not number:
        raise ValueError("must name a column in braces, such as {title}")
    if number > MOST_FIELDS:
        raise ValueError(f"must name at most {MOST_FIELDS} columns")
    return parts


def names(parts: Iterable[Part]) -> tuple[str, ...]:
    """Return the names of the fields, each once, in their order.

    Examples:
        >>> names(parse("{b} ({a}, {b})"))
        ('b', 'a')
    """
    seen: dict[str, None] = {}
    for part in parts:
        seen.update(dict.fromkeys((part.inner.name,) if isinstance(part.inner, Field) else names(part.inner.parts)))
    return tuple(seen)


def render(parts: Iterable[Part], values: Mapping[str, str | None]) -> str:
    """Return the text of some values; one that is None, missing or blank leaves out what is its own.

    Examples:
        >>> render(parse("{title}. {brand}, {category}"), {"title": " ", "brand": "Acme", "category": None})
        'Acme'
    """
    text = ""
    for part in parts:
        if isinstance(part.inner, Field):
            inner = (values.get(part.inner.name) or "").strip()
        else:
            inner = render(part.inner.parts, values)
            inner = inner and f"{part.inner.opening}{inner}{part.inner.closing}"
        if inner:
            text += f"{part.separator if text else ''}{part.prefix}{inner}{part.suffix}"
    return text


def _items(template: str) -> list[str | Field]:
    """Return the characters and fields of a template."""
    items: list[str | Field] = []
    try:
        for literal, name, spec, conversion in string.Formatter().parse(template):
            items += literal
            if name is None:
                continue
            if not name.strip() or spec or conversion:
                raise ValueError("names stand in braces alone")
            items.append(Field(name.strip()))
    except ValueError as error:
        raise ValueError(
            f"must be text with names in braces, such as {{title}}, and {{{{ for a brace; {template!r}: {error}"
        ) from error
    return items


def _parts(items: list[str | Field]) -> tuple[Part, ...]:
    """Return the parts of characters and fields; brackets around a field make a group."""
    inner: list[Field | Group] = []
    literals = [""]
    place = 0
    while place < len(items):
        item, end = items[place], _closing(items, place)
        if isinstance(item, Field):
            inner.append(item)
            literals.append("")
        elif end is not None:
            inner.append(Group(item, _parts(items[place + 1 : end]), _BRACKETS[item]))
            literals.append("")
            place = end
        else:
            literals[-1] += item
        place += 1
    # Words before the first field and behind the last are theirs, whole.
    between = [("", "", literals[0]), *map(_shared, literals[1:-1]), (literals[-1], "", "")]
    return tuple(
        Part(before[1], before[2], field, behind[0])
        for before, field, behind in zip(between, inner, between[1:], strict=False)
    )


def _closing(items: list[str | Field], place: int) -> int | None:
    """Return where the bracket at a place is closed, if it is one with a field inside."""
    opening = items[place]
    if isinstance(opening, Field) or opening not in _BRACKETS:
        return None
    depth = 0
    for end in range(place, len(items)):
        depth += (items[end] == opening) - (items[end] == _BRACKETS[opening])
        if not depth:
            return end if any(isinstance(item, Field) for item in items[place:end]) else None
    return None


def _shared(literal: str) -> tuple[str, str, str]:
    """Share the words between two fields: the first one's suffix, the separator, the second one's prefix."""
    if not any(character.isalnum() or character in "()[]«»“”" for character in literal):
        return "", literal, ""
    cut = _SEPARATOR.search(literal)
    if cut is None:
        cut = _CLOSED.match(literal)
        assert cut is not None  # it matches nothing as well
        return cut[1], cut[2], literal[cut.end() :]
    return literal[: cut.start()], cut[0], literal[cut.end() :]
