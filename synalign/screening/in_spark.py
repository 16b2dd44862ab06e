"""Documents and real queries that are too many for the driver pass by the candidates in Spark's tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synalign.screening.real_queries import Closest
from synalign.screening.round_trip import Ranks
from synalign.spark.folded import Shard, folded, shards
from synalign.spark.progress import tasks
from synalign.spark.remote import is_remote
from synalign.spark.shared import release, shared

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray
    from pyspark import Broadcast
    from pyspark.sql import SparkSession

    from synalign.run import Run
    from synalign.spark.shared import Sent
    from synalign.storage import Place

    Vectors: TypeAlias = tuple[NDArray[np.float32], ...]
    Given: TypeAlias = Broadcast[Vectors] | Sent[Vectors]

SENT_BYTES = 48 * 2**20
"""Vectors that a message to a Spark Connect server may hold: it takes 128 MiB."""


def let_documents_pass(spark: SparkSession, run: Run, ranks: Ranks) -> None:
    """Let all documents of a run pass by, in tasks."""
    pieces = shards(run.files("document_embeddings"))
    for rows in _slices(spark, ranks.queries, copies=2):
        given = shared(spark, (ranks.queries[rows], ranks.own[rows]))
        with tasks(spark, "screen", "ranking documents"):
            ranks.nearer[rows] += folded(spark, pieces, _RankFold(given), np.zeros_like(ranks.nearer[rows]))
        release(given)


def let_real_queries_pass(spark: SparkSession, run: Run, closest: Closest, *, held_out: bool) -> None:
    """Let the real queries of a run pass by, in tasks: the held-out ones, or those of the split train."""
    pieces = shards(run.files("query_embeddings"))
    for rows in _slices(spark, closest.queries, copies=1):
        given = shared(spark, (closest.queries[rows],))
        fold = _ClosestFold(given, closest.threshold, run.files("queries"), held_out)
        with tasks(spark, "screen", "comparing with held-out queries" if held_out else "comparing with train queries"):
            best = folded(spark, pieces, fold, closest.best[:, rows])
        closest.best[:, rows] = best
        release(given)


def _slices(spark: SparkSession, vectors: NDArray[np.float32], copies: int) -> Iterator[slice]:
    """Yield the rows of each pass: all at once, where they need not travel in one message."""
    most = max(1, SENT_BYTES // (copies * vectors.itemsize * vectors.shape[1])) if is_remote(spark) else len(vectors)
    for start in range(0, len(vectors), max(1, most)):
        yield slice(start, start + most)


class _RankFold(NamedTuple):
    given: Given

    def fold(self, pieces: Sequence[Shard]) -> NDArray[Any]:
        ranks = Ranks(*self.given.value)
        for piece in pieces:
            for part in piece.parts():
                ranks.add(part.rows)
        return ranks.nearer

    def merge(self, one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
        return one + other


class _ClosestFold(NamedTuple):
    given: Given
    threshold: float
    queries: list[Place]
    held_out: bool

    def fold(self, pieces: Sequence[Shard]) -> NDArray[Any]:
        closest = Closest(self.given.value[0], self.threshold)
        for piece in pieces:
            ids = pa.concat_arrays([part.ids for part in piece.parts()])
            wanted = held_out_of(ids, self.queries)
            wanted = wanted if self.held_out else ~wanted
            for part in piece.parts():
                first = part.first - piece.first
                closest.add(part.rows[wanted[first : first + len(part.rows)]])
        return closest.best

    def merge(self, one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
        return np.maximum(one, other)


def held_out_of(ids: pa.StringArray, queries: Sequence[Place]) -> NDArray[np.bool_]:
    """Tell which of some queries are held out.

    Of the table of queries only row groups are read that may have one of them: its files are sorted by id, as those of
    the embeddings are.

    Args:
        ids: n ids.
        queries: The files of the table `queries`.

    Returns:
        (n,) bool.
    """
    held_out = np.zeros(len(ids), dtype=np.bool_)
    if not len(ids):
        return held_out
    least, most = (pc.min_max(ids)[name].as_py() for name in ("min", "max"))
    for place in queries:
        with place.open_input() as stream, pq.ParquetFile(stream) as file:
            groups = [group for group in range(file.num_row_groups) if _may_have(file, group, least, most)]
            rows = file.read_row_groups(groups, columns=["query_id", "split"])
        judging = rows.filter(pc.not_equal(rows["split"], "train"))["query_id"].combine_chunks()
        held_out |= pc.is_in(ids, value_set=judging).to_numpy(zero_copy_only=False)
    return held_out


def _may_have(file: pq.ParquetFile, group: int, least: str, most: str) -> bool:
    """Return whether a row group may have an id between two."""
    column = file.schema_arrow.get_field_index("query_id")
    known = file.metadata.row_group(group).column(column).statistics
    return known is None or not known.has_min_max or (known.min <= most and known.max >= least)
