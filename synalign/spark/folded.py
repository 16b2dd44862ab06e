"""A table of vectors that streams past a few arrays, in tasks: what is kept of it has one size, however long it is.

Tasks read the Parquet files themselves, some row groups each, so that no vector passes through the JVM. What a task
keeps is one array; arrays of tasks are merged in tasks, and the driver gets a few of them. Merging must not depend on
order: counts, maxima, the best of a list. A task that is tried again then changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synalign.run import driver_memory
from synalign.run.matrix import rows_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyspark.sql import DataFrame, SparkSession

    from synalign.run import Run
    from synalign.storage import Place

DRIVER_BYTES = 256 * 2**20
"""Vectors of a table up to here are compared by the driver: the start of Spark would take longer."""

ROWS_PER_TASK = (10_000, 100_000)
"""Few enough to spread a small table over the cores; enough that what a task keeps is little beside what it reads."""

_TASKS = 20

_MERGED = 16
"""Arrays that one task merges."""

_KEPT = "part int, kept binary"

Batches = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


class Shard(NamedTuple):
    """Row groups of a file of vectors, one after another.

    Attributes:
        file: The file.
        groups: Its row groups.
        first: Number of their first row among all rows of the table.
    """

    file: Place
    groups: tuple[int, ...]
    first: int

    def parts(self) -> Iterator[Vectors]:
        """Yield its rows, a row group at a time, or less of a large one."""
        first = self.first
        with self.file.open_input() as stream, pq.ParquetFile(stream) as file:
            for group in self.groups:
                for batch in file.iter_batches(ROWS_PER_TASK[0], row_groups=[group], columns=["id", "embedding"]):
                    yield Vectors(batch.column("id"), rows_of(batch.column("embedding")), first)
                    first += batch.num_rows


class Vectors(NamedTuple):
    """Some rows of a table of vectors.

    Attributes:
        ids: n ids.
        rows: (n, d) float32.
        first: Number of the first row in the table.
    """

    ids: pa.StringArray
    rows: NDArray[np.float32]
    first: int


class Fold(Protocol):
    """What runs in a task; it travels there, so it holds no arrays but in what Spark shares."""

    def fold(self, shards: Sequence[Shard]) -> NDArray[Any]:
        """Return what is kept of some shards."""

    def merge(self, one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
        """Return what is kept of both."""


def beyond_driver(run: Run, table: str) -> bool:
    """Return whether a table's vectors are too many to be compared by the driver.

    Raises:
        RunError: The step that writes the table has not finished.
    """
    return driver_memory.needed(run.files(table), ["embedding"]) > DRIVER_BYTES


@contextmanager
def session_beyond(run: Run, table: str, step: str) -> Iterator[SparkSession | None]:
    """Yield a session of Spark where a table's vectors are too many for the driver, None where they are few.

    A step that runs as a plain process starts Spark only then, for as long as it compares.

    Args:
        run: The run.
        table: A finished table of embeddings.
        step: The step that needs them.
    """
    if not beyond_driver(run, table):
        yield None
        return
    # Spark takes a second to load.
    from synalign.spark.session import session

    with session(f"synalign {step} {run.configuration.retriever}") as spark:
        yield spark


def shards(files: Sequence[Place]) -> list[Shard]:
    """Return a table's files in shards, about as many as are good for its size."""
    footers = []
    for file in files:
        with file.open_input() as stream:
            footer = pq.read_metadata(stream)
        footers.append([footer.row_group(number).num_rows for number in range(footer.num_row_groups)])
    least, most = ROWS_PER_TASK
    wanted = min(max(sum(map(sum, footers)) // _TASKS, least), most)
    made: list[Shard] = []
    first = 0
    for file, counts in zip(files, footers, strict=True):
        groups: list[int] = []
        held = 0
        for group, count in enumerate(counts):
            groups.append(group)
            held += count
            if held >= wanted or group == len(counts) - 1:
                made.append(Shard(file, tuple(groups), first))
                groups, held, first = [], 0, first + held
    return made


def folded(spark: SparkSession, pieces: Sequence[Shard], fold: Fold, empty: NDArray[Any]) -> NDArray[Any]:
    """Return what a fold keeps of all shards.

    Args:
        spark: The session.
        pieces: The shards; a task has one.
        fold: The fold.
        empty: What it keeps of no shard; all it keeps have its shape and type.
    """
    if not pieces:
        return empty
    shape, kind = empty.shape, empty.dtype.str
    count = len(pieces)
    frame = spark.range(0, count, 1, count).mapInArrow(_folding(list(pieces), fold), _KEPT)
    while count > _MERGED:
        count = -(-count // _MERGED)
        frame = _by_part(frame, count).mapInArrow(_merging(fold, shape, kind, count), _KEPT)
    whole = empty
    for row in frame.collect():
        whole = fold.merge(whole, _array(row["kept"], shape, kind))
    return whole


def _by_part(frame: DataFrame, count: int) -> DataFrame:
    from pyspark.sql import functions as F

    return frame.repartition(count, F.col("part") % count)


def _array(kept: bytes | bytearray, shape: tuple[int, ...], kind: str) -> NDArray[Any]:
    return np.frombuffer(kept, dtype=np.dtype(kind)).reshape(shape)


def _row(part: int, kept: NDArray[Any]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {"part": pa.array([part], pa.int32()), "kept": pa.array([kept.tobytes()], pa.binary())}
    )


def _folding(pieces: list[Shard], fold: Fold) -> Batches:
    """Return the function that the tasks run: numbers of shards in, what is kept of them out."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        numbers = [number for batch in batches for number in batch.column(0).to_pylist()]
        if numbers:
            yield _row(numbers[0], fold.fold([pieces[number] for number in numbers]))

    return run


def _merging(fold: Fold, shape: tuple[int, ...], kind: str, count: int) -> Batches:
    """Return the function that the tasks run: arrays in, one out."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        part, whole = 0, None
        for batch in batches:
            for number, kept in zip(batch.column("part").to_pylist(), batch.column("kept"), strict=True):
                other = _array(kept.as_py(), shape, kind)
                part, whole = number % count, other if whole is None else fold.merge(whole, other)
        if whole is not None:
            yield _row(part, whole)

    return run
