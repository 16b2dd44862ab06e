"""The step *ingest*: query log and documents in; `queries`, `documents`, `pairs` and `rejected` out."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import reduce

from pyspark.errors import PySparkException, PythonException
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from synalign.config import Configuration
from synalign.errors import InputError
from synalign.forgetting import tombstones
from synalign.querylog import sources
from synalign.querylog.rules import (
    document_rules,
    first_broken,
    forgotten_column,
    log_rules,
    normalise_column,
)
from synalign.querylog.splits import split_column
from synalign.run import Attempt, Interval, Run
from synalign.spark import content_id, session
from synalign.spark_progress import tasks
from synalign.spark_tables import write_table

_DECISIVE = ("malformed", "raw_query", "document_id", "timeless", "uncounted")
"""Columns that decide which rule a log row breaks, with the collection: rows that agree in them share one fate."""


def source_files(run: Run) -> dict[str, str]:
    """The files that the step reads, path to SHA-256, and the lists of forgotten queries, if there are any."""
    files = sources.files_of(run.configuration.source)
    forgotten = tombstones.digest(run.configuration.retriever)
    return files if forgotten is None else {**files, "forgotten queries": forgotten}


def ingest(attempt: Attempt) -> None:
    """Write the four tables.

    Raises:
        InputError: A file cannot be read, a column is missing, or no row is usable.
    """
    with session(f"synalign ingest {attempt.configuration.retriever}") as spark:
        try:
            _ingest(spark, attempt)
        except PythonException:
            # A task of ours failed, in storage or because its machine did: the input is not to blame.
            raise
        except PySparkException as error:
            raise InputError(
                f"Spark cannot read the input: {error.getCondition()}: {str(error).splitlines()[0]}",
                cause="a damaged file, or one in another format than source.format",
                remedy="read the Spark log above this line, mend the file and run again",
            ) from error


def _ingest(spark: SparkSession, attempt: Attempt) -> None:
    configuration, interval = attempt.configuration, attempt.run.interval
    documents = _judge_documents(sources.read_documents(spark, configuration.source))
    log = _keyed(sources.read_log(spark, configuration.source, interval.start), _in_window(configuration, interval))
    # What follows costs as much as there are different rows, not as many rows as there are.
    groups = _judge_groups(_grouped(log), _usable(documents), configuration).cache()
    with tasks(spark, "ingest", "reading"):
        attempt.metrics.update(_count(groups, documents))
    _require_rows(attempt)
    usable = _usable(groups.where("inside"))
    rejected = _rejected(documents, "documents")
    if _rejections(attempt.metrics, "log"):
        rejected = rejected.unionByName(_rejected(_broken_rows(log, groups), "log"))
    different = usable.count()
    tables = {
        "documents": (_usable(documents), attempt.metrics["document_rows"]),
        "queries": (_queries(usable, configuration), different),
        "pairs": (_pairs(usable, configuration), different),
        "rejected": (rejected, _rejections(attempt.metrics)),
    }
    for table, (frame, most) in tables.items():
        with tasks(spark, "ingest", f"writing {table}"):
            write_table(frame, attempt.output(table), table, rows=most)
    groups.unpersist()


def _judge_documents(documents: DataFrame) -> DataFrame:
    """Document rows with `broken`, the first rule they break. Of several with one id, the first by content stays."""
    order = Window.partitionBy("document_id").orderBy("malformed", "title", "text", "row")
    return documents.withColumn("copy", F.row_number().over(order)).withColumn("broken", first_broken(document_rules()))


def _keyed(events: DataFrame, inside: Column) -> DataFrame:
    """Log rows with all that decides about them as columns of their own; of those outside the window, nothing else."""
    keyed = (
        events.withColumn("document_id", F.trim("document_id"))
        .withColumn("timeless", F.col("event_time").isNull())
        .withColumn("uncounted", F.coalesce(F.col("clicks") < 1, F.lit(True)))
        .withColumn("inside", inside)
    )
    columns = [*_DECISIVE, "label", "event_time", "clicks", "row"]
    return keyed.select("inside", *(F.when(F.col("inside"), F.col(name)).alias(name) for name in columns))


def _grouped(log: DataFrame) -> DataFrame:
    """Rows that are alike but for their times and clicks, as one: `rows` of them, with `total` clicks."""
    return log.groupBy("inside", "label", *_DECISIVE).agg(
        F.count("*").alias("rows"),
        F.sum("clicks").alias("total"),
        # Of rows without countable clicks none has any, of the others all have: one of them tells.
        F.min("clicks").alias("clicks"),
        F.min("event_time").alias("event_time"),
        F.max("event_time").alias("last_seen"),
    )


def _judge_groups(groups: DataFrame, documents: DataFrame, configuration: Configuration) -> DataFrame:
    """Groups with normalised `query`, and `broken`, the first rule they break."""
    source = configuration.source
    keep_unclicked = source.kind == "beir" or (source.kind == "log" and source.unclicked == "keep")
    known = documents.select("document_id", F.lit(True).alias("known_document"))
    rules = log_rules(configuration.ingest.max_query_characters, keep_unclicked)
    return (
        groups.withColumn("query", normalise_column("raw_query"))
        .withColumn("forgotten", forgotten_column("query", tombstones.lists(configuration.retriever)))
        .join(known, "document_id", "left")
        .withColumn("broken", first_broken(rules))
    )


def _broken_rows(log: DataFrame, groups: DataFrame) -> DataFrame:
    """The rows of broken groups, as they came; a second reading of the log."""
    broken = groups.where(F.col("inside") & F.col("broken").isNotNull()).select(*_DECISIVE, "broken").distinct()
    alike = reduce(Column.__and__, (log[name].eqNullSafe(broken[name]) for name in _DECISIVE))
    return log.where("inside").join(broken, alike).select("row", "broken")


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


def _queries(groups: DataFrame, configuration: Configuration) -> DataFrame:
    query_id = content_id("query")
    by_label = groups.groupBy("query", "label").agg(
        F.sum("total").alias("total"),
        F.sum("rows").alias("rows"),
        F.min("event_time").alias("first_seen"),
        F.max("last_seen").alias("last_seen"),
    )
    # The label of most rows; of two, the one whose name sorts first.
    commonest = F.min(F.when(F.col("label").isNotNull(), F.struct(-F.col("rows"), F.col("label").alias("name"))))
    return (
        by_label.groupBy("query")
        .agg(
            F.sum("total").alias("count"),
            F.min("first_seen").alias("first_seen"),
            F.max("last_seen").alias("last_seen"),
            commonest["name"].alias("label"),
        )
        .withColumn("query_id", query_id)
        .withColumn("split", split_column(F.col("query_id"), configuration.ingest))
    )


def _pairs(groups: DataFrame, configuration: Configuration) -> DataFrame:
    return (
        groups.where(F.coalesce(F.col("document_id"), F.lit("")) != "")
        .groupBy("query", "document_id")
        .agg(F.sum("total").alias("count"))
        .withColumn("query_id", content_id("query"))
        .withColumn("pair_id", content_id("query", "document_id"))
        .withColumn("split", split_column(F.col("query_id"), configuration.ingest))
    )


def _rejected(frame: DataFrame, source: str) -> DataFrame:
    rule = F.col("broken.rule")
    return frame.where(F.col("broken").isNotNull()).select(
        F.lit(source).alias("source"),
        # What was forgotten must not be kept here.
        F.when(rule == "forgotten", F.lit("{}")).otherwise(F.col("row")).alias("row"),
        rule.alias("rule"),
        F.col("broken.reason").alias("reason"),
    )


def _count(groups: DataFrame, documents: DataFrame) -> dict[str, int]:
    """How many rows came in, where they went, and by which rule the rejected ones fell."""
    counts = {"log_rows": 0, "log_rows_outside_window": 0, "document_rows": 0}
    judged = documents.withColumns({"inside": F.lit(True), "rows": F.lit(1)})
    for name, frame in (("log", groups), ("document", judged)):
        counts[f"{name}_rows_usable"] = 0
        fates = frame.groupBy("inside", F.col("broken.rule").alias("rule")).agg(F.sum("rows").alias("rows"))
        # As many as there are rules.
        for row in fates.collect():
            counts[f"{name}_rows"] += row["rows"]
            fate = f"{name}_rejected_{row['rule']}" if row["rule"] else f"{name}_rows_usable"
            fate = fate if row["inside"] else "log_rows_outside_window"
            counts[fate] = counts.get(fate, 0) + row["rows"]
    return counts


def _rejections(metrics: dict[str, int], source: str = "") -> int:
    return sum(count for key, count in metrics.items() if f"{source}_rejected_" in key)


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
