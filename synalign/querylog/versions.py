"""What a table held when it was read, without reading its rows where its system can tell."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from synalign.querylog.columns import Column
from synalign.querylog.files import Table
from synalign.querylog.spark_table import expression, partitions, path_of, resolves, rows_of, understood
from synalign.run import Interval
from synalign.spark.tables import literal

VERSIONS = {
    "delta": ("DESCRIBE HISTORY {table} LIMIT 1", "version"),
    "iceberg": ("SELECT snapshot_id FROM {table}.snapshots ORDER BY committed_at DESC LIMIT 1", "snapshot_id"),
}
"""By a table's provider: what asks for its newest version, and the column of the answer."""

_FILES = ("parquet", "csv", "jsonl", "orc", "avro", "text")
"""Formats that are nothing but files in a folder."""


def stamp(path: Path) -> str:
    """Return a file's size and the time of its last change."""
    status = path.stat()
    seconds, nanoseconds = divmod(status.st_mtime_ns, 10**9)
    return f"{status.st_size} bytes, changed {datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09}Z"


def version(spark: SparkSession, table: Table, wanted: Sequence[Column], window: Interval | None) -> str:
    """Return what changes when the rows of a table do that are read: of a log, those of the window's partitions.

    The version of a Delta table, the snapshot of an Iceberg table; else the names, sizes and times of the files; else,
    as of a database, a checksum of the wanted columns, which Spark's executors make.

    Args:
        spark: A session.
        table: The table.
        wanted: Its columns.
        window: The days of log that are used; None: all.

    Raises:
        InputError: There is no such table.
        SetupError: Spark lacks a reader for it.
    """
    frame = rows_of(spark, table, window)
    with understood(table):
        return (
            _of_provider(spark, table)
            or _of_files(spark, table, frame, window)
            or _of_content(frame, [column.name for column in wanted if resolves(frame, column.name)])
        )


def _of_provider(spark: SparkSession, table: Table) -> str | None:
    """Return the version of a table whose provider counts them."""
    files = table.files
    if files.sql or (files.table is None and files.format not in VERSIONS):
        return None
    name = files.table or f"{files.format}.`{files.path}`"
    provider = files.format if files.table is None else _provider(spark, name)
    if provider not in VERSIONS:
        return None
    statement, column = VERSIONS[provider]
    newest = spark.sql(statement.format(table=name)).select(column).first()
    return f"{provider} {column.replace('_', ' ')} {newest[0] if newest else 'none'}"


def _provider(spark: SparkSession, name: str) -> str:
    """Return what manages a table of a catalog, such as `parquet` or `delta`; empty for a view."""
    described = spark.sql(f"DESCRIBE TABLE EXTENDED {name}").where(F.col("col_name") == "Provider").first()
    return str(described["data_type"]).lower() if described else ""


def _of_files(spark: SparkSession, table: Table, frame: DataFrame, window: Interval | None) -> str | None:
    """Return number, size and a checksum of names, sizes and times of the files; None where a table has none."""
    files = table.files
    if files.path is not None and files.format in _FILES:
        listed = spark.read.format("binaryFile").options(**_listing_options(table)).load(**path_of(table))
        partition = getattr(files, "partition", None)
        if partition and window is not None:
            listed = listed.where(partitions(listed, table, partition, window))
    else:
        names = [literal(unquote(name)) for name in frame.inputFiles()]
        if not names:
            return None
        # Of a Hive table of its own format, Spark names the folder.
        listed = spark.read.format("binaryFile").option("recursiveFileLookup", "true").load(names)
    total = listed.agg(
        F.count("*").alias("files"),
        F.coalesce(F.sum("length"), F.lit(0)).alias("bytes"),
        F.sum(F.xxhash64("path", "length", "modificationTime").cast("decimal(38,0)")).alias("checksum"),
    ).first()
    assert total is not None  # an aggregate has one row
    return f"{total['files']} files, {total['bytes']} bytes, names and times {total['checksum'] or 0}"


def _listing_options(table: Table) -> dict[str, str]:
    options = table.files.options
    return {name: str(options[name]) for name in ("pathGlobFilter", "recursiveFileLookup") if name in options}


def _of_content(frame: DataFrame, names: Sequence[str]) -> str:
    """Return the number of rows, and a checksum of some columns that does not depend on their order."""
    texts = [expression(frame, name).cast("string") for name in names]
    total = frame.agg(
        F.count("*").alias("rows"), F.sum(F.xxhash64(*texts).cast("decimal(38,0)")).alias("checksum")
    ).first()
    assert total is not None  # an aggregate has one row
    return f"{total['rows']} rows, checksum {total['checksum'] or 0}"
