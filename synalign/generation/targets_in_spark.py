"""Targets among documents that are too many for the driver: lists of the nearest to each batch come from Spark's tasks.

A document is used once before any is used twice, so which are free depends on the batches before. Lists are made longer
than one batch needs; where batches lie so near each other that one is used up, the lists of the rest are made again,
longer, without what is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from synalign.generation.targets import NEARNESS, certain_targets
from synalign.run import some_rows
from synalign.screening.nearest import NOBODY, Nearest, merged, numbers_in
from synalign.spark.folded import Shard, folded, shards
from synalign.spark.progress import tasks
from synalign.spark.shared import release, shared

if TYPE_CHECKING:
    from typing import TypeAlias

    from numpy.typing import NDArray
    from pyspark import Broadcast
    from pyspark.sql import SparkSession

    from synalign.generation.targets import Indices
    from synalign.run import Run
    from synalign.spark.shared import Sent

    Events: TypeAlias = Callable[[list[str]], NDArray[np.int64]]
    Pair: TypeAlias = tuple[NDArray[np.float32], NDArray[np.int64]]

TABLE = "document_embeddings"

_FIRST = 2
"""Times what a batch needs of near documents that its list has at first."""

_MORE = 4
"""Times longer that lists are where they ran short."""

_ENTRIES = 2**22
"""Places in all lists that are made at once: 32 MB."""


class Asked(NamedTuple):
    """What is asked for.

    Attributes:
        means: (b, d) float32, the mean embedding of each batch's queries.
        size: Documents per batch.
        clicked: For each batch ids of documents that come before cold ones.
        most_clicked: How many of them at most.
        full: Ids of documents that have queries enough.
    """

    means: NDArray[np.float32]
    size: int
    clicked: Sequence[Sequence[str]]
    most_clicked: int
    full: frozenset[str]


def targets_in_spark(spark: SparkSession, run: Run, asked: Asked, events: Events) -> list[list[str]]:
    """Return ids of the target documents of every batch, as `choose_targets` chooses them.

    Args:
        spark: The session.
        run: The run. At least `size` more of its documents are not full than all batches together take.
        asked: What is asked for.
        events: Gives the numbers of events of some documents.
    """
    known = some_rows.numbers_of(run, TABLE, "id", asked.full.union(*asked.clicked))
    names = {number: name for name, number in known.items()}
    clicked = [[known[name] for name in ids] for ids in asked.clicked]
    full = {known[name] for name in asked.full}
    used: set[int] = set()
    targets: list[Indices] = []
    depth = _FIRST * NEARNESS * asked.size
    while len(targets) < len(asked.means):
        begun = len(targets)
        means = asked.means[begun : begun + max(1, _ENTRIES // depth)]
        nearest = _nearest(spark, run, means, np.array(sorted(full | used), dtype=np.int64), depth)
        numbers = np.unique(nearest[nearest != NOBODY])
        ids = some_rows.numbered(run, TABLE, ["id"], numbers)["id"].to_pylist()
        names.update(zip(numbers.tolist(), ids, strict=True))
        counts = dict(zip(numbers.tolist(), events(ids).tolist(), strict=True))
        targets += certain_targets(nearest, counts, asked.size, clicked[begun:], asked.most_clicked, used)
        if len(targets) < begun + len(means):
            depth *= _MORE
    return [[names[number] for number in chosen.tolist()] for chosen in targets]


def _nearest(
    spark: SparkSession, run: Run, means: NDArray[np.float32], excluded: NDArray[np.int64], depth: int
) -> NDArray[np.int64]:
    """Return (b, depth) numbers of the documents nearest to each batch, but for some."""
    given = shared(spark, (means, excluded))
    empty = Nearest(len(means), depth).keys
    with tasks(spark, "generate", "finding near documents"):
        keys = folded(spark, shards(run.files(TABLE)), _NearestFold(given, depth), empty)
    release(given)
    return numbers_in(keys)


class _NearestFold(NamedTuple):
    given: Broadcast[Pair] | Sent[Pair]
    depth: int

    def fold(self, pieces: Sequence[Shard]) -> NDArray[Any]:
        means, excluded = self.given.value
        nearest = Nearest(len(means), self.depth)
        for piece in pieces:
            for part in piece.parts():
                numbers = np.arange(part.first, part.first + len(part.rows))
                free = ~np.isin(numbers, excluded)
                nearest.add_vectors(means, part.rows[free], numbers[free], exact=True)
        return nearest.keys

    def merge(self, one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
        return merged(one, other)
