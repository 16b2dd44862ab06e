"""How Spark is started, and what SynAlign's ids and texts are in its terms."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.errors import PySparkException
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from synalign import tables
from synalign.errors import SetupError
from synalign.processes import interruption
from synalign.spark import cluster, java
from synalign.spark.remote import PARTITIONS, REMOTE, require_listening

# Spark's client logs a refused query, with its whole stack, before it raises the error, which says the same.
for _name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)

_OF_A_SESSION = "spark.sql."
"""Begins the settings that each session of a server has for itself; the others are the server's."""

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
    # Spark's page and event log show settings: not those that look like a secret, a model's key among them.
    "spark.redaction.regex": r"(?i)secret|passw|token|credential|access[._]?key|api[._]?key|fernet|private[._]?key",
    # Airflow's logs are read by people; Spark's own page shows its progress.
    "spark.ui.showConsoleProgress": "false",
}


@contextmanager
def session(name: str) -> Iterator[SparkSession]:
    """Yield a Spark session with SynAlign's settings; the master is spark-submit's, or all local cores.

    A session that is active already, such as a notebook's or Databricks's, is used with the settings that results
    depend on, and left running with its own. Where `SPARK_REMOTE` names a Spark Connect server, the session is one of
    that server's. On a cluster, executors get SynAlign's code from the driver, and are checked to have its versions of
    all else.

    Args:
        name: Shown in Spark's UI.

    Raises:
        SetupError: There is no Java, or too old a one; the server does not answer; or an executor has other versions
            than the driver.
    """
    running = SparkSession.getActiveSession()
    if running is not None:
        # Whoever started it ends it: a shell, a notebook, a service, a test run with one session for all.
        with _with_our_settings(running):
            yield running
        return
    if os.environ.get(REMOTE):
        with _connected(os.environ[REMOTE]) as spark:
            yield spark
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
    # Spark would cancel its jobs from within the handler of Ctrl-C, and fail there; `stop` cancels them too.
    with interruption.own_handlers():
        spark = builder.getOrCreate()
    try:
        spark.sparkContext.setLogLevel("WARN")
        if not (spark.sparkContext.master or "").startswith("local"):
            with cluster.supplied(spark):
                yield spark
            return
        if not spark.sparkContext.getConf().contains(PARTITIONS):
            # Spark's 200 partitions are for a cluster: here most would be empty, and cached frames keep them all.
            spark.conf.set(PARTITIONS, str(2 * spark.sparkContext.defaultParallelism))
        yield spark
    finally:
        spark.stop()


@contextmanager
def _with_our_settings(running: SparkSession) -> Iterator[None]:
    """Give a session the settings of ours that are a session's, while the block runs."""
    ours = {key: value for key, value in SETTINGS.items() if key.startswith(_OF_A_SESSION)}
    before = {key: running.conf.get(key, None) for key in ours}
    try:
        for key, value in ours.items():
            if before[key] != value:
                running.conf.set(key, value)
        yield
    finally:
        for key, value in before.items():
            if value is None:
                running.conf.unset(key)
            elif value != ours[key]:
                running.conf.set(key, value)


@contextmanager
def _connected(address: str) -> Iterator[SparkSession]:
    """Yield a session of a Spark Connect server.

    Raises:
        SetupError: The server does not answer, or is none.
    """
    try:
        # Spark's client would try for ten minutes whom it cannot reach.
        require_listening(address)
        # A session of its own: others of this process, and of other steps, keep theirs.
        spark = SparkSession.builder.remote(address).create()
        for key, value in SETTINGS.items():
            if key.startswith(_OF_A_SESSION):
                spark.conf.set(key, value)
    except (PySparkException, ValueError, OSError) as error:
        raise SetupError(
            f"SPARK_REMOTE == {address!r}, does not answer as a Spark Connect server: {str(error)[:300]}.",
            cause="the server is down, is another kind of server, or refuses this client",
            remedy="start it, or unset SPARK_REMOTE: steps are then started by spark-submit",
        ) from error
    try:
        # Also to a server on one machine: what it imports by itself may be another version.
        with cluster.supplied(spark):
            yield spark
    finally:
        spark.stop()


def content_id(*columns: str) -> Column:
    """`synalign.tables.content_id` of columns without nulls, as a Spark expression."""
    return F.substring(F.sha2(F.concat_ws(tables.SEPARATOR, *columns), 256), 1, tables.ID_CHARACTERS)


def document_text() -> Column:
    """`synalign.text.normal.document_text` of the columns `title` and `text`, as a Spark expression."""
    return F.concat_ws("\n", F.when(F.col("title") != "", F.col("title")), F.col("text"))
