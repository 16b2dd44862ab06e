"""A table of the configuration, opened: its files, what their heads and footers say, and its rows as a frame."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from synalign.config.location import DELIMITERS
from synalign.errors import InputError, listed
from synalign.querylog import json_lines, parquet_frame, text_frame, times, values
from synalign.querylog.columns import Column, nested, require
from synalign.querylog.delimited import looks_of
from synalign.querylog.files import Table, files_of, partitions_of
from synalign.querylog.heads import HEAD_BYTES, Head, head_of, refuse_foreign
from synalign.querylog.parquet_frame import Footer, footers_of
from synalign.querylog.spark_table import SparkTable, read_spark_table

_DELIMITER_NAMES = {character: name for name, character in DELIMITERS.items()}


class Opened(NamedTuple):
    """A table whose files were looked into, none of them read further than its head.

    Attributes:
        table: What is read.
        format: `parquet`, `csv` or `jsonl`.
        files: Its files.
        left_out: Names of files of its folder that are not read.
        wanted: The columns.
        heads: Of text files: their beginnings.
        footers: Of Parquet files: their schemas.
        times: The format of its times.
    """

    table: Table
    format: str
    files: tuple[Path, ...]
    left_out: tuple[str, ...]
    wanted: tuple[Column, ...]
    heads: tuple[Head, ...]
    footers: tuple[Footer, ...]
    times: times.Guess

    @property
    def names(self) -> list[str]:
        """All columns: those of the files, and those of the folders' names."""
        found: dict[str, None] = {}
        for head in self.heads:
            found.update(dict.fromkeys([*head.names, *self.partitions(head)]))
        for footer in self.footers:
            found.update(dict.fromkeys([*footer.schema.names, *footer.partitions]))
        return list(found)

    def partitions(self, head: Head) -> dict[str, str | None]:
        """Return the columns that the folders of a text file name, with their values."""
        return partitions_of(head.dialect.path, self.table.root)

    def only(self, setting: str) -> Opened:
        """Return the table of which one column is wanted."""
        return self._replace(wanted=tuple(column for column in self.wanted if column.setting == setting))

    @property
    def said(self) -> str:
        """Say what the files tell, in one line for people."""
        parts = [f"{len(self.files)} {'file' if len(self.files) == 1 else 'files'}", self.format]
        dialects = [head.dialect for head in self.heads]
        if self.format == "csv":
            parts.append(
                _either(f"{_DELIMITER_NAMES.get(one.delimiter, repr(one.delimiter))}-separated" for one in dialects)
            )
            if any(not one.quote for one in dialects):
                parts.append("quotes are text")
        if dialects:
            parts.append(_either(one.encoding.replace("utf-8-sig", "utf-8") for one in dialects))
            parts.append(_either(one.compression for one in dialects if one.compression != "none"))
        if self.times.said:
            parts.append(f"times are {self.times.said}")
        if self.left_out:
            parts.append(f"left out: {listed(self.left_out)}")
        return f"{self.table.name}: {', '.join(filter(None, parts))}"


def _either(found: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(found))


def open_table(table: Table, wanted: Sequence[Column], time_format: str = "auto") -> Opened:
    """Read heads and footers of the files of a table.

    Args:
        table: What is to be read.
        wanted: The columns.
        time_format: Of its times; `auto`: told from their beginnings.

    Raises:
        InputError: There is no file, one is damaged or has another layout, or a column is missing.
    """
    format_, files, left_out = files_of(table)
    known = times.Guess((times.ISO if time_format == "auto" else time_format,))
    footers = footers_of(files, table.root) if format_ == "parquet" else ()
    heads = tuple(head_of(table, format_, file, wanted) for file in files) if format_ != "parquet" else ()
    refuse_foreign(table, heads)
    opened = Opened(table, format_, tuple(files), tuple(left_out), tuple(wanted), heads, footers, known)
    _require_columns(opened)
    column = next((one for one in wanted if one.kind == "time"), None)
    if column is None or time_format != "auto":
        return opened
    return opened._replace(times=times.guess(_samples(opened, column), f"{table.section or 'source'}.time_format"))


def _require_columns(opened: Opened) -> None:
    """Refuse files that lack columns: of CSV and Parquet each, of JSONL all, as its lines may differ."""
    table = opened.table
    for footer in opened.footers:
        nested_names = parquet_frame.nested_names(footer, opened.wanted)
        _require(opened, [*footer.schema.names, *nested_names], footer.path, footer.partitions)
    if opened.format == "csv":
        for head in opened.heads:
            if head.names:
                _require(opened, head.names, Path(head.dialect.path), opened.partitions(head))
    elif opened.heads and any(head.rows for head in opened.heads):
        missing = [column for column in opened.wanted if column.required and not _appears(opened, column)]
        # Searches without a click have no document: it may first come behind the heads.
        late = [column for column in missing if column.setting == "document_id" and table.name == "query log"]
        if missing and not (missing == late and any(file.stat().st_size > HEAD_BYTES for file in opened.files)):
            require(table, opened.wanted, opened.names, opened.files[0] if len(opened.files) == 1 else table.root, {})


def _require(opened: Opened, names: list[str], file: Path, partitions: dict[str, str | None]) -> None:
    try:
        require(opened.table, opened.wanted, names, file, partitions)
    except InputError as error:
        other = next((one for one in opened.files if one != file and _complete(opened, one)), None)
        if other is None:
            raise
        raise InputError(
            f"{error.message} Others, such as {other}, have them.",
            cause="files of two layouts in one folder",
            remedy="give every file the same names, or let source.path be the folder of one layout",
        ) from error


def _complete(opened: Opened, file: Path) -> bool:
    required = {column.name for column in opened.wanted if column.required}
    return any(required <= {*head.names} for head in opened.heads if head.dialect.path == str(file)) or any(
        required <= {*footer.schema.names, *footer.partitions} for footer in opened.footers if footer.path == file
    )


def _appears(opened: Opened, column: Column) -> bool:
    return any(
        column.name in head.names
        or column.name in opened.partitions(head)
        or any(nested(row, column.name) is not None for row in head.rows)
        for head in opened.heads
    )


def _samples(opened: Opened, column: Column) -> list[times.Samples]:
    found = [
        times.Samples(str(file), column.name, sample)
        for file, sample in parquet_frame.samples(opened.footers, column.name)
    ]
    for head in opened.heads:
        of_folder = opened.partitions(head).get(column.name)
        if opened.format == "jsonl":
            sample = [json_lines.text_of(nested(row, column.name)) for row in head.rows]
            sample = [of_folder if value is None else value for value in sample]
        else:
            sample = [row.get(column.name, of_folder) for row in head.rows]
        texts = [value for value in sample if isinstance(value, str)]
        found.append(times.Samples(head.dialect.path, column.name, texts))
    return found


def read(spark: SparkSession, opened: Opened | SparkTable, *, rows: bool = True) -> DataFrame:
    """Return the rows of a table: a column for each wanted one, named as its setting, `flaw`, and `row` if asked for.

    Texts are valid UTF-8 or null, times timestamps or null, counts longs, numbers doubles, lists arrays of text, or
    null. `flaw` is the name of the rule that a row breaks by itself, or null. Nothing is read until Spark needs it.

    Args:
        spark: The session.
        opened: The table.
        rows: Whether the rows themselves are wanted, as JSON.

    Raises:
        InputError: A column of Parquet files has a type that cannot be read.
    """
    if isinstance(opened, SparkTable):
        return read_spark_table(opened, rows=rows)
    formats = opened.times.formats
    if opened.format == "parquet":
        return parquet_frame.frame(spark, opened.table, opened.footers, opened.wanted, formats, rows=rows)
    key = _telling(opened.wanted)
    parts = []
    for head in opened.heads:
        fills = {name: value for name, value in opened.partitions(head).items() if name not in head.names}
        looks = (
            looks_of(head.dialect, head.rows, key.name, certain=key.kind == "time") if opened.format == "csv" else None
        )
        parts.append(text_frame.Part(head.dialect, 0, None, looks, tuple(fills.items())))
    names, texts = [one.name for one in opened.wanted], [one.kind == "text" for one in opened.wanted]
    lists = [one.name for one in opened.wanted if one.kind == "list"]
    frame = text_frame.frame(spark, parts, names, texts, rows=rows, lists=lists)
    columns: list[Any] = [F.col("flaw")] + ([F.col("row")] if rows else [])
    for place, column in enumerate(opened.wanted):
        value = F.col(f"c{place}")
        if column.kind != "text":
            value, _ = values.of(value, pa.string(), column, formats)
        columns.append(value.alias(column.setting))
    return frame.select(*columns)


def _telling(wanted: Sequence[Column]) -> Column:
    """Return the column whose values look alike: the time, or else the id."""
    order = ("label", "document_id", "event_time")
    return max(wanted, key=lambda column: order.index(column.setting) if column.setting in order else -1)
