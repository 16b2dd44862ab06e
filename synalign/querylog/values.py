"""Columns of files as text, times or numbers, as their settings want them."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F

from synalign.errors import InputError
from synalign.querylog import times
from synalign.querylog.columns import Column
from synalign.spark.functions import is_valid_utf8, make_valid_utf8

MOST = 10**18
"""A row's clicks are fewer."""


def of(
    source: SparkColumn, kind: pa.DataType, column: Column, formats: Sequence[str], *, nanos: bool = False
) -> tuple[SparkColumn, SparkColumn | None]:
    """Return a column as its setting wants it, and the rule that a value breaks (null: none); None: no value can.

    Args:
        source: The column as Spark reads it.
        kind: Its type in the files.
        column: What is wanted.
        formats: Of times that are text or numbers.
        nanos: Whether it has times as nanoseconds since 1970.
    """
    if column.kind == "time":
        return _time(source, kind, formats, nanos=nanos), None
    if column.kind == "count":
        return count(source, kind), None
    if column.kind == "list":
        return _list(source, kind), None
    if column.kind == "number":
        return _number(source), None
    if nanos:
        return F.timestamp_micros(micros(source)).cast("string"), None
    text = source.cast("string")
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return make_valid_utf8(source), F.when(~is_valid_utf8(source), F.lit("undecodable"))
    if pa.types.is_floating(kind):
        number = source.cast("double")
        finite = ~F.isnan(number) & (F.abs(number) != float("inf"))
        return F.when(finite, text), F.when(~finite, F.lit("not_text"))
    return text, None


def _time(source: SparkColumn, kind: pa.DataType, formats: Sequence[str], *, nanos: bool) -> SparkColumn:
    if nanos:
        return F.timestamp_micros(micros(source))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return source.cast("timestamp")
    if pa.types.is_floating(kind):
        # As a decimal, since Spark writes large numbers with an exponent.
        source = source.cast("decimal(38,6)")
    text = source.cast("string")
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        text = F.regexp_replace(text, r"\.0*$", "")
    return times.timestamp(make_valid_utf8(text), formats)


def _list(source: SparkColumn, kind: pa.DataType) -> SparkColumn:
    """Return a list of text, also one that is written as JSON; null for everything else."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return F.transform(source, lambda one: make_valid_utf8(one.cast("string")))
    return F.from_json(make_valid_utf8(source.cast("string")), "array<string>")


def _number(source: SparkColumn) -> SparkColumn:
    """Return a finite number; null for everything else."""
    text = F.trim(make_valid_utf8(source.cast("string")))
    number = F.when(text.rlike(r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"), text.cast("double"))
    return F.when(F.abs(number) != float("inf"), number)


def count(source: SparkColumn, kind: pa.DataType) -> SparkColumn:
    """Return a whole number below `MOST`, exactly; null for everything else."""
    if pa.types.is_signed_integer(kind):
        number = source.cast("long")
        return F.when((number < MOST) & (number > -MOST), number)
    text = F.trim(make_valid_utf8(source.cast("string")))
    # No double in between: eighteen digits do not fit into one.
    exact = F.when(text.rlike(r"^\d{1,38}(\.\d{0,18})?([eE]\+?\d{1,2})?$"), text.cast("decimal(38,9)"))
    return F.when((exact == F.floor(exact)) & (exact < MOST), exact.cast("long"))


def micros(nanos: SparkColumn) -> SparkColumn:
    """Return nanoseconds since 1970 as microseconds, rounded down, without a double in between."""
    return F.call_function("div", nanos - F.pmod(nanos, F.lit(1000)), F.lit(1000))


def not_readable(where: str, column: Column, kind: str, section: str) -> InputError:
    """Return the error for a column whose type holds no text, time or number.

    Args:
        where: The file or table.
        column: What is wanted.
        kind: The type, in its system's words.
        section: The section of the YAML that maps it; empty: `source`.
    """
    kinds = {"text": "text or a number", "time": "a time, text or a number", "list": "a list of text"}
    what = kinds.get(column.kind, "a number")
    return InputError(
        f"{where}: column {column.name!r} is {kind}, must be {what}.",
        cause="another column is meant, or a writer that does not mark text as such",
        remedy=f"write {column.name!r} as {'a timestamp' if column.kind == 'time' else 'text'}, or map another column "
        f"under {section or 'source'}.columns",
    )
