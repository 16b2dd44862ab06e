"""Lines of JSON as texts: numbers as they are written, and no text of what is none."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from typing import Any

from synalign.querylog.columns import NO_TEXT, nested


class Number(str):
    """A number with a fraction or an exponent, as it is written."""

    __slots__ = ()


_DECODE = json.JSONDecoder(parse_float=Number, parse_constant=lambda _: NO_TEXT).decode


def parsed(line: str) -> dict[str, Any] | None:
    """Return the object on a line; None if there is none."""
    try:
        row = _DECODE(line)
    except (ValueError, RecursionError):
        return None
    return row if type(row) is dict else None


def text_of(value: Any) -> Any:
    """Return a value as text: None stays None; an object, list, true, false or NaN is `NO_TEXT`."""
    kind = type(value)
    if kind is str or value is None:
        return value
    if kind is Number or kind is int:
        return str(value)
    return NO_TEXT


def whole(text: str) -> str:
    """Replace halves of characters (lone surrogates) by the mark of a decoding error."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def reader(
    names: Sequence[str], texts: Sequence[bool], lists: Collection[str] = ()
) -> Callable[[str], tuple[list[str | None], str | None]]:
    """Return a function that reads a line: the values of some columns, and the rule that the line breaks.

    Args:
        names: The columns.
        texts: Of each, whether it must be text.
        lists: Columns that are lists of text; they are read as JSON.
    """
    columns = list(zip(names, texts, strict=True))

    def read(line: str) -> tuple[list[str | None], str | None]:
        row = parsed(line)
        if row is None:
            return [None] * len(columns), "malformed_row"
        values, flaw = [], None
        for name, must_be_text in columns:
            value = row.get(name)
            if value is None and "." in name:
                value = nested(row, name)
            if name in lists and type(value) is list:
                whole_list = [text_of(one) for one in value]
                value = json.dumps([None if one is NO_TEXT else one for one in whole_list])
            if type(value) is not str and value is not None:
                value = text_of(value)
                if value is NO_TEXT:
                    value, flaw = None, "not_text" if must_be_text else flaw
            values.append(value)
        if "\\u" in line:
            values = [value and whole(value) for value in values]
        return values, flaw

    return read
