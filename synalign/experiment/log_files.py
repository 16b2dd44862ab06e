"""Parquet logs as Spark frames: the columns that count, of the kind they must have, without a value that is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import NumericType, StringType, TimestampNTZType, TimestampType

from synalign.errors import InputError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row, SparkSession

Kind = Literal["text", "time", "number"]

_KINDS = {"text": (StringType,), "time": (TimestampType, TimestampNTZType), "number": (NumericType,)}
_CAUSES = {"text": "ids as numbers", "time": "times as text or as numbers", "number": "numbers as text or as booleans"}
# Spark's names of errors that are the files' fault; all others, such as a lost executor, are passed on as they are.
_UNREADABLE = ("PATH_NOT_FOUND", "UNABLE_TO_INFER_SCHEMA", "FAILED_READ_FILE", "PARQUET_")


def read_log(spark: SparkSession, folder: Path, kinds: Mapping[str, Kind]) -> DataFrame:
    """A folder of Parquet files, the named columns only; times without a zone are UTC.

    Args:
        spark: A session.
        folder: The folder; folders in it that are named `column=value` are partitions.
        kinds: What each column must hold.

    Raises:
        InputError: The folder cannot be read, or a column is missing or holds something else.
    """
    with readable(folder):
        frame = spark.read.parquet(str(folder))
    there = {field.name: field.dataType for field in frame.schema.fields}
    listed = ", ".join(f"{name} ({kind.simpleString()})" for name, kind in there.items())
    for name, kind in kinds.items():
        if name not in there:
            raise InputError(
                f"{folder}: column {name!r} is missing; there are {listed}.",
                cause="another name, or the plan names a column that is not logged",
                remedy=f"write {name!r} ({kind}) into every file",
            )
        if not isinstance(there[name], _KINDS[kind]):
            raise InputError(
                f"{folder}: column {name!r} is {there[name].simpleString()}, must be {kind}.",
                cause=_CAUSES[kind],
                remedy=f"write {name!r} as {kind}" + (", in UTC" if kind == "time" else ""),
            )
    plain = (_utc(name, spark) if isinstance(there[name], TimestampNTZType) else column(name) for name in kinds)
    return frame.select(*plain)


def _utc(name: str, spark: SparkSession) -> Column:
    """A time without a zone as one with it, whatever the session's zone is."""
    zone = F.lit(spark.conf.get("spark.sql.session.timeZone"))
    return F.convert_timezone(F.lit("UTC"), zone, column(name)).cast("timestamp").alias(name)


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """What Spark says of files that it cannot read, as an error that names the folder."""
    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        told = next((line for line in str(error).splitlines() if any(sign in line for sign in _UNREADABLE)), None)
        if told is None:
            raise
        raise InputError(
            f"{folder}: cannot be read: {told[max(0, told.find('[')) :][:500]}",
            cause="the folder is missing or empty, a file is no Parquet, has other types than the rest, or times in "
            "nanoseconds",
            remedy="write Parquet files with one schema, times in microseconds",
        ) from error


def flaws(kinds: Mapping[str, Kind]) -> list[Column]:
    """Aggregates that count, for each column, values that are absent, empty, NaN or infinite; see `refuse_flaws`."""
    return [F.count_if(_flawed(name, kind)).alias(f"flaw {place}") for place, (name, kind) in enumerate(kinds.items())]


def _flawed(name: str, kind: Kind) -> Column:
    if kind == "text":
        return column(name).isNull() | (column(name) == "")
    if kind == "time":
        return column(name).isNull()
    number = column(name).cast("double")
    return number.isNull() | F.isnan(number) | (F.abs(number) == float("inf"))


def refuse_flaws(rows: Sequence[Row], folder: Path, kinds: Mapping[str, Kind]) -> None:
    """Refuse absent values and infinite numbers: what they would do to a sum is nobody's intention.

    Args:
        rows: With the columns `flaws(kinds)`.
        folder: What messages call the log.
        kinds: The columns.

    Raises:
        InputError: There is at least one.
    """
    for place, name in enumerate(kinds):
        count = sum(row[f"flaw {place}"] for row in rows)
        if count:
            raise InputError(
                f"{folder}: column {name!r} is absent, empty, NaN or infinite in {count:,} rows of the experiment.",
                cause="events of another kind in the same log, or a division by 0 upstream",
                remedy=f"write a value for {name!r} into every row (0 where there was nothing), or leave the row out",
            )


def column(name: str) -> Column:
    """A column by its name, which may have dots."""
    return F.col("`" + name.replace("`", "``") + "`")
