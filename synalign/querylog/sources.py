"""Query logs and documents of a source, of whatever kind, as one shape of frame.

A log frame has `flaw` (the name of the rule that a row breaks by itself, or null), `relevant` (false for judgements
that say so), `event_time` (timestamp or null), `raw_query`, `document_id`, `clicks` (long or null) and `label`; a
document frame has `flaw`, `document_id`, `title`, `text`. Both have `row`, the row as it came, as JSON, where it is
asked for. Nothing is dropped here: `synalign.querylog.rules` decides.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from synalign.config import DocumentColumns, LabelledSource, LogSource, Source, resolve
from synalign.querylog import beir
from synalign.querylog.columns import Column
from synalign.querylog.files import Table
from synalign.querylog.files import files_of as table_files
from synalign.querylog.reading import Opened, open_table, read
from synalign.querylog.spark_table import SparkTable, open_spark_table, read_spark_table
from synalign.querylog.versions import stamp, version
from synalign.run import Interval
from synalign.run.window import window


class Tables(NamedTuple):
    """The tables of a source: files whose heads and footers were read, or tables that Spark knows.

    Attributes:
        source: The source.
        log: The query log; None for a BEIR folder.
        documents: The documents; None for a BEIR folder and for labelled texts, whose labels are the documents.
        folder: Of a BEIR folder: its tables.
    """

    source: Source
    log: Opened | SparkTable | None
    documents: Opened | SparkTable | None
    folder: beir.Folder | None

    @property
    def said(self) -> tuple[str, ...]:
        """What the files tell, a line for each table."""
        opened = [self.log, self.documents, *(self.folder.tables if self.folder else ())]
        return tuple(one.said for one in opened if one is not None)


def by_spark(source: Source) -> bool:
    """Tell whether a table of a source is read by Spark's own readers, so that nothing is known of it without Spark."""
    return source.kind != "beir" and (source.by_spark or (source.kind == "log" and source.documents.by_spark))


def where(source: Source, *, documents: bool = False) -> str:
    """Return where the log of a source is, or its documents, for messages."""
    if source.kind == "beir":
        return str(resolve(source.path))
    table = source.documents if documents and source.kind == "log" else source
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
    for table, wanted in _tables_of(source):
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
    opened: list[Opened | SparkTable] = []
    for table, wanted in _tables_of(source):
        format_ = getattr(table.files, "time_format", "auto")
        if table.files.by_spark:
            assert spark is not None  # whoever asks has looked at `by_spark`
            opened.append(open_spark_table(spark, table, wanted, format_, window))
        else:
            opened.append(open_table(table, wanted, format_))
    return Tables(source, opened[0], opened[1] if len(opened) > 1 else None, None)


def _tables_of(source: LogSource | LabelledSource) -> list[tuple[Table, list[Column]]]:
    """Return the tables of a source, the log first, each with the columns that are wanted."""
    tables = [(Table("query log", "source", source), _log_columns(source))]
    if source.kind == "log":
        documents = Table("documents", "source.documents", source.documents)
        tables.append((documents, document_columns(source.documents.columns)))
    return tables


def _read(spark: SparkSession, opened: Opened | SparkTable, *, rows: bool) -> DataFrame:
    return read_spark_table(opened, rows=rows) if isinstance(opened, SparkTable) else read(spark, opened, rows=rows)


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
    frame = _read(spark, tables.log, rows=rows).withColumn("relevant", F.lit(True))
    if source.kind == "labelled":
        label = F.trim("label")
        frame = frame.withColumns({"document_id": label, "label": label})
        if source.columns.event_time is None:
            frame = frame.withColumn("event_time", F.lit(start).cast("timestamp"))
    for name, kind in (("clicks", "long"), ("label", "string")):
        if name not in frame.columns:
            frame = frame.withColumn(name, F.lit(1 if name == "clicks" else None).cast(kind))
    columns = ["flaw", "relevant", "event_time", "raw_query", "document_id", "clicks", "label"]
    return frame.withColumnRenamed("query", "raw_query").select(*(["row"] if rows else []), *columns)


def read_documents(
    spark: SparkSession, source: Source, tables: Tables | None = None, *, rows: bool = True
) -> DataFrame:
    """Return the document collection; for labelled texts, their labels. Arguments and errors as of `read_log`."""
    tables = tables or open_source(source)
    if tables.folder is not None:
        frame = read(spark, tables.folder.corpus, rows=rows)
    elif tables.documents is not None:
        frame = _read(spark, tables.documents, rows=rows)
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
    columns += [Column("clicks", source.columns.clicks, "count")] if source.columns.clicks else []
    return columns + ([Column("label", source.columns.label, "text")] if source.columns.label else [])


def document_columns(names: DocumentColumns) -> list[Column]:
    """Return the columns of a document table; a title by the default name need not be there."""
    columns = [Column("document_id", names.document_id, "text"), Column("text", names.text, "text")]
    optional = names.title == DocumentColumns().title
    return columns + ([Column("title", names.title, "text", not optional)] if names.title else [])


def _labels(spark: SparkSession, log: Opened | SparkTable) -> DataFrame:
    """Return every label once, as a document: the label is its id, the readable label its text."""
    frame = _read(spark, log.only("label"), rows=False).where(F.col("flaw").isNull())
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
