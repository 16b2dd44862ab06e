"""A sample of a source's data, and what a refresh would make of it.

Small input (up to `WHOLE_BYTES`) is read to its end, so that every count is that of a refresh. Of larger input a sample
is read: up to `MOST_FILES` files, the first, the last and others evenly between them, and of each the first rows, in
all `MOST_ROWS`. Examples quote what people typed: they go to who asked for them, and into no log.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from synalign.config import Configuration
from synalign.embedding.readable import REMEDY, read
from synalign.errors import SynAlignError
from synalign.querylog import joining, sources, tombstones
from synalign.querylog.reading import Opened
from synalign.querylog.rules import document_rules, first_broken, forgotten_column, log_rules, normalise_column
from synalign.querylog.sources import Tables
from synalign.querylog.spark_table import SparkTable
from synalign.querylog.unreadable import readable
from synalign.run import Interval
from synalign.run.window import nothing_inside, nothing_read, told
from synalign.spark.session import session

WHOLE_BYTES = 32 * 2**20
"""Of a table's files, up to which it is read to its end."""

MOST_BYTES = 512 * 2**20
"""Of the documents' files, up to which all their ids are read, to see which of the log's are among them."""

MOST_DOCUMENTS = 1_000_000
"""Of a table that Spark reads, up to which all their ids are read."""

MOST_ROWS, MOST_FILES = 10_000, 20
EXAMPLES = 3
FEW_JOIN = 0.9
"""Share of the log's ids among the documents' below which it is said what might join them."""

LONGEST = 160
"""Characters of a text that is quoted."""

_TEXTS = {"queries": 5_000, "documents": 1_000}


class Sample(NamedTuple):
    """A sample of a source's data.

    Attributes:
        tables: The source's files.
        events: Rows of the log: `inside`, whether each is in the window, and `broken`, the first rule it breaks.
        documents: Documents, each with `broken`.
        said: What part of the log it is, in words.
        whole: Whether it is all of the log.
        all_documents: Whether it is all documents.
    """

    tables: Tables
    events: DataFrame
    documents: DataFrame
    said: str
    whole: bool
    all_documents: bool


def look(configuration: Configuration, interval: Interval, texts: int = 0) -> dict[str, Any]:
    """Read a sample of a source's data and say what a refresh would make of it.

    Args:
        configuration: The retriever's.
        interval: The data interval that the window is of.
        texts: How many distinct queries, and how many documents, to return in full as `texts`; 0: none.

    Returns:
        Plain data: `said` (what was told from the files), `columns`, `sample`, `examples`, `window`, `ids`, `encoder`,
        `rejected`, `problems` (why the data cannot be used; empty where it can) and `warnings`.

    Raises:
        InputError: A file is missing or damaged, or a column is not there.
    """
    with sampled(configuration, interval) as found:
        return _told(configuration, interval, found, texts)


@contextmanager
def sampled(configuration: Configuration, interval: Interval) -> Iterator[Sample]:
    """Read a sample of a source's data with Spark, and judge its rows as the step *ingest* judges them.

    Raises:
        InputError: A file is missing or damaged, or a column is not there.
    """
    source = configuration.source
    # Mistakes in files are seen before Spark starts.
    tables = None if sources.by_spark(source) else sources.open_source(source)
    with session("synalign check") as spark, readable(sources.where(source)):
        if tables is None:
            tables = sources.open_source(source, spark, sources.window_of(source, interval))
        documents, all_documents = _documents(spark, configuration, tables)
        log, said, whole = _log(spark, configuration, interval, tables)
        events = _judged(log, documents if all_documents else None, configuration, interval).cache()
        try:
            yield Sample(tables, events, documents, said, whole, all_documents)
        finally:
            events.unpersist()
            documents.unpersist()


def _told(configuration: Configuration, interval: Interval, found: Sample, most: int) -> dict[str, Any]:
    tables, events, documents, sample, whole, all_documents = found
    seen = _seen(events)
    usable = events.where(F.col("broken").isNull() & F.col("inside"))
    # Whether the encoder fits depends on neither the date nor the documents.
    rule = F.coalesce(F.col("broken.rule"), F.lit(""))
    asked = events.where(rule.isin("", "unknown_document", "null_document", "malformed_time"))
    queries = [row[0] for row in asked.select("query").distinct().limit(_TEXTS["queries"]).collect()]
    sound = documents.where(F.col("broken").isNull())
    collected = sound.select(F.concat_ws("\n", "title", "text").alias("text")).limit(_TEXTS["documents"]).collect()
    texts = [row["text"] for row in collected]
    encoder = _encoder(configuration, queries, texts)
    rejected = _rejected(events.where("inside"), "query log") + _rejected(documents, "documents")
    ids = _ids(events) if all_documents and configuration.source.kind != "labelled" else None
    if ids is not None and ids["share"] is not None and ids["share"] < FEW_JOIN:
        ids["hint"] = list(joining.of(events, documents, joining.ID_COLUMNS[configuration.source.kind]) or ())
    seen["usable"] = usable.count()
    problems, warnings = _verdict(configuration, interval, seen, rejected, sound.limit(1).count(), encoder, whole)
    return {
        "retriever": configuration.retriever,
        "kind": configuration.source.kind,
        "said": list(tables.said),
        "columns": {opened.table.name: opened.names for opened in _tables(tables)},
        "sample": sample,
        "whole": whole,
        "examples": _examples(events, documents),
        "window": _window(configuration, interval, seen),
        "rows": {name: seen[name] for name in ("rows", "inside", "usable")},
        "ids": ids,
        "encoder": encoder,
        "rejected": rejected,
        "problems": problems,
        "warnings": warnings,
        **({"texts": {"queries": queries[:most], "documents": list(dict.fromkeys(texts))[:most]}} if most else {}),
    }


def _tables(tables: Tables) -> list[Opened | SparkTable]:
    found = [tables.log, tables.queries, tables.documents, *(tables.folder.tables if tables.folder else ())]
    return [one for one in found if one is not None]


def _bytes(opened: Sequence[Opened | SparkTable]) -> int:
    return sum(file.stat().st_size for one in opened if isinstance(one, Opened) for file in one.files)


def _log(
    spark: SparkSession, configuration: Configuration, interval: Interval, tables: Tables
) -> tuple[DataFrame, str, bool]:
    """Return the log or a sample of it, what it is in words, and whether it is all."""
    source, start = configuration.source, interval.start

    def read(some: Tables) -> DataFrame:
        return sources.read_log(spark, source, start, some)

    if isinstance(tables.log, SparkTable):
        log = read(tables)
        whole = log.limit(MOST_ROWS + 1).count() <= MOST_ROWS
        of = "the window's partitions" if getattr(tables.log.table.files, "partition", None) else tables.log.table.name
        return log.limit(MOST_ROWS), f"{'all' if whole else f'{MOST_ROWS:,}'} rows of {of}", whole
    if _bytes([one for one in _tables(tables) if one is not tables.documents]) <= WHOLE_BYTES:
        return read(tables), "all rows of the log", True
    if tables.log is None:
        return read(tables).limit(MOST_ROWS), f"{MOST_ROWS:,} rows of the folder", False
    files = _spread(tables.log.files)
    rows = MOST_ROWS // len(files)
    parts = [read(tables._replace(log=_only(tables.log, file))).limit(rows) for file in files]
    of = f"{len(files)} of {len(tables.log.files):,} files" if len(files) > 1 else "the file"
    return reduce(DataFrame.unionByName, parts), f"the first {rows:,} rows of {of}", False


def _spread(files: Sequence[Path]) -> list[Path]:
    """Return the first file, the last, and others evenly between them.

    >>> [str(path) for path in _spread([Path(str(number)) for number in range(100)])][:3]
    ['0', '5', '10']
    """
    if len(files) <= MOST_FILES:
        return list(files)
    return [files[round(place * (len(files) - 1) / (MOST_FILES - 1))] for place in range(MOST_FILES)]


def _only(opened: Opened, file: Path) -> Opened:
    """Return a table of one of its files."""
    heads = tuple(head for head in opened.heads if head.dialect.path == str(file))
    footers = tuple(footer for footer in opened.footers if footer.path == file)
    return opened._replace(files=(file,), heads=heads, footers=footers)


def _documents(spark: SparkSession, configuration: Configuration, tables: Tables) -> tuple[DataFrame, bool]:
    """Return the documents with the rule that each breaks, cached, and whether they are all."""
    held = [one for one in (tables.documents or tables.log, *((tables.folder.corpus,) if tables.folder else ())) if one]
    frame = sources.read_documents(spark, configuration.source, tables)
    by_spark = isinstance(tables.documents, SparkTable)
    whole = frame.count() <= MOST_DOCUMENTS if by_spark else _bytes(held) <= MOST_BYTES
    frame = frame if whole else frame.limit(MOST_ROWS)
    copy = F.row_number().over(Window.partitionBy("document_id").orderBy(F.col("flaw").isNotNull(), "title", "text"))
    return frame.withColumn("copy", copy).withColumn("broken", first_broken(document_rules())).cache(), whole


def _judged(log: DataFrame, documents: DataFrame | None, configuration: Configuration, interval: Interval) -> DataFrame:
    """Return log rows with `inside`, and `broken`, the first rule they break; as the step *ingest* judges them."""
    source = configuration.source
    unclicked = source.kind == "beir" or (source.kind in ("log", "ubi") and source.unclicked == "keep")
    events = (
        log.withColumn("document_id", F.trim("document_id"))
        .withColumn("inside", F.col("relevant") & sources.inside(configuration.source, interval))
        .withColumn("query", normalise_column("raw_query"))
        .withColumn("forgotten", forgotten_column("query", tombstones.lists(configuration.retriever)))
    )
    if documents is None:
        events = events.withColumn("known_document", F.lit(True))
    else:
        known = documents.where(F.col("broken").isNull()).select("document_id", F.lit(True).alias("known_document"))
        events = events.join(known, "document_id", "left")
    rules = log_rules(configuration.ingest.max_query_characters, unclicked)
    return events.withColumn("broken", first_broken(rules))


def _seen(events: DataFrame) -> dict[str, Any]:
    """Return how many rows there are and are inside, and the first and the last time."""
    row = events.agg(
        F.count("*").alias("rows"),
        # Rows without a time belong to every window, and are rejected in each.
        F.count_if(F.col("inside") & F.col("event_time").isNotNull()).alias("inside"),
        F.min("event_time").alias("first"),
        F.max("event_time").alias("last"),
    ).first()
    assert row is not None  # an aggregate has one row
    return row.asDict()


def _ids(events: DataFrame) -> dict[str, Any]:
    """Return how many rows name a document, how many of them one that is there, and one that is not."""
    named = events.where(F.coalesce(F.col("document_id"), F.lit("")) != "")
    row = named.agg(
        F.count("*").alias("rows"),
        F.count_if(F.col("known_document").isNotNull()).alias("joined"),
        F.min(F.when(F.col("known_document").isNull(), F.col("document_id"))).alias("unknown"),
    ).first()
    assert row is not None  # an aggregate has one row
    return {
        "rows": row["rows"],
        "joined": row["joined"],
        "share": row["joined"] / row["rows"] if row["rows"] else None,
        "unknown": _cut(row["unknown"]),
    }


def _rejected(frame: DataFrame, table: str) -> list[dict[str, Any]]:
    """Return the rules by which rows are rejected, the commonest first, each with one of its rows."""
    # What was forgotten must not be shown.
    row = F.when(F.col("broken.rule") != "forgotten", F.substring("row", 1, LONGEST + 1))
    fates = frame.where(F.col("broken").isNotNull()).groupBy("broken.rule", "broken.reason")
    found = fates.agg(F.count("*").alias("rows"), F.min(row).alias("example")).collect()
    return [
        {**one.asDict(), "table": table, "example": _cut(one["example"])}
        for one in sorted(found, key=lambda one: (-one["rows"], one["rule"]))
    ]


def _examples(events: DataFrame, documents: DataFrame) -> list[dict[str, Any]]:
    """Return a few rows as they are understood, usable ones first."""
    rank = F.col("broken").isNotNull().cast("int") + 2 * (~F.col("inside")).cast("int")
    rows = events.orderBy(rank, F.desc("event_time"), "query").limit(EXAMPLES).collect()
    ids = [row["document_id"] for row in rows if row["document_id"]]
    found = documents.where(F.col("document_id").isin(ids)).select("document_id", "title", "text").collect()
    names = {one["document_id"]: one["title"] or one["text"] for one in found}
    return [
        {
            "time": told(row["event_time"]) if row["event_time"] else None,
            "query": _cut(row["query"]),
            "document_id": _cut(row["document_id"]),
            "document": _cut(names.get(row["document_id"])),
            "clicks": row["clicks"],
            "rejected": row["broken"]["rule"] if row["broken"] else None,
            "inside": row["inside"],
        }
        for row in rows
    ]


def _window(configuration: Configuration, interval: Interval, seen: dict[str, Any]) -> dict[str, Any] | None:
    """Return the window and the times of the log; None for a source without times."""
    source = configuration.source
    frame = sources.window_of(source, interval)
    if frame is None or source.kind == "beir":
        return None
    return {
        "interval": [told(interval.start), told(interval.end)],
        "days": source.window_days,
        "from": told(frame.start),
        "to": told(frame.end),
        "first": told(seen["first"]) if seen["first"] else None,
        "last": told(seen["last"]) if seen["last"] else None,
    }


def _encoder(configuration: Configuration, queries: list[str], documents: list[str]) -> dict[str, Any]:
    """Return what the encoder makes of the texts."""
    settings = configuration.encoder
    found: dict[str, Any] = {"model": settings.model}
    try:
        for name, texts in (("queries", queries), ("documents", documents)):
            distinct = list(dict.fromkeys(texts))
            reading = read(distinct, settings)
            found[name] = reading and {
                "texts": reading.texts,
                "unknown_tokens": reading.unknown_share,
                "unreadable": reading.unreadable_share,
                "spelled": len(reading.spelled) / reading.texts if reading.texts else 0.0,
                "scripts": list(reading.scripts),
                "examples": [_cut(distinct[row]) for row in reading.unreadable[:EXAMPLES]],
                "fits": reading.fits,
            }
    except SynAlignError as error:
        found["error"] = error.message
    return found


def _verdict(
    configuration: Configuration, interval: Interval, seen: dict[str, Any], rejected: list[dict[str, Any]],
    documents: int, encoder: dict[str, Any], whole: bool,
) -> tuple[list[dict[str, str]], list[str]]:  # fmt: skip
    """Return why the data cannot be used, each with what to do, and what else to know."""
    problems, warnings, source = [], [], configuration.source
    if not documents:
        problems.append({"about": "documents", "text": f"no {'label' if source.kind == 'labelled' else 'document'} "
                         "can be used", "remedy": "see the rules above, and check the columns"})  # fmt: skip
    if not seen["inside"] and seen["first"] is not None and source.kind != "beir":
        text, remedy = nothing_inside(interval, source.window_days, seen["first"], seen["last"])
        text = f"no row of {'the log' if whole else 'the sample'} is in the window: {text}"
        problems.append({"about": "window", "text": text, "remedy": remedy})
    elif not seen["rows"] and source.kind != "beir" and source.partition:
        text, remedy = nothing_read(interval, source.window_days)
        problems.append({"about": "window", "text": text, "remedy": remedy})
    elif not seen["usable"]:
        most = next((one for one in rejected if one["table"] == "query log"), None)
        why = f"; most often ({most['rows']:,}): {most['reason']}" if most else ""
        problems.append({"about": "rows", "text": f"no row of the log can be used{why}",
                         "remedy": "check source.columns, and the ids of both tables"})  # fmt: skip
    if "error" in encoder:
        warnings.append(f"the encoder cannot be tried: {encoder['error']}")
    for name in ("queries", "documents"):
        reading = encoder.get(name)
        if reading and not reading["fits"]:
            text = f"the encoder cannot read the {name}: {reading['unknown_tokens']:.0%} of their tokens are unknown"
            problems.append({"about": "encoder", "text": f"{text}, {reading['unreadable']:.0%} of them lost",
                             "remedy": REMEDY})  # fmt: skip
        elif reading and reading["unreadable"]:
            warnings.append(f"the encoder cannot read {reading['unreadable']:.1%} of the {name}")
        if reading and reading["spelled"] >= 0.1:
            warnings.append(f"the encoder spells {reading['spelled']:.0%} of the {name} letter by letter: it knows no "
                            "words of their language")  # fmt: skip
    return problems, warnings


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= LONGEST else text[:LONGEST] + "..."
