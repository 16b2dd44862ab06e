"""The step *ingest*: query log and documents in; `queries`, `documents`, `pairs` and `rejected` out."""

from __future__ import annotations

from datetime import datetime, timedelta

from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from synalign.config import Configuration
from synalign.errors import InputError
from synalign.querylog import sources
from synalign.querylog.rules import document_rules, first_broken, log_rules, normalise_column
from synalign.querylog.splits import split_column
from synalign.run import Attempt, Interval, Run
from synalign.spark import content_id, session, write_table
from synalign.spark_progress import tasks


def source_files(run: Run) -> dict[str, str]:
    """The files that the step reads, path to SHA-256."""
    return sources.files_of(run.configuration.source)


def ingest(attempt: Attempt) -> None:
    """Write the four tables.

    Raises:
        InputError: A file cannot be read, a column is missing, or no row is usable.
    """
    with session(f"synalign ingest {attempt.configuration.retriever}") as spark:
        try:
            _ingest(spark, attempt)
        except PySparkException as error:
            raise InputError(
                f"Spark cannot read the input: {error.getCondition()}: {str(error).splitlines()[0]}",
                cause="a damaged file, or one in another format than source.format",
                remedy="read the Spark log above this line, mend the file and run again",
            ) from error


def _ingest(spark: SparkSession, attempt: Attempt) -> None:
    configuration, interval = attempt.configuration, attempt.run.interval
    documents = _judge_documents(sources.read_documents(spark, configuration.source))
    events = _judge_events(
        sources.read_log(spark, configuration.source, interval.start), _usable(documents), configuration
    )
    events = events.withColumn("inside", _in_window(configuration, interval)).cache()
    inside = events.where("inside")
    usable = _usable(inside)
    frames = {
        "documents": _usable(documents),
        "queries": _queries(usable, configuration),
        "pairs": _pairs(usable, configuration),
        "rejected": _rejected(inside, "log").unionByName(_rejected(documents, "documents")),
    }
    with tasks(spark, "ingest", "reading"):
        attempt.metrics.update(_count(events, documents))
    _require_rows(attempt)
    # No table has more rows than came in, so none needs a pass of its own to be counted.
    rows = {"documents": attempt.metrics["document_rows"], "rejected": _rejections(attempt.metrics)}
    for table, frame in frames.items():
        most = rows.get(table, attempt.metrics["log_rows_usable"])
        with tasks(spark, "ingest", f"writing {table}"):
            write_table(frame, attempt.output(table), table, rows=most)


def _judge_documents(documents: DataFrame) -> DataFrame:
    """Document rows with `broken`, the first rule they break. Of several with one id, the first by content stays."""
    order = Window.partitionBy("document_id").orderBy("malformed", "title", "text", "row")
    return documents.withColumn("copy", F.row_number().over(order)).withColumn("broken", first_broken(document_rules()))


def _judge_events(events: DataFrame, documents: DataFrame, configuration: Configuration) -> DataFrame:
    """Log rows with normalised `query`, and `broken`, the first rule they break."""
    source = configuration.source
    keep_unclicked = source.kind == "beir" or (source.kind == "log" and source.unclicked == "keep")
    known = documents.select("document_id", F.lit(True).alias("known_document"))
    rules = log_rules(configuration.ingest.max_query_characters, keep_unclicked)
    return (
        events.withColumn("query", normalise_column("raw_query"))
        .withColumn("document_id", F.trim("document_id"))
        .join(known, "document_id", "left")
        .withColumn("broken", first_broken(rules))
    )


def _usable(frame: DataFrame) -> DataFrame:
    return frame.where(F.col("broken").isNull())


def _in_window(configuration: Configuration, interval: Interval) -> Column:
    """Rows of the window, and rows without a time, which belong to no other window either. BEIR has no times."""
    source = configuration.source
    if source.kind == "beir" or (source.kind == "labelled" and source.columns.event_time is None):
        return F.lit(True)
    first: datetime = interval.end - timedelta(days=source.window_days)
    time = F.col("event_time")
    return time.isNull() | ((time >= F.lit(first)) & (time < F.lit(interval.end)))


def _queries(events: DataFrame, configuration: Configuration) -> DataFrame:
    query_id = content_id("query")
    return (
        events.groupBy("query")
        .agg(
            F.sum("clicks").alias("count"),
            F.min("event_time").alias("first_seen"),
            F.max("event_time").alias("last_seen"),
            F.mode("label", True).alias("label"),
        )
        .withColumn("query_id", query_id)
        .withColumn("split", split_column(F.col("query_id"), configuration.ingest))
    )


def _pairs(events: DataFrame, configuration: Configuration) -> DataFrame:
    return (
        events.where(F.coalesce(F.col("document_id"), F.lit("")) != "")
        .groupBy("query", "document_id")
        .agg(F.sum("clicks").alias("count"))
        .withColumn("query_id", content_id("query"))
        .withColumn("pair_id", content_id("query", "document_id"))
        .withColumn("split", split_column(F.col("query_id"), configuration.ingest))
    )


def _rejected(frame: DataFrame, source: str) -> DataFrame:
    return frame.where(F.col("broken").isNotNull()).select(
        F.lit(source).alias("source"), "row", F.col("broken.rule").alias("rule"), F.col("broken.reason").alias("reason")
    )


def _count(events: DataFrame, documents: DataFrame) -> dict[str, int]:
    """How many rows came in, where they went, and by which rule the rejected ones fell."""
    counts = {"log_rows": 0, "log_rows_outside_window": 0, "document_rows": 0}
    for name, frame in (("log", events), ("document", documents.withColumn("inside", F.lit(True)))):
        counts[f"{name}_rows_usable"] = 0
        for row in frame.groupBy("inside", F.col("broken.rule").alias("rule")).count().collect():
            counts[f"{name}_rows"] += row["count"]
            fate = f"{name}_rejected_{row['rule']}" if row["rule"] else f"{name}_rows_usable"
            fate = fate if row["inside"] else "log_rows_outside_window"
            counts[fate] = counts.get(fate, 0) + row["count"]
    return counts


def _rejections(metrics: dict[str, int]) -> int:
    return sum(count for key, count in metrics.items() if "_rejected_" in key)


def _require_rows(attempt: Attempt) -> None:
    counts = attempt.metrics
    for name, what in (("document", "documents"), ("log", "rows of the query log")):
        if counts[f"{name}_rows_usable"] == 0:
            reasons = {
                key.split("_rejected_")[1]: n for key, n in counts.items() if key.startswith(f"{name}_rejected_")
            }
            raise InputError(
                f"none of the {counts[f'{name}_rows']} {what} can be used: "
                f"{', '.join(f'{rule} {n}' for rule, n in sorted(reasons.items())) or 'none is in the window'}.",
                cause=f"the log ends before {attempt.run.interval.start}, or columns are mapped wrongly",
                remedy="check source.path, source.columns and source.window_days in the retriever's YAML",
            )
