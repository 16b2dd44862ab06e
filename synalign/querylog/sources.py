"""Reading query logs and document tables: Parquet, CSV, JSONL, BEIR folders and labelled texts, as one shape of frame.

A log frame has `row` (the input row as JSON), `malformed`, `event_time` (timestamp or null), `raw_query`,
`document_id`, `clicks` (long or null) and `label`; a document frame has `row`, `malformed`, `document_id`, `title`,
`text`. Nothing is dropped here: `synalign.querylog.rules` decides.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import reduce
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from synalign.config import BeirSource, DocumentColumns, Format, LabelledSource, Source, resolve
from synalign.errors import InputError
from synalign.manifests import file_digest

_MALFORMED = "_malformed_line"
# What Hadoop's readers take for a pattern in a path.
_PATTERN = re.compile(r"([\\{}\[\]*?])")


def files_of(source: Source) -> dict[str, str]:
    """Every file a source reads, path to SHA-256; what decides whether a finished ingest is still good.

    Raises:
        InputError: A file or folder is missing or empty.
    """
    if source.kind == "beir":
        folder = resolve(source.path)
        paths = [_file(folder / "corpus.jsonl"), _file(folder / "queries.jsonl"), *_qrels(source)]
        unlabelled = folder / "unlabelled_queries.jsonl"
        paths += [unlabelled] if unlabelled.is_file() else []
    elif source.kind == "labelled":
        paths = _files(source.path, source.format)
    else:
        paths = _files(source.path, source.format) + _files(source.documents.path, source.documents.format)
    return {str(path): file_digest(path) for path in paths}


def read_log(spark: SparkSession, source: Source, start: datetime) -> DataFrame:
    """The query log. A BEIR folder's judgements become events at `start`, the beginning of the data interval.

    Raises:
        InputError: A file is missing or unreadable, or a column is not there.
    """
    if source.kind == "beir":
        return _beir_log(spark, source, start)
    if source.kind == "labelled":
        return _labelled_log(spark, source, start)
    names = source.columns
    wanted = [names.event_time, names.query, names.document_id, *filter(None, (names.clicks, names.label))]
    frame = _read(spark, source.path, source.format, wanted)
    clicks: Column = F.lit(1).cast("long")
    if names.clicks is not None:
        text = F.trim(F.col(_quoted(names.clicks)).cast("string"))
        clicks = F.when(text.rlike(r"^\d{1,18}(\.0+)?$"), text.cast("double").cast("long"))
    return frame.select(
        "row",
        "malformed",
        _time(frame, names.event_time).alias("event_time"),
        F.col(_quoted(names.query)).cast("string").alias("raw_query"),
        F.col(_quoted(names.document_id)).cast("string").alias("document_id"),
        clicks.alias("clicks"),
        (F.col(_quoted(names.label)).cast("string") if names.label else F.lit(None).cast("string")).alias("label"),
    )


def read_documents(spark: SparkSession, source: Source) -> DataFrame:
    """The document collection; for labelled texts, their labels.

    Raises:
        InputError: A file is missing or unreadable, or a column is not there.
    """
    if source.kind == "labelled":
        return _labels(spark, source)
    if source.kind == "beir":
        path, format_, names = f"{source.path}/corpus.jsonl", "jsonl", DocumentColumns(document_id="_id")
    else:
        path, format_, names = source.documents.path, source.documents.format, source.documents.columns
    frame = _read(spark, path, format_, [*filter(None, (names.document_id, names.title, names.text))])  # type: ignore[arg-type]
    title = F.col(_quoted(names.title)).cast("string") if names.title else F.lit("")
    return frame.select(
        "row",
        "malformed",
        F.trim(F.col(_quoted(names.document_id)).cast("string")).alias("document_id"),
        F.trim(F.coalesce(title, F.lit(""))).alias("title"),
        F.col(_quoted(names.text)).cast("string").alias("text"),
    )


def _beir_log(spark: SparkSession, source: BeirSource, start: datetime) -> DataFrame:
    queries = _read(spark, f"{source.path}/queries.jsonl", "jsonl", ["_id", "text"])
    judgements = reduce(DataFrame.unionByName, [_judgements(spark, path) for path in _qrels(source)])
    events = judgements.join(queries.select(F.col("_id").alias("query-id"), "text"), "query-id", "left").select(
        F.to_json(F.struct("query-id", "corpus-id", "score")).alias("row"),
        F.lit(False).alias("malformed"),
        F.col("text").alias("raw_query"),
        F.col("corpus-id").alias("document_id"),
    )
    folder = resolve(source.path)
    if (folder / "unlabelled_queries.jsonl").is_file():
        others = _read(spark, f"{source.path}/unlabelled_queries.jsonl", "jsonl", ["_id", "text"])
        events = events.unionByName(
            others.select("row", "malformed", F.col("text").alias("raw_query")).withColumn(
                "document_id", F.lit(None).cast("string")
            )
        )
    return events.select(
        "row",
        "malformed",
        F.lit(start).cast("timestamp").alias("event_time"),
        "raw_query",
        "document_id",
        F.lit(1).cast("long").alias("clicks"),
        F.lit(None).cast("string").alias("label"),
    )


def _labelled_log(spark: SparkSession, source: LabelledSource, start: datetime) -> DataFrame:
    """Texts as queries, their labels as documents; without times they are events at `start`."""
    names = source.columns
    frame = _read(spark, source.path, source.format, [*filter(None, (names.text, names.label, names.event_time))])
    label = F.trim(F.col(_quoted(names.label)).cast("string"))
    return frame.select(
        "row",
        "malformed",
        (_time(frame, names.event_time) if names.event_time else F.lit(start).cast("timestamp")).alias("event_time"),
        F.col(_quoted(names.text)).cast("string").alias("raw_query"),
        label.alias("document_id"),
        F.lit(1).cast("long").alias("clicks"),
        label.alias("label"),
    )


def _labels(spark: SparkSession, source: LabelledSource) -> DataFrame:
    """Every label once, as a document: the label is its id, the label made readable its text."""
    name = source.columns.label
    frame = _read(spark, source.path, source.format, [name]).where(~F.col("malformed"))
    label = F.trim(F.col(_quoted(name)).cast("string"))
    # `card_arrival` and `cardArrival` both say "card arrival".
    apart = F.regexp_replace(F.regexp_replace("label", r"(\p{Ll})(\p{Lu})", "$1 $2"), r"[\s_\-./:]+", " ")
    readable = F.trim(apart)
    return (
        frame.select(label.alias("label"))
        .where(F.col("label") != "")
        .distinct()
        .select(
            F.to_json(F.struct("label")).alias("row"),
            F.lit(False).alias("malformed"),
            F.col("label").alias("document_id"),
            F.lit("").alias("title"),
            F.when(readable == "", F.col("label")).otherwise(readable).alias("text"),
        )
    )


def _judgements(spark: SparkSession, path: Path) -> DataFrame:
    """Positive judgements of one qrels file."""
    frame = spark.read.csv(_literal(path), sep="\t", header=True)
    _require_columns(frame.columns, ["query-id", "corpus-id", "score"], str(path))
    return frame.select("query-id", "corpus-id", "score").where(F.col("score").cast("double") > 0)


def _read(spark: SparkSession, path: str, format_: Format, wanted: list[str]) -> DataFrame:
    """Any of the three formats with the wanted columns, `row` and `malformed`."""
    files = _files(path, format_)
    paths = [_literal(file) for file in files]
    if format_ == "jsonl":
        return _read_jsonl(spark, paths, wanted)
    if format_ == "csv":
        frame = _read_csv(spark, paths)
        columns = [name for name in frame.columns if name != _MALFORMED]
    else:
        _check_parquet(files)
        frame = spark.read.option("mergeSchema", "true").parquet(*paths)
        columns = frame.columns
        frame = frame.withColumn(_MALFORMED, F.lit(None).cast("string"))
    _require_columns(columns, wanted, path)
    broken = F.col(_MALFORMED).isNotNull()
    row = F.when(broken, F.to_json(F.struct(F.col(_MALFORMED).alias("line")))).otherwise(
        F.to_json(F.struct(*(F.col(_quoted(name)) for name in columns)), {"ignoreNullFields": "false"})
    )
    return frame.withColumn("row", row).withColumn("malformed", broken)


def _read_csv(spark: SparkSession, paths: list[str]) -> DataFrame:
    """All columns as text; a line with another number of fields than its header goes to the malformed column."""
    options = {"header": "true", "escape": '"', "multiLine": "true"}
    header = spark.read.options(**options).csv(paths[0]).schema
    schema = StructType([*header.fields, StructField(_MALFORMED, StringType())])
    reader = spark.read.options(**options, columnNameOfCorruptRecord=_MALFORMED, enforceSchema="false")
    # Spark refuses a query that asks for nothing but the malformed column unless the rows are held.
    return reader.schema(schema).csv(paths).cache()


def _read_jsonl(spark: SparkSession, paths: list[str], wanted: list[str]) -> DataFrame:
    schema = StructType([StructField(name, StringType()) for name in (*wanted, _MALFORMED)])
    lines = spark.read.text(paths).where(F.trim("value") != "")
    parsed = F.from_json("value", schema, {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": _MALFORMED})
    frame = lines.withColumn("parsed", parsed)
    broken = F.col(f"parsed.{_MALFORMED}").isNotNull()
    frame = frame.select(
        *(F.col(f"parsed.{_quoted(name)}").alias(name) for name in wanted),
        F.when(broken, F.to_json(F.struct(F.col("value").alias("line")))).otherwise(F.col("value")).alias("row"),
        broken.alias("malformed"),
    )
    present = frame.agg(*(F.count(_quoted(name)).alias(name) for name in wanted), F.count("row").alias("_rows")).first()
    if present is not None and present["_rows"]:
        _require_columns([name for name in wanted if present[name]], wanted, ", ".join(paths[:3]))
    return frame


def _time(frame: DataFrame, name: str) -> Column:
    """A timestamp column as it is, anything else as ISO 8601 text; what does not parse is null."""
    column = F.col(_quoted(name))
    kind = frame.schema[name].dataType.typeName()
    if kind in ("timestamp", "timestamp_ntz", "date"):
        return column.cast("timestamp")
    return F.try_to_timestamp(F.trim(column.cast("string")))


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _require_columns(found: list[str], wanted: list[str], path: str) -> None:
    missing = [name for name in wanted if name not in found]
    if missing:
        present = ", ".join(map(repr, found)) or "none"
        raise InputError(
            f"{path}: columns {', '.join(map(repr, missing))} are missing; it has {present}.",
            remedy="map the names under source.columns (or source.documents.columns) in the retriever's YAML",
        )


def _check_parquet(paths: list[Path]) -> None:
    for path in paths:
        try:
            pq.read_schema(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise InputError(
                f"{path}: is not readable Parquet: {error}.",
                cause="a half-written upload, or another format",
                remedy="write the file again, or set source.format",
            ) from error


def _qrels(source: BeirSource) -> list[Path]:
    folder = resolve(source.path) / "qrels"
    if source.qrels:
        return [_file(folder / name) for name in source.qrels]
    train = folder / "train.tsv"
    paths = [train] if train.is_file() else sorted(folder.glob("*.tsv"))
    if not paths:
        raise InputError(f"{folder}: has no .tsv file.", remedy="point source.path at a BEIR folder")
    return paths


def _files(path: str, format_: Format) -> list[Path]:
    """The files of a path: itself, or every file of that format below it that is not hidden or bookkeeping."""
    place = resolve(path)
    if not place.is_dir():
        return [_file(place)]
    suffixes = {"parquet": (".parquet",), "csv": (".csv", ".csv.gz"), "jsonl": (".jsonl", ".json", ".jsonl.gz")}
    found = [
        file
        for file in sorted(place.rglob("*"))
        if file.is_file() and file.name.endswith(suffixes[format_]) and not file.name.startswith((".", "_"))
    ]
    if not found:
        raise InputError(f"{place}: has no {format_} file.", remedy="check the path, or set source.format")
    return found


def _literal(path: Path) -> str:
    """A file's path for Spark's readers, which would take `*`, `[` and `{` for patterns, and read other files.

    Raises:
        InputError: Spark cannot open a file of that name.
    """
    if ":" in path.name:
        raise InputError(f"{path}: has a colon in its name, which Spark cannot open.", remedy="rename the file")
    return _PATTERN.sub(r"\\\1", str(path))


def _file(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"{path}: there is no such file.", remedy="check the path in the retriever's YAML")
    return path
