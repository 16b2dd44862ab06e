"""How Spark is started, and how a Spark frame becomes a table whose bytes do not depend on the cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark import TaskContext
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from synalign import java, tables
from synalign.errors import SetupError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ROWS_PER_FILE = 1_000_000
_PARTITIONS = "spark.sql.shuffle.partitions"

SETTINGS = {
    # Event times without a zone are UTC, whatever the machine thinks.
    "spark.sql.session.timeZone": "UTC",
    # A malformed value must become a null that a rule can name, not end the job.
    "spark.sql.ansi.enabled": "false",
    # Sorting by length works within one Arrow batch: larger ones waste less padding.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "10000",
    # A worker that loaded a model once serves the next task as well.
    "spark.python.worker.reuse": "true",
    # Two OpenMP threads on busy cores collapse from spin-waiting; parallelism comes from processes.
    "spark.executorEnv.OMP_NUM_THREADS": "1",
    # Airflow's logs are read by people; Spark's own page shows its progress.
    "spark.ui.showConsoleProgress": "false",
}


@contextmanager
def session(name: str) -> Iterator[SparkSession]:
    """A Spark session with SynAlign's settings; the master is spark-submit's, or all local cores.

    A session that is active already is used as it is, and left running.

    Args:
        name: Shown in Spark's UI.

    Raises:
        SetupError: There is no Java, or too old a one.
    """
    running = SparkSession.getActiveSession()
    if running is not None:
        # Whoever started it ends it: a shell, a notebook, a test run with one session for all.
        yield running
        return
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
    if (spark.sparkContext.master or "").startswith("local") and not spark.sparkContext.getConf().contains(_PARTITIONS):
        # Spark's 200 partitions are for a cluster: here most would be empty, and cached frames keep them all.
        spark.conf.set(_PARTITIONS, str(2 * spark.sparkContext.defaultParallelism))
    try:
        yield spark
    finally:
        spark.stop()


def content_id(*columns: str) -> Column:
    """`synalign.tables.content_id` of columns without nulls, as a Spark expression."""
    return F.substring(F.sha2(F.concat_ws(tables.SEPARATOR, *columns), 256), 1, tables.ID_CHARACTERS)


def document_text() -> Column:
    """`synalign.text.document_text` of the columns `title` and `text`, as a Spark expression."""
    return F.concat_ws("\n", F.when(F.col("title") != "", F.col("title")), F.col("text"))


def write_table(
    frame: DataFrame, folder: Path, table: str, *, rows: int, metadata: dict[str, str] | None = None
) -> None:
    """Write a frame as Parquet whose bytes do not depend on the cluster, in one pass.

    Rows go to files by hash of the table's first column, which is unique, and are sorted by it within a file. The
    tasks write with Arrow, not with Spark's own writer, whose footers list encodings in an order that changes from one
    JVM to the next.

    Args:
        frame: Must have the table's columns, without nulls where the schema has none.
        folder: Where the files go; must not exist.
        table: Which schema and key.
        rows: At least as many as the frame has; one file is made per million.
        metadata: Goes into every file's own schema: a file that went astray still says what made it.
    """
    schema = tables.schema(table)
    written = schema.with_metadata(metadata) if metadata else schema
    files = max(1, -(-rows // ROWS_PER_FILE))
    # `rejected` has no unique column: sorting by all of them gives equal rows a stable place, as they are equal.
    order = schema.names if table == "rejected" else schema.names[:1]
    folder.mkdir()
    writer = _file_writer(str(folder), written)
    frame = frame.select(*schema.names)
    frame.repartition(files, *order).sortWithinPartitions(*order).mapInArrow(writer, "rows long").collect()
    for draft in folder.glob(".part-*"):
        # Of a task attempt that failed, or lost against its twin.
        draft.unlink()
    if not any(folder.iterdir()):
        pq.write_table(written.empty_table(), folder / "part-00000.parquet")


def _file_writer(folder: str, schema: pa.Schema) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What runs in the tasks: one partition becomes one file, which gets its name as its last act."""

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        context = TaskContext.get()
        assert context is not None  # a task runs this
        place = Path(folder) / f"part-{context.partitionId():05d}.parquet"
        draft = place.with_name(f".{place.name}.{context.taskAttemptId()}")
        rows = 0
        with pq.ParquetWriter(draft, schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_table(pa.Table.from_batches([batch]).cast(schema))
                rows += batch.num_rows
        draft.rename(place)
        yield pa.RecordBatch.from_pydict({"rows": [rows]})

    return write
