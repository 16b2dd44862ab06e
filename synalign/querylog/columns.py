"""Which columns of a table are wanted, what each must hold, and what an error says where one is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple

from synalign.errors import InputError
from synalign.querylog.files import Table

Kind = Literal["text", "time", "count", "number", "list"]

NO_TEXT = object()
"""Stands for a value that no text can be made of: an object, a list, true, false, NaN."""

_MOST_NAMES, _LONGEST_NAME = 40, 60
# Names that logs give to what a setting means, in lower case, without separators; the likeliest first.
_SYNONYMS = {
    "event_time": (
        "eventtime", "timestamp", "ts", "time", "datetime", "date", "querytime", "createdat", "eventtimestamp", "dt",
    ),
    "query": (
        "query", "q", "querytext", "userquery", "searchterm", "searchquery", "keyword", "search", "term", "anonquery",
    ),
    "document_id": (
        "documentid", "docid", "doc", "clickeddoc", "clickurl", "url", "objectid", "productid", "itemid", "sku",
        "document", "page", "corpusid", "id",
    ),
    "text": ("text", "body", "content", "passage", "description", "utterance"),
    "title": ("title", "name", "headline"),
    "label": ("label", "category", "intent", "class"),
    "position": ("position", "rank", "ordinal", "pos", "slot"),
    "impressions": ("impressions", "views", "shown"),
    "action": ("action", "actionname", "eventtype", "event", "eventname"),
    "dwell": ("dwell", "dwelltime", "dwellseconds", "timeonpage"),
    "session_id": ("sessionid", "session", "visitid", "clientid"),
}  # fmt: skip


class Column(NamedTuple):
    """A column that is wanted.

    Attributes:
        setting: The key under `columns` that names it, or of `fields` a name of our own; also its name in frames.
        name: Its name in the files.
        kind: What it holds.
        required: Whether a file without it is refused.
        key: The key of the section that names it: `columns` or `fields`.
    """

    setting: str
    name: str
    kind: Kind
    required: bool = True
    key: str = "columns"


def require(table: Table, wanted: Iterable[Column], found: Iterable[str], file: Path | str, partitions: object) -> None:
    """Refuse a file that lacks a column.

    Raises:
        InputError: It says what there is, and which lines of YAML map it.
    """
    columns, names = list(wanted), list(found)
    has = {*names, *(partitions if isinstance(partitions, Mapping) else ())}
    missing = [column for column in columns if column.required and column.name not in has]
    if not missing:
        return
    visible = sorted(has, key=names.index) if has <= set(names) else [*names, *sorted(has - set(names))]
    raise InputError(
        f"{file}: columns {', '.join(repr(column.name) for column in missing)} are missing; it has "
        f"{', '.join(repr(name[:_LONGEST_NAME]) for name in visible[:_MOST_NAMES]) or 'none'}.",
        cause="" if table.section else "the folder is not laid out as BEIR's",
        remedy=_remedy(table, columns, missing, visible) if table.section else _beir(missing),
    )


def _beir(missing: list[Column]) -> str:
    return f"name the keys as BEIR does: {', '.join(column.name for column in missing)}"


def _remedy(table: Table, columns: list[Column], missing: list[Column], names: list[str]) -> str:
    if all(column.key == "fields" for column in missing):
        close = [match for column in missing for match in get_close_matches(column.name, names, 1)]
        such = f", such as {', '.join(f'{{{name}}}' for name in close)}" if close else ""
        return f"name columns that are there in {table.section}.fields{such}"
    return _mapping(table, [column for column in columns if column.key == "columns"], names)


def _mapping(table: Table, columns: list[Column], names: list[str]) -> str:
    """Return the lines of YAML that map the columns, as far as their names tell."""
    keys = [*table.section.split("."), "columns"]
    lines = [f"{'  ' * depth}{key}:" for depth, key in enumerate(keys)]
    lines += [
        f"{'  ' * len(keys)}{column.setting}: {_likeliest(column, names)}" for column in columns if column.required
    ]
    return (
        f"map the names under {table.section}.columns in the retriever's YAML, or where files have no first line of "
        f"names write {table.section}.header:\n" + "\n".join(lines)
    )


def _likeliest(column: Column, names: list[str]) -> str:
    if column.name in names:
        return column.name
    plain = {_plain(name): name for name in reversed(names)}
    for synonym in _SYNONYMS.get(column.setting, ()):
        if synonym in plain:
            return plain[synonym]
    ends = {_plain(name.rpartition(".")[2]): name for name in reversed(names)}
    return next((ends[synonym] for synonym in _SYNONYMS.get(column.setting, ()) if synonym in ends), "...")


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


def nested(row: Mapping[str, Any], name: str) -> Any:
    """Return the value of a key, or of `a.b.c` within others where no key has that very name; None where none is.

    A number is a place in a list, from 0: `objectIDs.0`.

    Examples:
        >>> nested({"a": {"b": [1, 2]}, "a.c": 3}, "a.b.1"), nested({"a": {"c": 1}, "a.c": 3}, "a.c")
        (2, 3)
    """
    if name in row or "." not in name:
        return row.get(name)
    value: Any = row
    for part in name.split("."):
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit():
            value = value[int(part)] if int(part) < len(value) else None
        else:
            return None
    return value


def names_in(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the keys of rows, and with dots those within them, in the order of their first appearance."""
    found: dict[str, None] = {}

    def add(row: Mapping[str, Any], prefix: str, depth: int) -> None:
        for key, value in row.items():
            if isinstance(value, Mapping) and value and depth < 4:
                add(value, f"{prefix}{key}.", depth + 1)
            elif isinstance(value, list) and value and not isinstance(value[0], Mapping | list):
                found.setdefault(f"{prefix}{key}.0")
            found.setdefault(f"{prefix}{key}")

    for row in rows:
        add(row, "", 0)
    return list(found)
