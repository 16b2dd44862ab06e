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
    """Whether a line's end is more than one byte."""
    return encoding.lower().replace("_", "-").startswith(("utf-16", "utf16", "utf-32", "utf32", "u16", "u32"))


def splittable(dialect: Dialect) -> bool:
    """Whether the lines of a file can be read from anywhere in it."""
    return (
        dialect.format == "jsonl"
        and dialect.compression == "none"
        and not wide(dialect.encoding)
        and dialect.separator == "\n"
    )


def blocks(dialect: Dialect, start: int = 0, end: int | None = None) -> Iterator[Block]:
    """The lines of a file that begin within a range of its bytes.

    Args:
        dialect: How the file is written.
        start: First byte; beyond 0 only of files that are `splittable`.
        end: Behind the last byte; None: all.

    Raises:
        OSError: The file cannot be read; what else a decompressor raises on damaged bytes is in `heads.DAMAGE`.
    """
    with opened(dialect.path, dialect.compression) as stream:
        if wide(dialect.encoding):
            yield from _wide_blocks(stream, dialect)
            return
        if start:
            # The line that begins before the range belongs to the range before.
            stream.seek(start - 1)
        separator = dialect.separator.encode()
        byte_blocks = _byte_blocks(stream, separator, start, end)
        encoding = "utf-8" if dialect.encoding == "utf-8-sig" else dialect.encoding
        first = start == 0
        for content, cut in byte_blocks:
            if first:
                content = content.removeprefix(b"\xef\xbb\xbf") if encoding.lower() in ("utf-8", "utf8") else content
                first = False
            yield _decoded(content, separator, encoding, cut)


def _byte_blocks(stream: IO[bytes], separator: bytes, start: int, end: int | None) -> Iterator[tuple[bytes, bool]]:
    """Whole lines in blocks, the last end taken off; and whether the block is a line that was cut."""
    position = start - 1 if start else 0
    # Before a range begins, everything to the first line's end is another's.
    rest, skipping = b"", start > 0
    cutting = False
    while True:
        chunk = stream.read(BLOCK_BYTES)
        if not chunk:
            if rest and not skipping and not cutting:
                yield rest, False
            return
        if skipping or cutting:
            found = chunk.find(separator)
            if found < 0:
                position += len(chunk)
                continue
            position += found + 1
            chunk, skipping, cutting = chunk[found + 1 :], False, False
            if end is not None and position >= end:
                return
            rest = b""
        # `position` is that of the first byte of `content`.
        content = rest + chunk
        last = content.rfind(separator)
        if end is not None and position + len(content) >= end:
            last_begin = content.find(separator, max(0, end - position - 1))
            if last_begin >= 0:
                yield content[:last_begin], False
                return
        if last < 0:
            rest = content
            if len(rest) > LONGEST_LINE:
                yield rest[:_CUT], True
                position += len(rest)
                rest, cutting = b"", True
            continue
        yield content[:last], False
        position += last + 1
        rest = content[last + 1 :]


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
    """Lines of UTF-16 and UTF-32."""
    text = io.TextIOWrapper(stream, dialect.encoding, errors="replace", newline=dialect.separator)
    first = True
    while lines := text.readlines(BLOCK_BYTES):
        if first:
            lines[0] = lines[0].removeprefix("\ufeff")
            first = False
        lines = [line.removesuffix(dialect.separator).removesuffix("\r") for line in lines]
        yield lines, {number: "undecodable" for number, line in enumerate(lines) if "\ufffd" in line}
