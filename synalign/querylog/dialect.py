"""How a text file is written: its encoding, delimiter, quotes and names, as configured or told from its first lines."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from synalign.config.location import DELIMITERS
from synalign.errors import InputError
from synalign.querylog.columns import Column
from synalign.querylog.files import Table, shown

_BOMS = ((b"\xff\xfe\x00\x00", "utf-32"), (b"\x00\x00\xfe\xff", "utf-32"), (b"\xef\xbb\xbf", "utf-8-sig"),
         (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))  # fmt: skip
_DELIMITERS = (",", "\t", ";", "|", "\x01", " ")


class Dialect(NamedTuple):
    """How one text file is written.

    Attributes:
        path: The file.
        format: `csv` or `jsonl`.
        compression: `none` or a codec.
        encoding: Python's name of it.
        separator: Ends a line.
        delimiter: Of CSV.
        quote: Of CSV; empty: quotes are text.
        names: Of CSV: the columns, in order.
        header: Of CSV: whether the first record has the names.
        spaced: Of CSV: whether a space follows each delimiter.
    """

    path: str
    format: str
    compression: str
    encoding: str
    separator: str = "\n"
    delimiter: str = ","
    quote: str = '"'
    names: tuple[str, ...] = ()
    header: bool = False
    spaced: bool = False


def encoding_of(table: Table, file: Path, content: bytes) -> str:
    """Return the encoding of a text file: as configured, or told from its first bytes.

    Raises:
        InputError: The file is binary.
    """
    marked = next((encoding for bom, encoding in _BOMS if content.startswith(bom)), None)
    configured = table.files.encoding
    if configured != "auto":
        plain = configured.lower().replace("_", "-")
        return "utf-8-sig" if plain in ("utf-8", "utf8") and marked == "utf-8-sig" else configured
    if marked is not None:
        return marked
    sample = content[:4096]
    if b"\x00" in sample:
        # ASCII in UTF-16 has a zero in every second byte.
        even, odd = sample[::2].count(0), sample[1::2].count(0)
        if max(even, odd) > 0.3 * len(sample) / 2 and min(even, odd) < 0.1 * len(sample) / 2:
            return "utf-16-be" if even > odd else "utf-16-le"
        if sample.count(0) > 0.1 * len(sample):
            raise InputError(
                f"{file}: is binary, no text: it begins with {shown(content)}.",
                remedy=f"write the {table.name} as Parquet, CSV or JSONL, and set its format",
            )
    return "utf-8"


def delimited(table: Table, dialect: Dialect, lines: list[str], wanted: Sequence[Column]) -> Dialect:
    """Complete the dialect of a CSV file: its delimiter, its quotes and its names.

    Raises:
        InputError: A wanted column is there twice.
    """
    header, configured = table.files.header, table.files.delimiter
    if not lines:
        return dialect._replace(names=header if isinstance(header, tuple) else ())
    delimiter = DELIMITERS.get(configured, configured) if configured != "auto" else _delimiter(header, lines, wanted)
    quote = {"none": "", "auto": _quote(delimiter, lines)}.get(table.files.quote, table.files.quote)
    dialect = dialect._replace(delimiter=delimiter, quote=quote)
    first = _first_record(dialect, lines)
    if delimiter != " " and len(first) > 1 and all(name.startswith(" ") for name in first[1:]):
        dialect = dialect._replace(spaced=True)
        first = _first_record(dialect, lines)
    names = tuple(name.strip() for name in first)
    if isinstance(header, tuple):
        return dialect._replace(names=header, header=names == header)
    if not header:
        return dialect._replace(names=tuple(str(number) for number in range(1, len(names) + 1)))
    twice = sorted({name for name in names if names.count(name) > 1} & {column.name for column in wanted})
    if twice:
        raise InputError(
            f"{dialect.path}: the column {twice[0]!r} is there {names.count(twice[0])} times.",
            remedy="give every column a name of its own",
        )
    return dialect._replace(names=names, header=True)


def _delimiter(header: bool | tuple[str, ...], lines: list[str], wanted: Sequence[Column]) -> str:
    """Guess the delimiter: one that gives the wanted names, or else the steadiest number of fields."""
    required = {column.name for column in wanted if column.required}
    for delimiter in _DELIMITERS:
        if required <= {name.strip().strip("\"'") for name in lines[0].split(delimiter)} and len(required) > 1:
            return delimiter
    wide = len(header) if isinstance(header, tuple) else None

    def steady(delimiter: str) -> float:
        fields = [len(line.split(delimiter)) for line in lines[:100]]
        usual = wide or fields[0]
        return fields.count(usual) / len(fields) if usual > 1 else 0.0

    return max(_DELIMITERS[:-1], key=steady) if max(map(steady, _DELIMITERS[:-1])) > 0 else ","


def _quote(delimiter: str, lines: list[str]) -> str:
    """Return the quote that encloses fields, empty where quotes are text.

    Between tabs quotes mostly are text, unless a field shows otherwise.
    """
    if delimiter not in ("\t", "\x01"):
        return '"'
    header = lines[0].split(delimiter)
    if all(len(name) > 1 and name[0] == name[-1] == '"' for name in header):
        return '"'
    for fields in (line.split(delimiter) for line in lines[1:]):
        if any(len(field) > 4 and field[0] == field[-1] == '"' and '""' in field[1:-1] for field in fields):
            return '"'
    return ""


def _first_record(dialect: Dialect, lines: Sequence[str]) -> list[str]:
    try:
        return next(csv.reader((f"{line}\n" for line in lines), **csv_options(dialect), strict=False), [])
    except csv.Error:
        return []


def csv_options(dialect: Dialect) -> dict[str, Any]:
    """Return the dialect as options of Python's CSV reader."""
    options: dict[str, Any] = {"delimiter": dialect.delimiter, "skipinitialspace": dialect.spaced}
    return {**options, "quotechar": dialect.quote} if dialect.quote else {**options, "quoting": csv.QUOTE_NONE}
