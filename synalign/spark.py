"""How Spark is started, and how a Spark frame becomes a table whose bytes do not depend on the cluster."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import SparkSession
from pyspark.storagelevel import StorageLevel

from synalign import java, tables
from synalign.errors import SetupError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ROWS_PER_FILE = 1_000_000

SETTINGS = {
    # Event times without a zone are UTC, whatever the machine thinks.
    "spark.sql.session.timeZone": "UTC",
    # A malformed value must become a null that a rule can name, not end the job.
    "spark.sql.ansi.enabled": "false",
    # Sorting by length works within one Arrow batch: larger ones waste less padding.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "10000",
    # The number of files is part of a table's bytes: it follows from its rows, never from adaptive decisions.
    "spark.sql.adaptive.coalescePartitions.enabled": "false",
    "spark.sql.shuffle.partitions": "8",
    # A worker that loaded a model once serves the next task as well.
    "spark.python.worker.reuse": "true",
    # Two OpenMP threads on busy cores collapse from spin-waiting; parallelism comes from processes.
    "spark.executorEnv.OMP_NUM_THREADS": "1",
    # Airflow's logs are read by people; Spark's own page shows its progress.
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}


@contextmanager
def session(name: str) -> Iterator[SparkSession]:
    """A Spark session with SynAlign's settings; the master is spark-submit's, or all local cores.

    Args:
        name: Shown in Spark's UI.

    Raises:
        SetupError: There is no Java, or too old a one.
    """
    trouble = java.problem()
    if trouble is not None:
        raise SetupError(trouble[0], remedy=trouble[1])
    builder = SparkSession.builder.appName(name)
    for key, value in SETTINGS.items():
        builder = builder.config(key, value)
    # Without spark-submit, Spark would start its Python workers from the PATH, and listen on every address.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    if "SPARK_ENV_LOADED" not in os.environ:
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("WARN")
    try:
        yield spark
    finally:
        spark.stop()


def write_table(frame: DataFrame, folder: Path, table: str) -> None:
    """Write a frame as Parquet in an order that its content alone decides.

    Rows go to files by hash of the table's first column, which is unique, and are sorted by it within a file;
    the number of files follows from the number of rows.

    Args:
        frame: Must have the table's columns.
        folder: Where the files go; must not exist.
        table: Which schema and key.
    """
    schema = tables.schema(table)
    key = schema.names[0]
    frame = frame.select(*schema.names).persist(StorageLevel.MEMORY_AND_DISK)
    files = max(1, -(-frame.count() // ROWS_PER_FILE))
    # `rejected` has no unique column: sorting by all of them gives equal rows a stable place, as they are equal.
    order = schema.names if table == "rejected" else [key]
    frame.repartition(files, *order).sortWithinPartitions(*order).write.parquet(str(folder))
    frame.unpersist()
    _name_by_position(folder)


def _name_by_position(folder: Path) -> None:
    """Give Spark's files names without its random job id, and remove its bookkeeping."""
    for path in sorted(folder.iterdir()):
        match = re.match(r"(part-\d{5})-.*\.parquet$", path.name)
        if match:
            path.rename(folder / f"{match[1]}.parquet")
        else:
            path.unlink()
