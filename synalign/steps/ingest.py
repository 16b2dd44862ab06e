"""The step *ingest*: query log and documents in; `queries`, `documents`, `pairs`, `skips` and `rejected` out."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import reduce

import pyarrow.dataset as pads
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from synalign.config import BeirSource, Configuration
from synalign.errors import InputError
from synalign.querylog import clicks, joining, skips, sources, tombstones
from synalign.querylog.rules import (
    MOST,
    document_rules,
    first_broken,
    forgotten_column,
    log_rules,
    normalise_column,
    overflow_rule,
)
from synalign.querylog.splits import split_column
from synalign.querylog.unreadable import readable
from synalign.run import Attempt, Run, manifests
from synalign.run.window import nothing_inside, nothing_read
from synalign.spark.progress import tasks
from synalign.spark.session import content_id, session
from synalign.spark.tables import write_table
from synalign.tables import schema

log = logging.getLogger("synalign")

_DECISIVE = ("flaw", "raw_query", "document_id", "timeless", "uncounted")
"""Columns that decide which rule a log row breaks, with the collection: rows that agree in them share one fate."""

_NAMED = 3
"""Lines with a quote that is not closed that are named, at most."""


def source_files(run: Run) -> dict[str, str]:
    """Return what the step reads, each with its version, and the lists of forgotten queries, if there are any."""
    source, retriever = run.configuration.source, run.configuration.retriever
    if sources.by_spark(source):
        with session(f"synalign ingest {retriever}") as spark:
            versions = sources.versions_of(source, spark, sources.window_of(source, run.interval))
    else:
        versions = sources.versions_of(source)
    forgotten = tombstones.digest(retriever)
    return versions if forgotten is None else {**versions, "forgotten queries": forgotten}


outside = source_files
"""What the job asks for: see `synalign.steps.job.main`."""


def ingest(attempt: Attempt) -> None:
    """Write the five tables.

    Raises:
        InputError: A file cannot be read, a column is missing, or no row is usable.
    """
    source = attempt.configuration.source
    # Mistakes in files are seen before Spark starts.
    tables = None if sources.by_spark(source) else sources.open_source(source)
    with (
        session(f"synalign ingest {attempt.configuration.retriever}") as spark,
        readable(sources.where(source), remedy="write the file again; the Spark log above has the details"),
    ):
        if tables is None:
            tables = sources.open_source(source, spark, sources.window_of(source, attempt.run.interval))
        for line in tables.said:
            log.info("%s", line)
        _ingest(spark, attempt, tables)


def _ingest(spark: SparkSession, attempt: Attempt, tables: sources.Tables) -> None:
    configuration, interval = attempt.configuration, attempt.run.interval
    inside = sources.inside(configuration.source, interval)

    def events(*, rows: bool) -> DataFrame:
        return _keyed(sources.read_log(spark, tables.source, interval.start, tables, rows=rows), inside)

    documents = _judge_documents(sources.read_documents(spark, tables.source, tables))
    # What follows costs as much as there are different rows, not as many rows as there are.
    cached = _judge_groups(_grouped(events(rows=False)), _usable(documents), configuration).cache()
    try:
        with tasks(spark, "ingest", "reading"):
            groups = _without_overflow(cached)
            attempt.metrics.update(_count(groups, documents))
        _require_rows(attempt, groups, documents)
        joining.warn(attempt.metrics, groups, documents, joining.ID_COLUMNS[tables.source.kind])
        rejected = _rejected(documents, "documents")
        if _rejections(attempt.metrics, "log"):
            rejected = rejected.unionByName(_rejected(_broken_rows(events(rows=True), groups), "log"))
        usable = _usable(groups.where("inside"))
        passed_over = _skips(spark, attempt, tables, usable)
        with _debiased(spark, attempt, tables, usable) as pairs:
            _write(spark, attempt, usable, pairs, passed_over, _usable(documents), rejected)
    finally:
        # Also where input is refused: a session that goes on would take the next file of that name for this one.
        cached.unpersist()
    _name_lines(attempt)


@contextmanager
def _debiased(spark: SparkSession, attempt: Attempt, tables: sources.Tables, usable: DataFrame) -> Iterator[DataFrame]:
    """Give the table `pairs` of usable groups, its clicks freed of the bias of their position where that is set."""
    configuration, interval, source = attempt.configuration, attempt.run.interval, tables.source
    pairs = pairs_of(usable, configuration)
    if source.kind not in ("log", "ubi") or source.clicks.model == "none":
        yield pairs
        return
    events = sources.read_shown(spark, source, interval.start, tables)
    shown = clicks.seen(events, sources.inside(source, interval)).cache()
    try:
        with tasks(spark, "ingest", "weighing clicks"):
            found = clicks.bias(shown, source.clicks)
        attempt.metrics["clicks"] = clicks.told(found, source.clicks)
        weighted = clicks.counted(shown, found, source.clicks)
        counted = pairs.join(weighted, ["query", "document_id"], "left")
        yield counted.withColumn("count", F.coalesce("weighted", "count")).drop("weighted")
    finally:
        shown.unpersist()


def _skips(spark: SparkSession, attempt: Attempt, tables: sources.Tables, usable: DataFrame) -> DataFrame | None:
    """Return the table `skips` of the queries of usable groups; None where it is not wanted."""
    interval, source = attempt.run.interval, tables.source
    if source.kind not in ("log", "ubi") or source.clicks.min_skips is None:
        return None
    events = sources.read_shown(spark, source, interval.start, tables)
    found = skips.passed_over(events, sources.inside(source, interval), source.clicks.min_skips)
    return found.join(usable.select("query").distinct(), "query", "left_semi").select(
        content_id("query").alias("query_id"), "document_id", "count"
    )


def _write(
    spark: SparkSession,
    attempt: Attempt,
    usable: DataFrame,
    pairs: DataFrame,
    passed_over: DataFrame | None,
    documents: DataFrame,
    rejected: DataFrame,
) -> None:
    """Write the five tables of groups, pairs, documents that were passed over, documents and rejected rows."""
    different = usable.count()
    written = {
        "documents": (documents, attempt.metrics["document_rows"]),
        "queries": (queries_of(usable, attempt.configuration), different),
        "pairs": (pairs, different),
        "rejected": (rejected, _rejections(attempt.metrics)),
    }
    if passed_over is None:
        attempt.write("skips", schema("skips").empty_table())
    else:
        with tasks(spark, "ingest", "weighing skips"):
            passed_over = passed_over.cache()
            attempt.metrics["skips"] = passed_over.count()
        written["skips"] = (passed_over, attempt.metrics["skips"])
    for table, (frame, most) in written.items():
        with tasks(spark, "ingest", f"writing {table}"):
            write_table(frame, attempt.output(table), table, rows=most)
    if passed_over is not None:
        passed_over.unpersist()


def _name_lines(attempt: Attempt) -> None:
    """Say where quotes are that are not closed: what else such a line says is in `rejected` only."""
    number = sum(attempt.metrics.get(f"{name}_rejected_unclosed_quote", 0) for name in ("log", "document"))
    if not number:
        return
    files = attempt.output("rejected").files("*.parquet")
    rows = manifests.dataset(files).head(_NAMED, columns=["row"], filter=pads.field("rule") == "unclosed_quote")
    lines = [json.loads(text) for text in rows["row"].to_pylist()]
    log.warning(
        "%d %s a quote that is not closed where its field ends, such as %s; if quotes are text, set source.quote: none",
        number,
        "line has" if number == 1 else "lines have",
        ", ".join(f"line {line['number']} of {line['file']}" for line in lines),
    )


def _judge_documents(documents: DataFrame) -> DataFrame:
    """Return document rows with `broken`, the first rule they break; of several with one id the first stays."""
    order = Window.partitionBy("document_id").orderBy(F.col("flaw").isNotNull(), "title", "text", "row")
    return documents.withColumn("copy", F.row_number().over(order)).withColumn("broken", first_broken(document_rules()))


def _keyed(events: DataFrame, inside: Column) -> DataFrame:
    """Return log rows with all that decides about them as columns; of rows that do not count, only times."""
    keyed = (
        events.withColumn("document_id", F.trim("document_id"))
        .withColumn("timeless", F.col("event_time").isNull())
        .withColumn("uncounted", F.coalesce(F.col("clicks") < 1, F.lit(True)))
        .withColumn("inside", F.col("relevant") & inside)
    )
    columns = [*_DECISIVE, "label", "clicks", *(["row"] if "row" in events.columns else [])]
    kept = (F.when(F.col("inside"), F.col(name)).alias(name) for name in columns)
    return keyed.select("inside", "relevant", "event_time", *kept)


def _grouped(log: DataFrame) -> DataFrame:
    """Return rows that are alike but for their times and clicks, as one: `rows` of them, with `total` clicks."""
    return log.groupBy("inside", "relevant", "label", *_DECISIVE).agg(
        F.count("*").alias("rows"),
        # Null where the sum is too large.
        F.try_sum("clicks").alias("total"),
        # Of rows without countable clicks none has any, of the others all have: one of them tells.
        F.min("clicks").alias("clicks"),
        F.min("event_time").alias("event_time"),
        F.max("event_time").alias("last_seen"),
    )


def _judge_groups(groups: DataFrame, documents: DataFrame, configuration: Configuration) -> DataFrame:
    """Return groups with normalised `query`, and `broken`, the first rule they break."""
    source = configuration.source
    keep_unclicked = source.kind == "beir" or (source.kind in ("log", "ubi") and source.unclicked == "keep")
    known = documents.select("document_id", F.lit(True).alias("known_document"))
    rules = log_rules(configuration.ingest.max_query_characters, keep_unclicked)
    return (
        groups.withColumn("query", normalise_column("raw_query"))
        .withColumn("forgotten", forgotten_column("query", tombstones.lists(configuration.retriever)))
        .join(known, "document_id", "left")
        .withColumn("broken", first_broken(rules))
    )


def _without_overflow(groups: DataFrame) -> DataFrame:
    """Mark the groups as broken whose query has more clicks than a count can hold."""
    total = F.sum(F.coalesce(F.col("total").cast("decimal(38,0)"), F.lit(str(MOST + 1)).cast("decimal(38,0)")))
    counted = _usable(groups.where("inside"))
    all_clicks = counted.agg(total.alias("clicks")).first()
    if all_clicks is None or (all_clicks["clicks"] or 0) <= MOST:
        return groups
    over = counted.groupBy("query").agg(total.alias("clicks")).where(F.col("clicks") > MOST)
    over = over.select("query", F.lit(True).alias("over"))
    broken = F.coalesce("broken", first_broken([overflow_rule("over")]))
    return groups.join(over, "query", "left").withColumn("broken", broken).drop("over")


def _broken_rows(log: DataFrame, groups: DataFrame) -> DataFrame:
    """Return the rows of broken groups, as they came; a second reading of the log."""
    broken = groups.where(F.col("inside") & F.col("broken").isNotNull()).select(*_DECISIVE, "broken").distinct()
    alike = reduce(Column.__and__, (log[name].eqNullSafe(broken[name]) for name in _DECISIVE))
    return log.where("inside").join(broken, alike).select("row", "broken")


def _usable(frame: DataFrame) -> DataFrame:
    return frame.where(F.col("broken").isNull())


def queries_of(groups: DataFrame, configuration: Configuration) -> DataFrame:
    """Return the table `queries` of usable groups of log rows."""
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


def pairs_of(groups: DataFrame, configuration: Configuration) -> DataFrame:
    """Return the table `pairs` of usable groups of log rows."""
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
    """Count the rows that came in, where they went, and by which rule the rejected ones fell."""
    counts = {"log_rows": 0, "log_rows_outside_window": 0, "document_rows": 0}
    judged = documents.withColumns({"inside": F.lit(True), "relevant": F.lit(True), "rows": F.lit(1)})
    for name, frame in (("log", groups), ("document", judged)):
        counts[f"{name}_rows_usable"] = 0
        fates = frame.groupBy("inside", "relevant", F.col("broken.rule").alias("rule"))
        # As many as there are rules.
        for row in fates.agg(F.sum("rows").alias("rows")).collect():
            counts[f"{name}_rows"] += row["rows"]
            fate = f"{name}_rejected_{row['rule']}" if row["rule"] else f"{name}_rows_usable"
            fate = fate if row["inside"] else "log_rows_outside_window" if row["relevant"] else "log_rows_not_relevant"
            counts[fate] = counts.get(fate, 0) + row["rows"]
    return counts


def _rejections(metrics: dict[str, int], source: str = "") -> int:
    return sum(count for key, count in metrics.items() if f"{source}_rejected_" in key)


def _require_rows(attempt: Attempt, groups: DataFrame, documents: DataFrame) -> None:
    """Refuse input of which no row is usable.

    Raises:
        InputError: It says why, and what the log has instead.
    """
    counts, source = attempt.metrics, attempt.configuration.source
    for name, what in (("document", "documents"), ("log", "rows of the query log")):
        if counts[f"{name}_rows_usable"] == 0:
            reasons = {
                key.split("_rejected_")[1]: n for key, n in counts.items() if key.startswith(f"{name}_rejected_")
            }
            where = sources.where(source, documents=name == "document")
            cause, remedy = ("", "") if name == "document" else _why_none(attempt, groups, documents)
            section = "source.documents" if name == "document" and source.kind in ("log", "ubi") else "source"
            settings = "" if source.kind == "beir" else f", where {section} says they are, and {section}.columns"
            raise InputError(
                f"{where}: none of the {counts[f'{name}_rows']} {what} can be used: "
                f"{', '.join(f'{rule} {n}' for rule, n in sorted(reasons.items())) or 'none is in the window'}.",
                cause=cause or ("the files are empty" if not counts[f"{name}_rows"] else "columns are mapped wrongly"),
                remedy=remedy or f"check the files{settings} in the retriever's YAML",
            )


def _why_none(attempt: Attempt, groups: DataFrame, documents: DataFrame) -> tuple[str, str]:
    """Give likely cause and remedy where no row of the log is usable."""
    counts, source, interval = attempt.metrics, attempt.configuration.source, attempt.run.interval
    if counts.get("log_rejected_unknown_document") and (
        told := joining.of(groups, documents, joining.ID_COLUMNS[source.kind])
    ):
        return told
    odd = sum(counts.get(f"log_rejected_{rule}", 0) for rule in ("control_characters", "undecodable"))
    if odd and odd == _rejections(counts, "log"):
        return (
            "the files are in another encoding than they were read in, such as latin-1",
            "set source.encoding to what they are written in, such as latin-1 or cp1252",
        )
    if isinstance(source, BeirSource):
        return "", ""
    if not counts["log_rows"] and source.partition:
        return nothing_read(interval, source.window_days)
    if not counts["log_rows_outside_window"]:
        return "", ""
    seen = groups.agg(F.min("event_time").alias("first"), F.max("last_seen").alias("last")).first()
    assert seen is not None  # an aggregate has one row
    return nothing_inside(interval, source.window_days, seen["first"], seen["last"])
