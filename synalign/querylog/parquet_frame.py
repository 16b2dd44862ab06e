"""Parquet files as a frame: each group of files with one schema by its own types, whatever writer made them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from synalign.errors import InputError
from synalign.querylog import values
from synalign.querylog.columns import Column, nested
from synalign.querylog.files import Table, other_kind, partitions_of, shown
from synalign.spark.functions import make_valid_utf8, try_url_decode
from synalign.spark.tables import literal

_SAMPLED_FILES, _SAMPLED_ROWS = 20, 200
_THREADS = 8
_PLAIN: dict[pa.DataType, T.DataType] = {
    pa.string(): T.StringType(), pa.large_string(): T.StringType(), pa.string_view(): T.StringType(),
    pa.int8(): T.ByteType(), pa.int16(): T.ShortType(), pa.int32(): T.IntegerType(), pa.int64(): T.LongType(),
    pa.uint8(): T.ShortType(), pa.uint16(): T.IntegerType(), pa.uint32(): T.LongType(),
    pa.uint64(): T.DecimalType(20, 0), pa.float32(): T.FloatType(), pa.float64(): T.DoubleType(),
    pa.bool_(): T.BooleanType(), pa.date32(): T.DateType(),
}  # fmt: skip


class Footer(NamedTuple):
    """The schema of a Parquet file.

    Attributes:
        path: The file.
        schema: Its columns.
        int96: Columns with times as Impala and old Spark write them.
        partitions: Values of columns from the names of its folders.
    """

    path: Path
    schema: pa.Schema
    int96: frozenset[str]
    partitions: dict[str, str | None]


def footers_of(files: Sequence[Path], root: Path) -> tuple[Footer, ...]:
    """Read the footers of files below a folder.

    Raises:
        InputError: One is no Parquet file, or a damaged one.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        return tuple(pool.map(lambda file: _footer_of(file, root), files))


def _footer_of(file: Path, root: Path) -> Footer:
    try:
        # Memory-mapped, as flipped bytes in a footer can ask for any amount of memory.
        with pq.ParquetFile(file, memory_map=True) as parquet:
            columns = [parquet.schema.column(place) for place in range(len(parquet.schema))]
            int96 = frozenset(column.path for column in columns if column.physical_type == "INT96")
            return Footer(file, parquet.schema_arrow, int96, partitions_of(file, root))
    except (pa.ArrowException, OSError, ValueError, UnicodeDecodeError, MemoryError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: BaseException) -> InputError:
    with file.open("rb") as stream:
        head = stream.read(200)
    kind = other_kind(head)
    begins = f"; it is {kind}" if kind and kind != "Parquet" else "" if kind else f"; it begins with {shown(head)}"
    return InputError(
        f"{file}: is not readable Parquet: {str(error).splitlines()[0][:200]}{begins if head else '; it is empty'}.",
        cause="a half-written upload, a damaged copy, or another format",
        remedy="write the file again, or set source.format (or source.documents.format)",
    )


def samples(footers: Sequence[Footer], name: str) -> Iterator[tuple[Path, list[str]]]:
    """Yield some values of a column of text or numbers, as text, from the beginning of files."""
    for footer in footers[:: max(1, len(footers) // _SAMPLED_FILES)]:
        if name not in footer.schema.names and "." not in name:
            if name in footer.partitions:
                yield footer.path, [footer.partitions[name] or ""]
            continue
        kind = _arrow_type(footer, name)
        if (
            kind is None
            or pa.types.is_timestamp(kind)
            or not isinstance(_spark_type(kind), T.StringType | T.NumericType)
        ):
            continue
        try:
            with pq.ParquetFile(footer.path) as parquet:
                batch = next(parquet.iter_batches(_SAMPLED_ROWS, columns=[name]), None)
                found = [nested(row, name) for row in batch.to_pylist()] if batch is not None else []
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            if isinstance(error, UnicodeDecodeError):
                continue
            raise _unreadable(footer.path, error) from error
        yield footer.path, [_plain(value) for value in found if value is not None]


def _plain(value: Any) -> str:
    if isinstance(value, float) and value == value and abs(value) < 1e30:
        return format(Decimal(repr(value)), "f")
    return str(value)


def frame(
    spark: SparkSession,
    table: Table,
    footers: Sequence[Footer],
    wanted: Sequence[Column],
    formats: Sequence[str],
    *,
    rows: bool,
) -> DataFrame:
    """Return a frame with a column for each wanted one, named as its setting, `flaw`, and `row` if it is asked for.

    Args:
        spark: The session.
        table: What is read.
        footers: Of its files.
        wanted: The columns.
        formats: Of times that are text or numbers.
        rows: Whether the rows themselves are wanted, as JSON.

    Raises:
        InputError: A column has a type that cannot be read as what is wanted.
    """
    parts = []
    for group in schema_groups(footers):
        like, read = group[0], raw(spark, group)
        columns, flaws = [], []
        for column in wanted:
            source, kind = _source(table, like, column)
            value, flaw = values.of(source, kind, column, formats, nanos=is_nanos(like, column.name))
            columns.append(value.alias(column.setting))
            flaws += [] if flaw is None else [flaw]
        columns.append(F.coalesce(*flaws, F.lit(None).cast("string")).alias("flaw"))
        parts.append(read.select(*columns, *([row_as_json(read.columns).alias("row")] if rows else [])))
    return reduce(DataFrame.unionByName, parts)


def schema_groups(footers: Iterable[Footer]) -> list[list[Footer]]:
    """Group files that can be read at once: of the same columns and types."""
    groups: dict[Any, list[Footer]] = {}
    for footer in footers:
        fields = tuple((field.name, str(field.type)) for field in footer.schema)
        groups.setdefault((fields, footer.int96, *footer.partitions), []).append(footer)
    return list(groups.values())


def raw(spark: SparkSession, group: Sequence[Footer]) -> DataFrame:
    """Return the columns of files with one schema, as far as Spark can read them; nanoseconds as whole numbers.

    Raises:
        InputError: Two columns have one name, or Spark cannot open a file of that name.
    """
    like = group[0]
    twice = [name for name in dict.fromkeys(like.schema.names) if like.schema.names.count(name) > 1]
    if twice:
        raise InputError(
            f"{like.path}: the column {twice[0]!r} is there {like.schema.names.count(twice[0])} times.",
            remedy="give every column a name of its own",
        )
    kinds = ((field.name, spark_type(like, field.name)) for field in like.schema)
    schema = T.StructType([T.StructField(name, kind) for name, kind in kinds if kind is not None])
    return spark.read.schema(schema).parquet(*(_literal(footer.path) for footer in group))


def nested_names(footer: Footer, wanted: Sequence[Column]) -> list[str]:
    """Return the wanted fields within other columns that a file has, as `a.b.c`."""
    return [column.name for column in wanted if "." in column.name and _arrow_type(footer, column.name) is not None]


def _arrow_type(footer: Footer, name: str) -> pa.DataType | None:
    """Return the type of a column, or of a field `a.b.c` within others; None where there is none."""
    if name in footer.schema.names:
        return footer.schema.field(footer.schema.get_all_field_indices(name)[0]).type
    kind: Any = None
    fields: Any = footer.schema
    for part in name.split("."):
        if part not in fields.names:
            return None
        kind = fields.field(part).type
        fields = kind if pa.types.is_struct(kind) else pa.schema([])
    return kind


def row_as_json(names: Sequence[str]) -> SparkColumn:
    """Return all columns of a row as one object of JSON, nulls included."""
    whole = F.to_json(F.struct(*(F.col(quoted(name)) for name in names)), {"ignoreNullFields": "false"})
    return make_valid_utf8(whole)


def _source(table: Table, footer: Footer, column: Column) -> tuple[SparkColumn, pa.DataType]:
    """Return the column of the files, or of their folders' names, and its type."""
    kind = _arrow_type(footer, column.name)
    if kind is None:
        if column.name in footer.partitions:
            return partition(column.name), pa.string()
        return F.lit(None).cast("string"), pa.string()
    if pa.types.is_null(kind):
        return F.lit(None).cast("string"), pa.string()
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    ours = _spark_type(kind)
    others = T.StructType | T.ArrayType | T.MapType | T.BinaryType | T.BooleanType
    listed = column.kind == "list" and isinstance(ours, T.ArrayType) and isinstance(ours.elementType, T.AtomicType)
    if ours is None or (isinstance(ours, others) and not listed):
        raise values.not_readable(str(footer.path), column, str(kind), table.section)
    if column.name in footer.schema.names:
        return F.col(quoted(column.name)), kind
    return F.col(".".join(quoted(part) for part in column.name.split("."))), kind


def partition(name: str) -> SparkColumn:
    """Return the value of a folder `name=value` in the path of the row's file."""
    # Spark escapes what Hive had escaped before: a colon is `%253A`. A plus stays one.
    part = F.regexp_extract(F.input_file_name(), f"/{re.escape(name)}=([^/]*)/", 1)
    value = part
    for _ in range(2):
        value = try_url_decode(F.replace(value, F.lit("+"), F.lit("%2B")))
    return F.when((value != "") & (value != "__HIVE_DEFAULT_PARTITION__"), value)


def is_nanos(footer: Footer, name: str) -> bool:
    """Tell whether a column has times that Spark reads as whole numbers of nanoseconds."""
    kind = _arrow_type(footer, name)
    return kind is not None and pa.types.is_timestamp(kind) and kind.unit == "ns" and name not in footer.int96


def spark_type(footer: Footer, name: str) -> T.DataType | None:
    """Return the type by which Spark reads a column of a file; None for a column that it cannot read."""
    kind = footer.schema.field(footer.schema.get_all_field_indices(name)[0]).type
    if pa.types.is_timestamp(kind) and name in footer.int96:
        return T.TimestampType()
    return _spark_type(kind)


def _spark_type(kind: pa.DataType) -> T.DataType | None:
    if pa.types.is_dictionary(kind):
        return _spark_type(kind.value_type)
    if kind in _PLAIN:
        return _PLAIN[kind]
    if pa.types.is_decimal128(kind) and 0 <= kind.scale <= kind.precision:
        return T.DecimalType(kind.precision, kind.scale)
    if pa.types.is_timestamp(kind):
        # Nanoseconds are none of Spark's times; it hands their number on.
        return T.LongType() if kind.unit == "ns" else T.TimestampType() if kind.tz else T.TimestampNTZType()
    if pa.types.is_struct(kind):
        parts = [(field.name, _spark_type(field.type)) for field in kind]
        known = [T.StructField(name, part) for name, part in parts if part is not None]
        return T.StructType(known) if known else None
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        element = _spark_type(kind.value_type)
        return T.ArrayType(element) if element is not None else None
    return None


def _literal(path: Path) -> str:
    """Escape a file's path for Spark's readers, which take `*`, `[` and `{` for patterns.

    Raises:
        InputError: Spark cannot open a file of that name.
    """
    if ":" in path.name:
        raise InputError(f"{path}: has a colon in its name, which Spark cannot open.", remedy="rename the file")
    return literal(str(path))


def quoted(name: str) -> str:
    """Quote a column's name for Spark's expressions."""
    return "`" + name.replace("`", "``") + "`"
