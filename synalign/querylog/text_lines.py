"""Lines of text files in blocks, of a whole file or of a range of its bytes, whatever bytes it holds."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO

from synalign.querylog.dialect import Dialect
from synalign.querylog.files import opened

BLOCK_BYTES = 2**20
LONGEST_LINE = 16 * 2**20
"""Bytes; a longer line is cut, and is no row."""

_CUT = 1000

Block = tuple[list[str], dict[int, str]]
"""Lines without their ends; and by position the rule that a line breaks: not in the encoding, or too long."""


def wide(encoding: str) -> bool:
    """Tell whether a line's end is more than one byte."""
    return encoding.lower().replace("_", "-").startswith(("utf-16", "utf16", "utf-32", "utf32", "u16", "u32"))


def splittable(dialect: Dialect) -> bool:
    """Tell whether the lines of a file can be read from anywhere in it."""
    return (
        dialect.format == "jsonl"
        and dialect.compression == "none"
        and not wide(dialect.encoding)
        and dialect.separator == "\n"
    )


def blocks(dialect: Dialect, start: int = 0, end: int | None = None) -> Iterator[Block]:
    """Yield the lines of a file that begin within a range of its bytes.

    Args:
        dialect: How the file is written.
        start: First byte; beyond 0 only of files that are `splittable`.
        end: Behind the last byte; None: all.

    Raises:
        OSError: The file cannot be read; `unreadable.readable_text` has what else decompressors raise on damaged bytes.
    """
    with opened(dialect.path, dialect.compression) as stream:
        if wide(dialect.encoding):
            yield from _wide_blocks(stream, dialect)
            return
        if start:
            # The line that begins before the range belongs to the range before.
            stream.seek(start - 1)
        separator = dialect.separator.encode()
        encoding = "utf-8" if dialect.encoding == "utf-8-sig" else dialect.encoding
        mark = b"\xef\xbb\xbf" if start == 0 and encoding.lower() in ("utf-8", "utf8") else b""
        for content, cut in _byte_blocks(stream, separator, start, end):
            yield _decoded(content.removeprefix(mark), separator, encoding, cut)
            mark = b""


def _byte_blocks(stream: IO[bytes], separator: bytes, start: int, end: int | None) -> Iterator[tuple[bytes, bool]]:
    """Yield whole lines in blocks, the last end taken off; and whether the block is a line that was cut."""
    # `position` is that of the first byte of `content`. What is skipped goes to the next line's end: the line that
    # begins before the range, or the rest of a line that was cut.
    position, rest, skipping = start - 1 if start else 0, b"", start > 0
    while chunk := stream.read(BLOCK_BYTES):
        if skipping:
            found = chunk.find(separator)
            position += len(chunk) if found < 0 else found + 1
            if found < 0:
                continue
            if end is not None and position >= end:
                return
            chunk, skipping = chunk[found + 1 :], False
        content = rest + chunk
        if end is not None and position + len(content) >= end:
            last = content.find(separator, max(0, end - position - 1))
            if last >= 0:
                yield content[:last], False
                return
        last = content.rfind(separator)
        if last >= 0:
            yield content[:last], False
            position, rest = position + last + 1, content[last + 1 :]
        elif len(content) > LONGEST_LINE:
            yield content[:_CUT], True
            position, rest, skipping = position + len(content), b"", True
        else:
            rest = content
    if rest:
        yield rest, False


def _decoded(content: bytes, separator: bytes, encoding: str, cut: bool) -> Block:
    if cut:
        return [content.decode(encoding, "replace")], {0: "malformed_row"}
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return _decoded_one_by_one(content.split(separator), encoding)
    lines = text.split(separator.decode())
    if "\r" in text:
        lines = [line.removesuffix("\r") for line in lines]
    return lines, {}


def _decoded_one_by_one(pieces: list[bytes], encoding: str) -> Block:
    lines, flaws = [], {}
    for number, piece in enumerate(pieces):
        try:
            line = piece.decode(encoding)
        except UnicodeDecodeError:
            line = piece.decode(encoding, "replace")
            flaws[number] = "undecodable"
        lines.append(line.removesuffix("\r"))
    return lines, flaws


def _wide_blocks(stream: IO[bytes], dialect: Dialect) -> Iterator[Block]:
    """Yield the lines of UTF-16 and UTF-32."""
    text = io.TextIOWrapper(stream, dialect.encoding, errors="replace", newline=dialect.separator)
    mark = "\ufeff"
    while lines := text.readlines(BLOCK_BYTES):
        lines[0], mark = lines[0].removeprefix(mark), ""
        lines = [line.removesuffix(dialect.separator).removesuffix("\r") for line in lines]
        yield lines, {number: "undecodable" for number, line in enumerate(lines) if "\ufffd" in line}
