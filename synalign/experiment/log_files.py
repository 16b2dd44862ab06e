"""Logs of an experiment as Spark frames: columns that count, of the kind they must have, without missing values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, NumericType, StringType, TimestampNTZType, TimestampType

from synalign.config.location import TableFiles
from synalign.errors import InputError
from synalign.querylog import unreadable, values
from synalign.querylog.files import Table, files_of
from synalign.querylog.parquet_frame import Footer, footers_of, is_nanos, partition, raw, schema_groups, spark_type
from synalign.querylog.spark_table import rows_of
from synalign.spark.functions import make_valid_utf8

if TYPE_CHECKING:
    from pyspark.sql import Row, SparkSession

    from synalign.run import Interval

Kind = Literal["text", "time", "number"]

_KINDS = {"text": (StringType,), "time": (TimestampType, TimestampNTZType), "number": (NumericType,)}
_CAUSES = {"text": "ids as numbers", "time": "times as text or as numbers", "number": "numbers as text or as booleans"}


EventLog = Path | TableFiles
"""A folder of Parquet files, or a table, query or address that Spark reads."""


def name_of(log: EventLog) -> str:
    """Return what messages call a log."""
    return log.location if isinstance(log, TableFiles) else str(log)


def read_log(
    spark: SparkSession, log: EventLog, kinds: Mapping[str, Kind], window: Interval | None = None
) -> DataFrame:
    """Read the columns of a log that are named; times without a zone are UTC, numbers become doubles.

    Each file is read by its own types: files may have their columns in another order, others besides, and times in
    any unit.

    Args:
        spark: A session.
        log: A folder; folders in it that are named `column=value` are columns that the files need not have. Or a table
            that Spark reads, whose query may name its columns as they are wanted.
        kinds: What each column must hold.
        window: Of a query with `{start}` and `{end}`: what these are.

    Raises:
        InputError: A file or table cannot be read, or lacks a column or holds something else in it.
        SetupError: Spark lacks a reader for a table.
    """
    if isinstance(log, TableFiles):
        frame = rows_of(spark, Table("log", "experiment", log), window)
        types: dict[str, DataType | None] = {field.name: field.dataType for field in frame.schema}
        columns = {name: _converted(log.location, types, name, kind, spark) for name, kind in kinds.items()}
        return frame.select(*(value.alias(name) for name, value in columns.items()))
    return _of_folder_files(spark, log, kinds)


def _of_folder_files(spark: SparkSession, folder: Path, kinds: Mapping[str, Kind]) -> DataFrame:
    try:
        _, files, _ = files_of(Table("log", "", TableFiles(path=str(folder))))
        footers = footers_of(files, folder)
    except InputError as error:
        raise InputError(
            f"{folder}: cannot be read: {error.message}",
            cause=error.cause or "the folder is missing or empty",
            remedy="write Parquet files with the columns of the plan",
        ) from error
    parts = []
    for group in schema_groups(footers):
        frame = raw(spark, group)
        found = {name: _column(folder, group[0], name, kind, spark) for name, kind in kinds.items()}
        parts.append(frame.select(*(value.alias(name) for name, value in found.items())))
    return reduce(DataFrame.unionByName, parts)


def _column(folder: Path, footer: Footer, name: str, kind: Kind, spark: SparkSession) -> Column:
    """Return a column of a file in the type that it must hold.

    Raises:
        InputError: It is not there, or holds something else.
    """
    types: dict[str, DataType | None] = {field: spark_type(footer, field) for field in footer.schema.names}
    if name not in types and name in footer.partitions:
        return _of_folder(name, kind)
    if name in types and is_nanos(footer, name):
        if kind == "time":
            return F.timestamp_micros(values.micros(column(name)))
        types[name] = TimestampType()
    return _converted(str(folder), types, name, kind, spark, file=str(footer.path))


def _converted(
    where: str, types: Mapping[str, DataType | None], name: str, kind: Kind, spark: SparkSession, *, file: str = ""
) -> Column:
    """Return a column in the type that it must hold.

    Raises:
        InputError: It is not there, or holds something else.
    """
    which = f"; the file is {file}" if file else ""
    if name not in types:
        listed = ", ".join(f"{field} ({_words(type_)})" for field, type_ in types.items())
        raise InputError(
            f"{where}: column {name!r} is missing; there are {listed}.",
            cause=f"another name, or the plan names a column that is not logged{which}",
            remedy=f"write {name!r} ({kind}) into every {'file' if file else 'row, or name it so in a query'}",
        )
    type_ = types[name]
    if not isinstance(type_, _KINDS[kind]):
        raise InputError(
            f"{where}: column {name!r} is {_words(type_)}, must be {kind}.",
            cause=f"{_CAUSES[kind]}{which}",
            remedy=f"write {name!r} as {kind}" + (", in UTC" if kind == "time" else ""),
        )
    if kind == "number":
        return column(name).cast("double")
    if kind == "text":
        return make_valid_utf8(column(name))
    return _utc(name, spark) if isinstance(type_, TimestampNTZType) else column(name)


def _words(type_: DataType | None) -> str:
    return "of a type that Spark cannot read" if type_ is None else type_.simpleString()


def _of_folder(name: str, kind: Kind) -> Column:
    """Return the value of a folder `name=value` in the type that it must hold."""
    text = partition(name)
    if kind == "time":
        return F.try_to_timestamp(text)
    return text.cast("double") if kind == "number" else text


def _utc(name: str, spark: SparkSession) -> Column:
    """Turn a time without a zone into one in UTC, whatever the session's zone is."""
    zone = F.lit(spark.conf.get("spark.sql.session.timeZone"))
    return F.convert_timezone(F.lit("UTC"), zone, column(name)).cast("timestamp")


@contextmanager
def readable(log: EventLog) -> Iterator[None]:
    """Turn what Spark says of files that it cannot read into an error that names the log or the file."""
    with unreadable.readable(name_of(log), remedy="write the Parquet files again, with one schema"):
        yield


def flaws(kinds: Mapping[str, Kind]) -> list[Column]:
    """Count, for each column, values that are absent, empty, NaN or infinite; for `refuse_flaws`."""
    return [F.count_if(_flawed(name, kind)).alias(f"flaw {place}") for place, (name, kind) in enumerate(kinds.items())]


def _flawed(name: str, kind: Kind) -> Column:
    if kind == "text":
        return column(name).isNull() | (column(name) == "")
    if kind == "time":
        return column(name).isNull()
    number = column(name).cast("double")
    return number.isNull() | F.isnan(number) | (F.abs(number) == float("inf"))


def refuse_flaws(rows: Sequence[Row], log: EventLog, kinds: Mapping[str, Kind]) -> None:
    """Refuse absent values and infinite numbers: what they would do to a sum is nobody's intention.

    Args:
        rows: With the columns `flaws(kinds)`.
        log: The log.
        kinds: The columns.

    Raises:
        InputError: There is at least one.
    """
    for place, name in enumerate(kinds):
        count = sum(row[f"flaw {place}"] for row in rows)
        if count:
            raise InputError(
                f"{name_of(log)}: column {name!r} is absent, empty, NaN or infinite in {count:,} rows of the "
                "experiment.",
                cause="events of another kind in the same log, or a division by 0 upstream",
                remedy=f"write a value for {name!r} into every row (0 where there was nothing), or leave the row out",
            )


def column(name: str) -> Column:
    """Return a column by its name, which may have dots."""
    return F.col("`" + name.replace("`", "``") + "`")
