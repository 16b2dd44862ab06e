"""The first lines of text files: what the driver reads of them, and what it can tell and refuse by that."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from synalign.errors import InputError
from synalign.querylog import json_lines
from synalign.querylog.columns import Column, names_in
from synalign.querylog.delimited import Records
from synalign.querylog.dialect import Dialect, delimited, encoding_of
from synalign.querylog.files import Table, compression_of, opened, other_kind
from synalign.querylog.text_lines import LONGEST_LINE, wide
from synalign.querylog.unreadable import readable_text

HEAD_BYTES = 128 * 1024
"""Of each file that the driver reads, decompressed."""

_MOST_LINES = 400
_ENDS = re.compile(rb"[\r\n]")
# Of a source's lines that are not UTF-8, from which on another encoding is likelier than single broken lines.
_FOREIGN_SHARE, _FOREIGN_LINES = 0.25, 3


class Head(NamedTuple):
    """The beginning of a text file.

    Attributes:
        dialect: How the file is written.
        names: The columns that it has.
        rows: Its first rows: of CSV texts by column, of JSONL objects.
        foreign: Lines of the head that are not in the encoding.
        lines: Lines of the head.
        example: Bytes that are not in the encoding.
    """

    dialect: Dialect
    names: list[str]
    rows: list[dict[str, Any]]
    foreign: int
    lines: int
    example: str


def head_of(table: Table, format_: str, file: Path, wanted: Sequence[Column]) -> Head:
    """Read a file's head and tell from it how the file is written.

    Raises:
        InputError: The file is damaged, or no text table at all.
    """
    compression, encoding, separator, content = _beginning(table, file)
    lines, foreign = _lines(content, encoding, separator)
    dialect = Dialect(str(file), format_, compression, encoding, separator)
    example = _odd_bytes(content, encoding) if foreign else ""
    if format_ == "jsonl":
        rows = _objects(table, file, [line for line in lines if line.strip()], whole=len(content) < HEAD_BYTES)
        return Head(dialect, names_in(rows), rows, len(foreign), len(lines), example)
    dialect = delimited(table, dialect, [line for line in lines if line], wanted)
    return Head(dialect, list(dialect.names), _rows(dialect, lines), len(foreign), len(lines), example)


def first_lines(table: Table, file: Path) -> list[str]:
    """Return the first lines of a text file.

    Raises:
        InputError: The file is damaged, or no text.
    """
    _, encoding, separator, content = _beginning(table, file)
    return _lines(content, encoding, separator)[0]


def _beginning(table: Table, file: Path) -> tuple[str, str, str, bytes]:
    """Return compression, encoding, line end and first bytes of a text file."""
    compression = compression_of(table, file)
    content = _content(table, file, compression)
    encoding = encoding_of(table, file, content)
    return compression, encoding, "\r" if b"\r" in content and b"\n" not in content else "\n", content


def _content(table: Table, file: Path, compression: str) -> bytes:
    with readable_text(str(file), compression), opened(file, compression) as stream:
        content = more = stream.read(HEAD_BYTES)
        # A longer first line tells nothing before its end.
        while more and len(content) >= HEAD_BYTES and not _ENDS.search(content) and len(content) < LONGEST_LINE:
            more = stream.read(len(content))
            content += more
    kind = other_kind(content)
    if kind is not None:
        raise InputError(
            f"{file}: is {kind}, no table of text.",
            remedy=table.remedy("format: parquet")
            if kind == "Parquet"
            else f"write the {table.name} as Parquet, CSV or JSONL, and set its format",
        )
    return content


def _lines(content: bytes, encoding: str, separator: str) -> tuple[list[str], list[int]]:
    """Return the whole lines of a head, and the numbers of those that are not in its encoding."""
    if wide(encoding):
        lines = content.decode(encoding, "replace").removeprefix("\ufeff").split(separator)
        found = [(line, "\ufffd" in line) for line in lines]
    else:
        mark = b"\xef\xbb\xbf" if encoding == "utf-8-sig" else b""
        found = [_line(piece, encoding) for piece in content.removeprefix(mark).split(separator.encode())]
    if len(content) >= HEAD_BYTES and len(found) > 1:
        # The last line may go on behind the head.
        found.pop()
    found = found[:_MOST_LINES]
    return [line.removesuffix("\r") for line, _ in found], [number for number, (_, odd) in enumerate(found) if odd]


def _line(piece: bytes, encoding: str) -> tuple[str, bool]:
    try:
        return piece.decode(encoding), False
    except UnicodeDecodeError:
        return piece.decode(encoding, "replace"), True


def _odd_bytes(content: bytes, encoding: str) -> str:
    """Return the first bytes that are not in an encoding, and nothing of the text around them."""
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        return content[error.start : error.end].hex(" ")
    return "those of U+FFFD"


def refuse_foreign(table: Table, heads: Sequence[Head]) -> None:
    """Refuse text that is in another encoding, rather than reject half of its rows one by one.

    Raises:
        InputError: Too many lines are not in the encoding.
    """
    foreign = sum(head.foreign for head in heads)
    if foreign >= _FOREIGN_LINES and foreign > _FOREIGN_SHARE * sum(head.lines for head in heads):
        head = next(head for head in heads if head.foreign)
        raise InputError(
            f"{head.dialect.path}: is not {head.dialect.encoding}: {foreign} lines of its head have bytes such as "
            f"{head.example}.",
            cause="another encoding, such as latin-1, cp1252 or shift_jis",
            remedy=table.remedy("encoding: latin-1, or what the file is written in"),
        )


def _objects(table: Table, file: Path, lines: list[str], *, whole: bool) -> list[dict[str, Any]]:
    """Return the rows of a head of JSONL.

    Raises:
        InputError: The file has JSON in another layout, or none.
    """
    rows = [row for row in map(json_lines.parsed, lines) if row is not None]
    if not lines:
        return []
    _refuse_other_json(file, lines, rows)
    if not rows and not (whole and len(lines) == 1 and lines[0].startswith("{")):
        if all(_is_json(line) for line in lines):
            return []
        raise InputError(
            f"{file}: is not JSON Lines: no line of its head is a JSON object; the first is {lines[0][:60]!r}.",
            cause="another format, or JSON over several lines",
            remedy=table.remedy("format, or write one JSON object on each line"),
        )
    return rows


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse_other_json(file: Path, lines: list[str], rows: list[dict[str, Any]]) -> None:
    first = lines[0].strip()
    what = ""
    if first.startswith("[") and (not rows or first.startswith("[{")):
        what, command = "one JSON array", "jq -c '.[]'"
    elif rows and isinstance(rows[0].get("hits"), dict) and "hits" in rows[0]["hits"]:
        what, command = "a response of Elasticsearch or OpenSearch", "jq -c '.hits.hits[]'"
    elif rows and len(rows[0]) == 1 and next(iter(rows[0])) in ("index", "create", "update") and len(lines) > 1:
        if isinstance(next(iter(rows[0].values())), dict) and json_lines.parsed(lines[0]) is not None:
            what, command = "a bulk request of Elasticsearch or OpenSearch", "awk 'NR % 2 == 0'"
    elif not rows and first.startswith("{") and first.endswith(("{", "[", ",")):
        what, command = "JSON over several lines", "jq -c ."
    if what:
        raise InputError(
            f"{file}: is {what}, must be JSON Lines: one object on each line.",
            remedy=f"write it so, for instance with: {command} {file.name} > {file.stem}.ndjson",
        )


def _rows(dialect: Dialect, lines: Sequence[str]) -> list[dict[str, Any]]:
    records = [record for portion in Records(dialect, iter([(list(lines), {})])) for record in portion]
    return [dict(zip(dialect.names, record.fields, strict=True)) for record in records if record.fields is not None]
