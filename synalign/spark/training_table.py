"""The training sets of all retrievers and intervals as one table of a catalog, a partition for each set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from synalign.errors import InputError
from synalign.spark.table_errors import understood

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_OVERWRITE = "spark.sql.sources.partitionOverwriteMode"


def replace_partition(
    spark: SparkSession, rows: DataFrame, table: str, partition: Mapping[str, str], format_: str | None = None
) -> None:
    """Write rows into one partition of a table, in place of what it held; doing it again changes nothing.

    The table is made where it is not there. Columns that it lacks are added to it; columns of its own that the rows
    lack are null.

    Args:
        spark: A session.
        rows: What to write.
        table: The table, such as `catalog.schema.name`.
        partition: Columns that the table is partitioned by, with this partition's values.
        format_: Of a table that is made, such as `delta`; None: the catalog's default.

    Raises:
        InputError: The table cannot be made or written, or is partitioned by other columns.
        SetupError: Spark lacks a writer for it.
    """
    rows = rows.withColumns({name: F.lit(value) for name, value in partition.items()})
    before = spark.conf.get(_OVERWRITE, "static") or "static"
    with understood(f"training table {table}", "output.table", format_ or ""):
        _make(spark, rows, table, list(partition), format_)
        there = _with_columns(spark, rows, table)
        spark.conf.set(_OVERWRITE, "dynamic")
        try:
            given = (F.col(name) if name in rows.columns else F.lit(None).alias(name) for name in there)
            rows.select(*given).write.mode("overwrite").insertInto(table)
        finally:
            spark.conf.set(_OVERWRITE, before)


def _make(spark: SparkSession, rows: DataFrame, table: str, partition: list[str], format_: str | None) -> None:
    """Make a table where it is not there.

    Raises:
        InputError: It is partitioned by other columns.
    """
    if not spark.catalog.tableExists(table):
        writer = rows.limit(0).writeTo(table)
        if format_ is not None:
            writer = writer.using(format_)
        try:
            writer.partitionedBy(*(F.col(name) for name in partition)).create()
        except PySparkException as error:
            # Another retriever's run was faster.
            if "ALREADY_EXISTS" not in str(error):
                raise
    by = [column.name for column in spark.catalog.listColumns(table) if column.isPartition]
    if by != partition:
        raise InputError(
            f"output.table == {table!r}, is partitioned by {', '.join(by) or 'nothing'}, must be by "
            f"{', '.join(partition)}.",
            cause="a table that something else made",
            remedy="name a table that is not there yet: it is made",
        )


def _with_columns(spark: SparkSession, rows: DataFrame, table: str) -> list[str]:
    """Add to a table the columns that it lacks, and return all its columns in their order."""
    there = spark.table(table).columns
    lacking = [field for field in rows.schema.fields if field.name not in there]
    if not lacking:
        return there
    added = ", ".join(f"`{field.name}` {field.dataType.simpleString()}" for field in lacking)
    spark.sql(f"ALTER TABLE {table} ADD COLUMNS ({added})")
    return spark.table(table).columns
