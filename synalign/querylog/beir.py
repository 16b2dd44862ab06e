"""A BEIR folder: its corpus, its queries, and its judgements as events of a query log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from pathlib import Path
from typing import NamedTuple

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from synalign.config import BeirSource, resolve
from synalign.config.location import TableFiles
from synalign.errors import InputError
from synalign.querylog.columns import Column
from synalign.querylog.files import Table, require_file
from synalign.querylog.heads import first_lines
from synalign.querylog.reading import Opened, open_table, read

_CORPUS = (
    Column("document_id", "_id", "text"),
    Column("text", "text", "text"),
    Column("title", "title", "text", False),
)
_QUERIES = (Column("query_id", "_id", "text"), Column("query", "text", "text"))
_JUDGEMENTS = (
    Column("query_id", "query-id", "text"),
    Column("document_id", "corpus-id", "text"),
    Column("score", "score", "text"),
)
_NAMES = tuple(column.name for column in _JUDGEMENTS)
_TREC = ("query-id", "iteration", "corpus-id", "score")
# MS MARCO has the same as texts parted by tabs: an id, and what belongs to it.
_CORPUS_FILES = ("corpus.jsonl", "collection.tsv")
_QUERY_FILES = ("queries.jsonl", "queries.tsv", "queries.train.tsv")
_COMPRESSED = ("", ".gz", ".bz2", ".zst", ".xz")


class Folder(NamedTuple):
    """A BEIR folder whose heads were read.

    Attributes:
        corpus: The documents.
        queries: Their ids and texts.
        judgements: A table for each file of judgements.
        unlabelled: Queries without a judgement, where there are any.
    """

    corpus: Opened
    queries: Opened
    judgements: tuple[Opened, ...]
    unlabelled: Opened | None

    @property
    def tables(self) -> tuple[Opened, ...]:
        """All tables."""
        found = (self.corpus, self.queries, *self.judgements, self.unlabelled)
        return tuple(one for one in found if one is not None)


def files_of(source: BeirSource) -> list[Path]:
    """Return the files of a folder that are read.

    Raises:
        InputError: One is missing.
    """
    unlabelled = _unlabelled(source)
    paths = [_path(source, *_CORPUS_FILES), _path(source, *_QUERY_FILES), *_qrels(source)]
    return paths + ([unlabelled] if unlabelled else [])


def open_folder(source: BeirSource) -> Folder:
    """Read the heads of the files of a folder.

    Raises:
        InputError: A file is missing, damaged or laid out in another way.
    """
    unlabelled = _unlabelled(source)
    return Folder(
        _open("corpus", _path(source, *_CORPUS_FILES), _CORPUS),
        _open("queries", _path(source, *_QUERY_FILES), _QUERIES),
        tuple(_open_judgements(path) for path in _qrels(source)),
        _open("unlabelled queries", unlabelled, _QUERIES[1:]) if unlabelled else None,
    )


def _open(name: str, path: Path, wanted: Sequence[Column]) -> Opened:
    if ".tsv" not in path.name:
        return open_table(Table(name, "", TableFiles(path=str(path), format="jsonl")), wanted)
    return open_table(_separated(name, path, "\t", ("_id", "text")), wanted)


def _separated(name: str, path: Path, delimiter: str, header: bool | tuple[str, ...]) -> Table:
    """Return a table of fields between tabs or spaces, in which quotes are text."""
    files = TableFiles(path=str(path), format="csv", delimiter=delimiter, quote="none", header=header)
    return Table(name, "", files)


def _open_judgements(path: Path) -> Opened:
    """Read the head of judgements as BEIR writes them, with or without names, or as TREC, with a column without use.

    Raises:
        InputError: They are laid out in another way.
    """
    lines = [line for line in first_lines(_separated("judgements", path, "\t", True), path) if line.strip()]
    first = lines[0] if lines else ""
    header: bool | tuple[str, ...] = True
    delimiter = "\t" if "\t" in first else " "
    fields = [field.strip() for field in first.split(delimiter)]
    if not set(_NAMES) <= set(fields):
        if len(fields) == 4 and _is_number(fields[3]):
            header = _TREC
        elif not lines or (len(fields) == 3 and (_is_number(fields[2]) or not lines[1:])):
            header = _NAMES
        else:
            raise InputError(
                f"{path}: begins with {first[:60]!r}, which has no columns 'query-id', 'corpus-id' and 'score'.",
                cause="judgements in another layout than BEIR's or TREC's",
                remedy="write query-id, corpus-id and score, parted by tabs, with a first line of these names",
            )
    return open_table(_separated("judgements", path, delimiter, header), _JUDGEMENTS)


def _is_number(text: str) -> bool:
    try:
        return float(text) == float(text)
    except ValueError:
        return False


def log(spark: SparkSession, folder: Folder, start: datetime, *, rows: bool) -> DataFrame:
    """Return judgements as events at `start`, unlabelled queries, and lines that are none of these."""
    judged = [read(spark, opened, rows=rows) for opened in folder.judgements]
    judgements = reduce(DataFrame.unionByName, judged)
    queries = read(spark, folder.queries, rows=rows)
    # Of several queries with one id, the first by its text counts.
    order = Window.partitionBy("query_id").orderBy("flaw", "query")
    queries = queries.withColumn("copy", F.row_number().over(order))
    score = F.trim("score")
    number = F.when(score.rlike(r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"), score.cast("double"))
    unnamed = reduce(
        SparkColumn.__or__, (F.coalesce(F.trim(one) == "", F.lit(True)) for one in ("query_id", "document_id"))
    )
    broken = F.col("flaw").isNull() & (number.isNull() | unnamed)
    known = queries.where(F.col("flaw").isNull() & (F.col("copy") == 1) & F.col("query_id").isNotNull())
    judgements = judgements.withColumns(
        {
            "relevant": F.coalesce(number > 0, F.lit(True)),
            "flaw": F.when(broken, "malformed_row").otherwise(F.col("flaw")),
        }
    )
    judgements = judgements.withColumn("query_id", F.trim("query_id"))
    known = known.select(F.trim("query_id").alias("query_id"), "query")
    events = judgements.join(known, "query_id", "left")
    # A query that nobody judged is no event; a line that is no query is a broken one.
    others = queries.where(F.col("flaw").isNotNull() | (F.col("copy") > 1) | F.col("query_id").isNull())
    twice = F.when(F.col("query_id").isNull(), "malformed_row").otherwise("duplicate_query_id")
    others = others.withColumns({"flaw": F.coalesce("flaw", twice), "document_id": _none(), "relevant": F.lit(True)})
    frames = [events, others]
    if folder.unlabelled is not None:
        unlabelled = read(spark, folder.unlabelled, rows=rows)
        frames.append(unlabelled.withColumns({"document_id": _none(), "relevant": F.lit(True)}))
    columns = [
        *([F.col("row")] if rows else []),
        F.col("flaw"),
        F.col("relevant"),
        F.lit(start).cast("timestamp").alias("event_time"),
        F.col("query").alias("raw_query"),
        F.col("document_id"),
        F.lit(1).cast("long").alias("clicks"),
        _none().alias("label"),
    ]
    return reduce(DataFrame.unionByName, [frame.select(*columns) for frame in frames])


def _none() -> SparkColumn:
    return F.lit(None).cast("string")


def _path(source: BeirSource, *names: str) -> Path:
    """Return a file of a folder by the first of its names that is there, also compressed."""
    return require_file(_first(source, *names) or resolve(source.path) / names[0])


def _unlabelled(source: BeirSource) -> Path | None:
    return _first(source, "unlabelled_queries.jsonl")


def _first(source: BeirSource, *names: str) -> Path | None:
    folder = resolve(source.path)
    found = (folder / f"{name}{ending}" for name in names for ending in _COMPRESSED)
    return next((path for path in found if path.is_file()), None)


def _qrels(source: BeirSource) -> list[Path]:
    folder = resolve(source.path) / "qrels"
    if source.qrels:
        return [require_file(folder / name) for name in source.qrels]
    train = folder / "train.tsv"
    paths = [train] if train.is_file() else sorted(folder.glob("*.tsv"))
    if not paths:
        raise InputError(f"{folder}: has no .tsv file.", remedy="point source.path at a BEIR folder")
    return [require_file(path) for path in paths]
