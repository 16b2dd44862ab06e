"""Tables in and out of Spark, on file systems and in object storage alike.

Spark's own Parquet reader serves file systems. Objects are read and written by the tasks themselves, through Arrow,
with the credentials of their environment: the cluster needs no jar for that, and no secret in its settings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark import TaskContext

from synalign import tables
from synalign.errors import RunError
from synalign.storage import Place

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from synalign.run import Run

_PATTERN = re.compile(r"([\\{}\[\]*?])")

ROWS_PER_FILE = 1_000_000
"""Rows of a file that is written, at most."""

ROWS_PER_TASK = 100_000
"""Rows of an object that one task reads, about: whole row groups."""

_KEYS = {"rejected": None, "negatives": 2, "skips": 2}
"""How many of a table's first columns tell its rows apart, where it is not the first alone.

Nothing does in `rejected`: sorting by all columns gives equal rows a stable place, as they are equal.
"""

BATCH_ROWS = 10_000
"""Rows that a task holds at once."""


class Piece(NamedTuple):
    """Row groups of a file that one task reads.

    Attributes:
        file: The file.
        groups: Its row groups; None: all.
    """

    file: Place
    groups: tuple[int, ...] | None


def read_table(spark: SparkSession, run: Run, table: str) -> DataFrame:
    """Return a finished table of a run.

    Raises:
        RunError: The step that writes it has not finished.
    """
    return read_files(spark, run.files(table), table)


def read_files(spark: SparkSession, files: Sequence[Place], table: str) -> DataFrame:
    """Return the rows of a table's files.

    Args:
        spark: The session.
        files: At least one, all in one storage.
        table: Which schema they have.
    """
    if files[0].local is not None:
        return spark.read.parquet(*map(url, files))
    pieces = [piece for file in files for piece in _pieces(file)]
    return read_pieces(spark, [[piece] for piece in pieces], tables.schema(table))


def url(file: Place | Path) -> str:
    """Return the URL of a local file for Spark's readers: a cluster may take bare paths for another file system's.

    Nothing is quoted as in other URLs, for Hadoop unquotes nothing; but what it would take for a pattern is.
    """
    return f"file://{literal(str(file))}"


def literal(path: str) -> str:
    """Escape in a path what Spark's readers take for a pattern: `*`, `?`, brackets and braces."""
    return _PATTERN.sub(r"\\\1", path)


def read_pieces(spark: SparkSession, work: Sequence[Sequence[Piece]], schema: pa.Schema) -> DataFrame:
    """Files of one schema, read in tasks.

    Args:
        spark: The session.
        work: What each task reads.
        schema: Columns to read. One of the name `file` that the files lack gets each row's file's name.
    """
    from pyspark.sql.pandas.types import from_arrow_schema

    # Spark takes a batch only if it may hold nulls wherever the frame may.
    nullable = pa.schema([field.with_nullable(True) for field in schema])
    return spark.range(0, len(work), 1, max(1, len(work))).mapInArrow(
        _reader([list(part) for part in work], nullable), from_arrow_schema(nullable)
    )


def _pieces(file: Place) -> list[Piece]:
    """Return a file in pieces of about `ROWS_PER_TASK` rows."""
    # By the place's own reading: Arrow does not ask again for a few bytes that a storage refused for a moment.
    with file.open_input() as stream:
        footer = pq.read_metadata(stream)
    pieces, groups, rows = [], [], 0
    for group in range(footer.num_row_groups):
        groups.append(group)
        rows += footer.row_group(group).num_rows
        if rows >= ROWS_PER_TASK:
            pieces.append(Piece(file, tuple(groups)))
            groups, rows = [], 0
    return [*pieces, Piece(file, tuple(groups))] if groups else pieces


def _reader(
    work: list[list[Piece]], schema: pa.Schema
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return the function that the tasks run: numbers of parts of the work in, rows out."""

    def read(numbers: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in numbers:
            for number in batch.column(0).to_pylist():
                for piece in work[number]:
                    yield from _rows(piece, schema)

    return read


def _rows(piece: Piece, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    with piece.file.open_input() as stream, pq.ParquetFile(stream) as file:
        present = [name for name in schema.names if name in file.schema_arrow.names]
        groups = piece.groups if piece.groups is not None else range(file.num_row_groups)
        for batch in file.iter_batches(BATCH_ROWS, row_groups=list(groups), columns=present):
            rows = pa.Table.from_batches([batch])
            if "file" in schema.names and "file" not in present:
                rows = rows.append_column("file", pa.array([piece.file.name] * batch.num_rows, pa.string()))
            yield from rows.select(schema.names).cast(schema).combine_chunks().to_batches()


def write_table(
    frame: DataFrame,
    folder: Place,
    table: str,
    *,
    rows: int,
    metadata: dict[str, str] | None = None,
    schema: pa.Schema | None = None,
) -> None:
    """Write a frame as Parquet whose bytes do not depend on the cluster, in one pass.

    Rows go to files by hash of the table's first column and are sorted by its key (`_KEYS`) within a file. The tasks
    write with Arrow, not with Spark's own writer, whose footers list encodings in an order that changes from one JVM to
    the next.

    Of a partition that was worked on twice, one file counts. On a file system every attempt of a task writes under a
    name of its own, and the driver takes those whose attempts reported their end. An object gets its name with its
    last byte, so there attempts write the same bytes to the same name.

    Args:
        frame: Must have the table's columns, without nulls where the schema has none.
        folder: Where the files go; must be empty.
        table: Which schema and key.
        rows: At least as many as the frame has; one file is made per million.
        schema: Where it has more columns than the table's own.
        metadata: Goes into every file's own schema: a file that went astray still says what made it.

    Raises:
        RunError: A file that a task has written is not there: the machines share no such folder.
    """
    schema = schema or tables.schema(table)
    written = schema.with_metadata(metadata) if metadata else schema
    files = max(1, -(-rows // ROWS_PER_FILE))
    order = schema.names[: _KEYS.get(table, 1)]
    folder.make()
    frame = frame.select(*schema.names).repartition(files, *_together(table, order)).sortWithinPartitions(*order)
    # One row for each file.
    done = frame.mapInArrow(_file_writer(folder, written), "partition int, file string").collect()
    _take(folder, {int(row["partition"]): str(row["file"]) for row in done})
    if not done:
        with (folder / _name(0)).open_output() as stream:
            pq.write_table(written.empty_table(), stream)


def _together(table: str, order: list[str]) -> list[str]:
    """Return the columns by whose hash rows go to files: of one key's rows all go to one file."""
    return order if table == "rejected" else order[:1]


def _name(partition: int) -> str:
    return f"part-{partition:05d}.parquet"


def _file_writer(folder: Place, schema: pa.Schema) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return the function that the tasks run: it writes one partition into one file."""

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        context = TaskContext.get()
        assert context is not None  # a task runs this
        name = _name(context.partitionId())
        if folder.local is not None:
            name = f".{name}.{context.taskAttemptId()}"
        with (folder / name).open_output() as stream, pq.ParquetWriter(stream, schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_table(pa.Table.from_batches([batch]).cast(schema))
        yield pa.RecordBatch.from_pydict({"partition": pa.array([context.partitionId()], pa.int32()), "file": [name]})

    return write


def _take(folder: Place, files: dict[int, str]) -> None:
    """Give the files of the attempts that count their names, and remove those of all others."""
    local = folder.local
    if local is None:
        return
    for partition, name in files.items():
        try:
            (local / name).rename(local / _name(partition))
        except FileNotFoundError as error:
            raise RunError(
                f"{local / name} was written by a task and is not there.",
                cause="Spark's workers do not share this folder with the driver",
                remedy="let SYNALIGN_STORE be a folder that all machines mount, or s3://bucket/prefix",
            ) from error
    for draft in local.glob(".part-*"):
        # Somebody else may be removing it too: the attempt itself, as it ends late.
        with suppress(FileNotFoundError):
            draft.unlink()
