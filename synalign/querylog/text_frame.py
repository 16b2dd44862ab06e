"""Text files as a frame: tasks of Spark read them in Python, where every line can be accounted for."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from json.encoder import encode_basestring
from typing import NamedTuple

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from synalign.querylog import json_lines
from synalign.querylog.delimited import Looks, Record, Records, line_row
from synalign.querylog.dialect import Dialect
from synalign.querylog.text_lines import Block, blocks, splittable
from synalign.querylog.unreadable import readable_text

TASK_BYTES = 32 * 2**20
"""Bytes that one task reads, about: part of a large file, or several small ones."""

Rows = tuple[list[list[str | None]], list[str | None], list[str]]
"""Columns, each as long as the others; of each row the rule that it breaks, and the row itself as JSON."""


class Part(NamedTuple):
    """What a task reads of a file.

    Attributes:
        dialect: How the file is written.
        start: First byte.
        end: Behind the last byte; None: all.
        looks: Of CSV: see `delimited.Records`.
        partitions: Of columns that the file lacks: their values from the names of its folders.
    """

    dialect: Dialect
    start: int
    end: int | None
    looks: Looks | None
    partitions: tuple[tuple[str, str | None], ...]


def frame(
    spark: SparkSession,
    parts: Sequence[Part],
    names: Sequence[str],
    texts: Sequence[bool],
    *,
    rows: bool,
    lists: Collection[str] = (),
) -> DataFrame:
    """Return a frame with the columns `c0`, `c1`, ... for the names, `flaw`, and `row` if it is asked for.

    Args:
        spark: The session.
        parts: What to read.
        names: Columns of the files.
        texts: Of each, whether it must be text.
        rows: Whether the rows themselves are wanted, as JSON.
        lists: Columns that are lists of text; they are read as JSON.
    """
    work = _tasks(parts)
    columns = [f"c{place}" for place in range(len(names))] + ["flaw"] + (["row"] if rows else [])
    schema = ", ".join(f"{name} string" for name in columns)
    read = _reader(work, list(names), list(texts), columns, rows, frozenset(lists))
    return spark.range(0, len(work), 1, max(1, len(work))).mapInArrow(read, schema)


def parts_of(part: Part) -> list[Part]:
    """Cut a file into parts that tasks can read apart."""
    size = os.path.getsize(part.dialect.path)
    if not splittable(part.dialect) or size <= TASK_BYTES:
        return [part]
    starts = range(0, size, TASK_BYTES)
    return [part._replace(start=start, end=min(size, start + TASK_BYTES)) for start in starts]


def _tasks(parts: Sequence[Part]) -> list[list[Part]]:
    """Share parts among tasks: small files together."""
    tasks: list[list[Part]] = []
    filled = 0
    for part in (one for whole in parts for one in parts_of(whole)):
        size = (part.end or os.path.getsize(part.dialect.path)) - part.start
        if not tasks or filled + size > TASK_BYTES:
            tasks.append([])
            filled = 0
        tasks[-1].append(part)
        # A file costs something to open, however small it is.
        filled += size + TASK_BYTES // 64
    return tasks


def _reader(
    work: list[list[Part]], names: list[str], texts: list[bool], columns: list[str], rows: bool, lists: frozenset[str]
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return the function that runs in the tasks: numbers of tasks in, rows out."""

    def read(numbers: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in numbers:
            for number in batch.column(0).to_pylist():
                for part in work[number]:
                    for values, flaws, lines in portions(part, names, texts, rows=rows, lists=lists):
                        arrays = [pa.array(column, pa.string()) for column in [*values, flaws]]
                        arrays += [pa.array(lines, pa.string())] if rows else []
                        yield pa.RecordBatch.from_arrays(arrays, columns)

    return read


def portions(
    part: Part, names: Sequence[str], texts: Sequence[bool], *, rows: bool, lists: Collection[str] = ()
) -> Iterator[Rows]:
    """Yield the rows of a part of a file, a portion at a time.

    Raises:
        InputError: The file is damaged.
    """
    with readable_text(part.dialect.path, part.dialect.compression):
        lines = blocks(part.dialect, part.start, part.end)
        if part.dialect.format == "jsonl":
            yield from _json_rows(part, lines, json_lines.reader(names, texts, lists), names, rows=rows)
        else:
            yield from _csv_rows(part, lines, names, rows=rows)


def _json_rows(
    part: Part,
    lines: Iterator[Block],
    read: Callable[[str], tuple[list[str | None], str | None]],
    names: Sequence[str],
    *,
    rows: bool,
) -> Iterator[Rows]:
    partitions = dict(part.partitions)
    fixed = [(place, partitions[name]) for place, name in enumerate(names) if name in partitions]
    for block, undecodable in lines:
        read_rows: list[list[str | None]] = []
        flaws: list[str | None] = []
        kept: list[str] = []
        for number, line in enumerate(block):
            if not line or line.isspace():
                continue
            values, flaw = read(line)
            if undecodable and number in undecodable:
                flaw = flaw or undecodable[number]
            for place, value in fixed:
                values[place] = value if flaw != "malformed_row" else None
            read_rows.append(values)
            flaws.append(flaw)
            if rows:
                kept.append(line if flaw != "malformed_row" else line_row({"line": line}))
        if read_rows:
            yield [list(column) for column in zip(*read_rows, strict=True)], flaws, kept


def _csv_rows(part: Part, lines: Iterator[Block], names: Sequence[str], *, rows: bool) -> Iterator[Rows]:
    dialect, partitions = part.dialect, dict(part.partitions)
    places = [dialect.names.index(name) if name in dialect.names else None for name in names]
    values_of = [partitions.get(name) for name in names]
    write = _row_writer(dialect)
    for records in Records(dialect, lines, part.looks):
        if not records:
            continue
        columns = [
            [value if record.fields is not None else None for record in records]
            if place is None
            else [(record.fields[place] or None) if record.fields is not None else None for record in records]
            for place, value in zip(places, values_of, strict=True)
        ]
        flaws = [record.flaw for record in records]
        yield columns, flaws, [write(record) for record in records] if rows else []


def _row_writer(dialect: Dialect) -> Callable[[Record], str]:
    """Return a function that writes a record as JSON, fast enough for every row of a log."""
    keys = [f"{encode_basestring(name)}:" for name in dialect.names]
    file = os.path.basename(dialect.path)

    def write(record: Record) -> str:
        if record.fields is None:
            return line_row({"line": record.text, "file": file, "number": record.number})
        values = (encode_basestring(field) if field else "null" for field in record.fields)
        return "{" + ",".join(key + value for key, value in zip(keys, values, strict=True)) + "}"

    return write
