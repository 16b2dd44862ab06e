"""Query logs and documents of a source, of whatever kind, as one shape of frame.

A log frame has `flaw` (the name of the rule that a row breaks by itself, or null), `relevant` (false for judgements
that say so, and for rows that are no clicks), `event_time` (timestamp or null), `raw_query`, `document_id`, `clicks`
(long or null) and `label`, and that of a query log `clicks.COLUMNS`; a document frame has `flaw`, `document_id`,
`title`, `text`. Both have `row`, the row as it came, as JSON, where it is asked for. Nothing is dropped here:
`synalign.querylog.rules` decides.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from synalign.config import DocumentColumns, LabelledSource, LogSource, Source, UbiSource, resolve
from synalign.querylog import beir, clicks, reformulations, ubi
from synalign.querylog.columns import Column, Kind
from synalign.querylog.document_fields import field_columns, text_column
from synalign.querylog.files import Table
from synalign.querylog.files import files_of as table_files
from synalign.querylog.reading import Opened, open_table, read
from synalign.querylog.spark_table import SparkTable, open_spark_table
from synalign.querylog.versions import stamp, version
from synalign.run import Interval
from synalign.run.window import window

_OPTIONAL: tuple[tuple[str, Kind], ...] = (
    ("clicks", "count"), ("label", "text"), ("position", "count"), ("impressions", "count"), ("action", "text"),
    ("dwell", "number"), ("session_id", "text"),
)  # fmt: skip
"""Columns of a log that it need not have, and what they hold."""


class Tables(NamedTuple):
    """The tables of a source: files whose heads and footers were read, or tables that Spark knows.

    Attributes:
        source: The source.
        log: The query log; None for a BEIR folder.
        documents: The documents; None for a BEIR folder and for labelled texts, whose labels are the documents.
        folder: Of a BEIR folder: its tables.
        queries: Of User Behavior Insights: the searches; the log has the events.
    """

    source: Source
    log: Opened | SparkTable | None
    documents: Opened | SparkTable | None
    folder: beir.Folder | None
    queries: Opened | SparkTable | None = None

    @property
    def said(self) -> tuple[str, ...]:
        """Say what the files tell, a line for each table."""
        opened = [self.log, self.queries, self.documents, *(self.folder.tables if self.folder else ())]
        return tuple(one.said for one in opened if one is not None)


def by_spark(source: Source) -> bool:
    """Tell whether a table of a source is read by Spark's own readers, so that nothing is known of it without Spark."""
    return source.kind != "beir" and any(table.files.by_spark for table, _ in _tables_of(source).values())


def where(source: Source, *, documents: bool = False) -> str:
    """Return where the log of a source is, or its documents, for messages."""
    if source.kind == "beir":
        return str(resolve(source.path))
    table = source.documents if documents and source.kind in ("log", "ubi") else source
    return table.location if table.by_spark else str(resolve(table.path or ""))


def window_of(source: Source, interval: Interval) -> Interval | None:
    """Return the days of log that a run uses; None for a source without times, of which all is used."""
    if source.kind == "beir" or (source.kind == "labelled" and source.columns.event_time is None):
        return None
    return window(interval, source.window_days)


def inside(source: Source, interval: Interval) -> SparkColumn:
    """Return whether a row is in the window; rows without a time are, as they belong to no other window either."""
    days, time = window_of(source, interval), F.col("event_time")
    if days is None:
        return F.lit(True)
    return time.isNull() | ((time >= F.lit(days.start)) & (time < F.lit(days.end)))


def versions_of(source: Source, spark: SparkSession | None = None, window: Interval | None = None) -> dict[str, str]:
    """Return what a source is read from, each with what changes when it does; a change makes ingest run again.

    Files have their size and the time of their last change, tables their version: no row is read here.

    Args:
        source: The source.
        spark: A session, needed where Spark reads one of its tables.
        window: The days of log that are used.

    Raises:
        InputError: A file, folder or table is missing, empty or may not be read.
    """
    if source.kind == "beir":
        return {str(path): stamp(path) for path in beir.files_of(source)}
    versions: dict[str, str] = {}
    for table, wanted in _tables_of(source).values():
        if table.files.by_spark:
            assert spark is not None  # whoever asks has looked at `by_spark`
            versions[f"{table.name}: {table.files.location}"] = version(spark, table, wanted, window)
        else:
            versions.update({str(path): stamp(path) for path in table_files(table)[1]})
    return versions


def open_source(source: Source, spark: SparkSession | None = None, window: Interval | None = None) -> Tables:
    """Read heads and footers of the files of a source, and ask Spark for the tables that it reads.

    Args:
        source: The source.
        spark: A session, needed where Spark reads one of its tables.
        window: The days of log that are used: of a table with known partitions, only these are read.

    Raises:
        InputError: A file or table is missing, damaged or laid out in another way, a column is missing, or the format
            of the times cannot be told.
        SetupError: Spark lacks a reader for a table.
    """
    if source.kind == "beir":
        return Tables(source, None, None, beir.open_folder(source))
    opened: dict[str, Opened | SparkTable] = {}
    for role, (table, wanted) in _tables_of(source).items():
        format_ = "auto" if role == "documents" else source.time_format
        if table.files.by_spark:
            assert spark is not None  # whoever asks has looked at `by_spark`
            opened[role] = open_spark_table(spark, table, wanted, format_, window)
        else:
            opened[role] = open_table(table, wanted, format_)
    return Tables(source, opened["log"], opened.get("documents"), None, opened.get("queries"))


def _tables_of(source: LogSource | LabelledSource | UbiSource) -> dict[str, tuple[Table, list[Column]]]:
    """Return the tables of a source by what they are, each with the columns that are wanted."""
    log = Table("query log", "source", source)
    if source.kind == "labelled":
        return {"log": (log, _log_columns(source))}
    documents = Table("documents", "source.documents", source.documents)
    wanted = document_columns(source.documents.columns, source.documents.fields)
    if source.kind == "log":
        return {"log": (log, _log_columns(source)), "documents": (documents, wanted)}
    searches = Table("searches", "source.queries", source.queries)
    return {
        "queries": (searches, ubi.query_columns(source.columns)),
        "log": (log, ubi.event_columns(source.columns)),
        "documents": (documents, wanted),
    }


def read_log(
    spark: SparkSession, source: Source, start: datetime, tables: Tables | None = None, *, rows: bool = True
) -> DataFrame:
    """Return the query log, read when Spark needs it. A BEIR folder's judgements become events at `start`.

    Args:
        spark: The session.
        source: The source.
        start: The beginning of the data interval.
        tables: The source's files, where they were opened before.
        rows: Whether the rows themselves are wanted, as JSON.

    Raises:
        InputError: A file is missing or unreadable, or a column is not there.
    """
    tables = tables or open_source(source)
    if tables.folder is not None:
        return beir.log(spark, tables.folder, start, rows=rows)
    assert tables.log is not None  # every other kind has one
    if source.kind == "ubi":
        assert tables.queries is not None  # of this kind
        return _carried(ubi.log(spark, tables.log, tables.queries, source.clicks, rows=rows), source)
    frame = read(spark, tables.log, rows=rows).withColumn("relevant", F.lit(True))
    if source.kind == "labelled":
        label = F.trim("label")
        frame = frame.withColumns({"document_id": label, "label": label})
        if source.columns.event_time is None:
            frame = frame.withColumn("event_time", F.lit(start).cast("timestamp"))
    for name, kind in (("clicks", "long"), ("label", "string")):
        if name not in frame.columns:
            frame = frame.withColumn(name, F.lit(1 if name == "clicks" else None).cast(kind))
    columns = ["flaw", "relevant", "event_time", "raw_query", "document_id", "clicks", "label"]
    frame = frame.withColumnRenamed("query", "raw_query")
    if source.kind == "log":
        frame = clicks.marked(frame, source.clicks)
        columns += clicks.COLUMNS
    frame = frame.select(*(["row"] if rows else []), *columns)
    return _carried(frame, source) if source.kind == "log" else frame


def _carried(frame: DataFrame, source: LogSource | UbiSource) -> DataFrame:
    seconds = source.clicks.reformulation_seconds
    return reformulations.carried(frame, seconds) if seconds else frame


def read_shown(spark: SparkSession, source: LogSource | UbiSource, start: datetime, tables: Tables) -> DataFrame:
    """Return what was shown and clicked: the log, and where it is told, what a search returned. See `read_log`."""
    if source.kind == "log":
        return read_log(spark, source, start, tables, rows=False)
    assert tables.log is not None and tables.queries is not None  # of this kind
    return ubi.shown(spark, tables.log, tables.queries, source.clicks)


def read_documents(
    spark: SparkSession, source: Source, tables: Tables | None = None, *, rows: bool = True
) -> DataFrame:
    """Return the document collection; for labelled texts, their labels. Arguments and errors as of `read_log`."""
    tables = tables or open_source(source)
    if tables.folder is not None:
        frame = read(spark, tables.folder.corpus, rows=rows)
    elif tables.documents is not None:
        frame = read(spark, tables.documents, rows=rows)
        if source.kind in ("log", "ubi") and source.documents.fields is not None:
            frame = frame.withColumn("text", text_column(source.documents.fields))
    else:
        assert tables.log is not None  # of labelled texts
        return _labels(spark, tables.log)
    title = F.trim(F.coalesce(F.col("title"), F.lit(""))) if "title" in frame.columns else F.lit("")
    frame = frame.withColumns({"document_id": F.trim("document_id"), "title": title})
    return frame.select(*(["row"] if rows else []), "flaw", "document_id", "title", "text")


def _log_columns(source: LogSource | LabelledSource) -> list[Column]:
    if isinstance(source, LabelledSource):
        columns = [Column("query", source.columns.text, "text"), Column("label", source.columns.label, "text")]
        time = source.columns.event_time
        return [*columns, *([Column("event_time", time, "time")] if time else [])]
    columns = [
        Column("event_time", source.columns.event_time, "time"),
        Column("query", source.columns.query, "text"),
        Column("document_id", source.columns.document_id, "text"),
    ]
    return columns + [Column(name, given, kind) for name, kind in _OPTIONAL if (given := getattr(source.columns, name))]


def document_columns(names: DocumentColumns, fields: str | tuple[str, ...] | None = None) -> list[Column]:
    """Return the columns of a document table; a title by the default name need not be there.

    Args:
        names: The columns as they are mapped.
        fields: The template of its text, where there is one. A title within it is not written before it again.
    """
    texts = [Column("text", names.text, "text")] if fields is None else field_columns(fields)
    columns = [Column("document_id", names.document_id, "text"), *texts]
    title = None if any(column.key == "fields" and column.name == names.title for column in texts) else names.title
    optional = title == DocumentColumns().title
    return columns + ([Column("title", title, "text", not optional)] if title else [])


def _labels(spark: SparkSession, log: Opened | SparkTable) -> DataFrame:
    """Return every label once, as a document: the label is its id, the readable label its text."""
    frame = read(spark, log.only("label"), rows=False).where(F.col("flaw").isNull())
    # `card_arrival` and `cardArrival` both say "card arrival".
    apart = F.regexp_replace(F.regexp_replace("label", r"(\p{Ll})(\p{Lu})", "$1 $2"), r"[\s_\-./:]+", " ")
    readable = F.trim(apart)
    return (
        frame.select(F.trim("label").alias("label"))
        .where(F.col("label") != "")
        .distinct()
        .select(
            F.to_json(F.struct("label")).alias("row"),
            F.lit(None).cast("string").alias("flaw"),
            F.col("label").alias("document_id"),
            F.lit("").alias("title"),
            F.when(readable == "", F.col("label")).otherwise(readable).alias("text"),
        )
    )
