"""Columns of files as text, times or whole numbers, as their settings want them."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F

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
