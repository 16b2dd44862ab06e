"""A table that Spark's own readers read: of a catalog, a query, an address, or files of another format.

The names under `columns` are columns or SQL expressions here. Of an event table, only the partitions of the window are
read (`source.partition`, or the bounds in `source.sql`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql.pandas.types import to_arrow_type

from synalign.config import resolve
from synalign.config.location import is_address
from synalign.errors import InputError
from synalign.querylog import times, values
from synalign.querylog.columns import Column, require
from synalign.querylog.files import Table
from synalign.querylog.parquet_frame import quoted, row_as_json
from synalign.run import Interval
from synalign.spark import table_errors
from synalign.spark.tables import url

MARGIN = timedelta(days=1)
"""How much longer than the window the range of partitions is: a log's days may be those of another time zone, and a
late event may be in the next day's partition."""

_BOUND = re.compile(r"'\{(start|end)\}'|\{(start|end)(:[^{}]*)?\}")
_NO_VALUES = (T.StructType, T.ArrayType, T.MapType, T.BinaryType, T.BooleanType, getattr(T, "VariantType", T.MapType))
"""Types that hold no text, time or number; Spark 3.5 has no variant."""

_SAMPLED = 1_000
_SPARK_FORMATS = {"jsonl": "json"}
_DEFAULTS = {"csv": {"header": "true", "escape": '"'}}


class SparkTable:
    """A table that Spark reads, as far as the window reaches.

    Attributes:
        table: What is read.
        frame: Its rows, of the window's partitions.
        wanted: The columns.
        times: The format of its times, where they are text or numbers.
    """

    def __init__(self, table: Table, frame: DataFrame, wanted: Sequence[Column], guess: times.Guess) -> None:
        self.table = table
        self.frame = frame
        self.wanted = tuple(wanted)
        self.times = guess

    @cached_property
    def names(self) -> list[str]:
        """All columns."""
        return list(self.frame.columns)

    def only(self, setting: str) -> SparkTable:
        """Return the table of which one column is wanted."""
        return SparkTable(
            self.table, self.frame, [column for column in self.wanted if column.setting == setting], self.times
        )

    @property
    def said(self) -> str:
        """Describe the table in one line."""
        files = self.table.files
        kind = "" if files.table or files.sql else f" ({files.format})"
        partition = getattr(files, "partition", None)
        parts = [f"{files.location}{kind}", f"partitions by {partition}" if partition else ""]
        parts.append(f"times are {self.times.said}" if self.times.said else "")
        return f"{self.table.name}: {', '.join(filter(None, parts))}"


def open_spark_table(
    spark: SparkSession, table: Table, wanted: Sequence[Column], time_format: str = "auto",
    window: Interval | None = None,
) -> SparkTable:  # fmt: skip
    """Ask Spark for a table and its columns.

    Args:
        spark: The session.
        table: What is to be read.
        wanted: The columns.
        time_format: Of times that are text or numbers; `auto`: told from some of them.
        window: The days of log that are used; None: all.

    Raises:
        InputError: There is no such table, it lacks a column, or the format of its times cannot be told.
        SetupError: Spark lacks a reader for it.
    """
    frame = rows_of(spark, table, window)
    present = [column for column in wanted if resolves(frame, column.name)]
    lacking = [column for column in wanted if column not in present]
    require(table, [column for column in lacking if column.required], frame.columns, table.files.location, {})
    guess = times.Guess((times.ISO if time_format == "auto" else time_format,))
    time = next((column for column in present if column.kind == "time"), None)
    if time is not None and time_format == "auto" and isinstance(_type(frame, time), T.StringType | T.NumericType):
        with understood(table):
            sample = frame.select(expression(frame, time.name).cast("string")).limit(_SAMPLED).collect()
        texts = [row[0] for row in sample if row[0] is not None]
        guess = times.guess([times.Samples(table.files.location, time.name, texts)], f"{table.section}.time_format")
    return SparkTable(table, frame, present, guess)


def rows_of(spark: SparkSession, table: Table, window: Interval | None) -> DataFrame:
    """Return the rows of a table, those of the window's partitions where its partitions are known.

    Raises:
        InputError: There is no such table, or the query is no SQL.
        SetupError: Spark lacks a reader for it.
    """
    files = table.files
    with understood(table):
        if files.sql:
            frame = spark.sql(bounded(files.sql, window))
        elif files.table:
            frame = spark.table(files.table)
        else:
            frame = reader(spark, table).load(**path_of(table))
        partition = getattr(files, "partition", None)
        if partition and window is not None:
            frame = frame.where(partitions(frame, table, partition, window))
        # Spark Connect finds mistakes when it is asked, not before.
        twice = [name for name in dict.fromkeys(frame.columns) if frame.columns.count(name) > 1]
    if twice:
        raise InputError(
            f"{files.location}: the column {twice[0]!r} is there {frame.columns.count(twice[0])} times.",
            remedy="give every column a name of its own",
        )
    return frame


def reader(spark: SparkSession, table: Table) -> Any:
    """Return Spark's reader of a table's format, with its options.

    Raises:
        InputError: An option's environment variable is not set.
    """
    format_ = table.files.format
    try:
        options = {**_DEFAULTS.get(format_, {}), **table.files.reader_options()}
    except KeyError as error:
        raise InputError(
            f"{table.section}.secret_options names the environment variable {error.args[0]}, which is not set.",
            remedy="set it where Spark's driver runs",
        ) from error
    return spark.read.format(_SPARK_FORMATS.get(format_, format_)).options(**options)


def path_of(table: Table) -> dict[str, str]:
    """Return the argument of Spark's reader that says where files are."""
    path = table.files.path
    if path is None:
        return {}
    return {"path": path if is_address(path) else url(resolve(path))}


def partitions(frame: DataFrame, table: Table, partition: str, window: Interval) -> SparkColumn:
    """Return whether a row's partition may have events of the window.

    Partitions whose value is no day are read too: nothing is lost by a wrong expression, it only reads more.

    Raises:
        InputError: The expression gives a number.
    """
    kind = frame.select(expression(frame, partition)).schema.fields[0].dataType
    if not isinstance(kind, T.StringType | T.DateType | T.TimestampType | T.TimestampNTZType):
        raise InputError(
            f"{table.section}.partition == {partition!r} is of type {kind.simpleString()}, must be a day, a time or "
            "text such as 2026-01-31.",
            remedy=f"turn it into a day, for example to_date(cast({partition} as string), 'yyyyMMdd')",
        )
    day = expression(frame, partition).cast("timestamp")
    first, last = window.start - MARGIN, window.end + MARGIN
    return day.isNull() | ((day >= F.lit(first)) & (day < F.lit(last)))


def bounded(sql: str, window: Interval | None) -> str:
    """Return a query with the bounds of the window in place of `{start}` and `{end}`.

    A bound is a timestamp, which Spark compares with days, times and text alike; with a format, as in
    `{start:%Y%m%d}`, it is what `strftime` makes of it.

    Examples:
        >>> day = Interval(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
        >>> bounded("dt >= '{start}' AND n < {end:%Y%m%d}", day)
        "dt >= TIMESTAMP '2026-01-01 00:00:00 UTC' AND n < 20260102"
    """
    bounds = {
        "start": window.start if window else datetime(1, 1, 1, tzinfo=UTC),
        "end": window.end if window else datetime(9999, 12, 31, tzinfo=UTC),
    }

    def bound(match: re.Match[str]) -> str:
        moment = bounds[match[1] or match[2]].astimezone(UTC)
        if match[3]:
            return moment.strftime(match[3][1:])
        return f"TIMESTAMP '{moment.replace(tzinfo=None).isoformat(' ', 'seconds')} UTC'"

    return _BOUND.sub(bound, sql)


def read_spark_table(opened: SparkTable, *, rows: bool = True) -> DataFrame:
    """Return the rows of a table; see `synalign.querylog.reading.read`.

    Raises:
        InputError: A column has a type that cannot be read.
    """
    frame, section = opened.frame, opened.table.section
    columns, flaws = [], []
    # All types at once: over Spark Connect each question is a request.
    fields = frame.select(*(expression(frame, column.name) for column in opened.wanted)).schema.fields
    for column, kind in zip(opened.wanted, (field.dataType for field in fields), strict=True):
        listed = column.kind == "list" and isinstance(kind, T.ArrayType) and isinstance(kind.elementType, T.AtomicType)
        if isinstance(kind, _NO_VALUES) and not listed:
            raise values.not_readable(opened.table.files.location, column, kind.simpleString(), section)
        arrow = to_arrow_type(T.StringType() if isinstance(kind, T.NullType) else kind, timezone="UTC")
        value, flaw = values.of(expression(frame, column.name), arrow, column, opened.times.formats)
        columns.append(value.alias(column.setting))
        flaws += [] if flaw is None else [flaw]
    columns.append(F.coalesce(*flaws, F.lit(None).cast("string")).alias("flaw"))
    return frame.select(*columns, *([row_as_json(frame.columns).alias("row")] if rows else []))


def expression(frame: DataFrame, name: str) -> SparkColumn:
    """Return a column, or what an SQL expression gives."""
    return F.col(quoted(name)) if name in frame.columns else F.expr(name)


def _type(frame: DataFrame, column: Column) -> T.DataType:
    return frame.select(expression(frame, column.name)).schema.fields[0].dataType


def resolves(frame: DataFrame, name: str) -> bool:
    """Tell whether Spark knows a column, or all columns of an expression."""
    if name.isidentifier():
        return name.lower() in (column.lower() for column in frame.columns)
    try:
        return len(frame.select(expression(frame, name)).schema) == 1
    except PySparkException as error:
        if any(sign in str(error) for sign in ("UNRESOLVED_COLUMN", "FIELD_NOT_FOUND", "PARSE_SYNTAX_ERROR")):
            return False
        raise


def understood(table: Table) -> AbstractContextManager[None]:
    """Turn what Spark says of a table while the block runs into an error of ours; see `table_errors.understood`."""
    files = table.files
    setting = "sql" if files.sql else "table" if files.table else "path" if files.path else "options"
    return table_errors.understood(
        f"{table.name} ({files.location})", f"{table.section}.{setting}", f"{files.format} {files.path or ''}"
    )
