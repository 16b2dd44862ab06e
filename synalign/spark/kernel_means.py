"""What alignment needs to know of a log too large to hold, in one pass over it with Spark.

For every candidate s the mean kernel (1/n) sum_i k(s, x_i) over the real rows is a sum over rows: each partition gives
a part of it, and the driver adds the parts. Only vectors as long as the candidates ever meet in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from synalign.alignment import RealSide
from synalign.alignment.real_side import estimated_energy
from synalign.arrays.checks import positive_widths, unit_rows
from synalign.errors import InputError
from synalign.spark.shared import Sent, release, shared

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyspark import Broadcast
    from pyspark.sql import Column, DataFrame

ROWS_PER_PART = 25_000
"""Real rows per partition. Fixed, so that sums are taken in the same order on any number of machines."""

SAMPLE_ROWS = 4_000
"""Real rows, taken by hash of their id, from which the energy of all of them is estimated."""

PARTS_PER_BLOCK = 64
"""Partitions whose sums are added in a task, before they come to the driver."""

_PANEL = 2_048
_PARTIAL = "part int, sums array<double>"


def spark_real_side(synthetic: NDArray[np.float32], real: DataFrame, bandwidths: float | Sequence[float]) -> RealSide:
    """Mean kernels of the candidates to all real rows, exact in float64, and an estimate of the real rows' energy.

    Rows go to partitions by hash of their id and are sorted by it; every partition sums in that order, and the driver
    adds the partitions in theirs: the bytes do not depend on the number of executors, given the same kind of CPU.

    Time: m n kernel entries, half of n d multiplications each. Memory: the candidates once per worker, and 8 m bytes
    per 1.6 million real rows on the driver.

    Args:
        synthetic: (m, d) float32 or float64 unit rows.
        real: A frame `id, embedding`, one row per real query, unit rows; read three times, so cache it or let it lie
            in Parquet.
        bandwidths: Widths of the kernel.

    Raises:
        ArgumentError: A candidate that is no unit row; a width <= 0.
        InputError: There are no real rows, or they differ from the candidates in length.
    """
    widths = positive_widths(bandwidths)
    rows = real.count()
    if not rows:
        raise InputError("there is no real row to align to.", remedy="widen source.window_days")
    sample = real.select(_hash().alias("hash"), "id", "embedding").orderBy("hash", "id").limit(SAMPLE_ROWS)
    points = np.array([row["embedding"] for row in sample.collect()], dtype=np.float32)
    candidates = unit_rows("synthetic", synthetic)
    if points.shape[1:] != candidates.shape[1:]:
        raise InputError(
            f"real rows have {points.shape[1:]} columns, candidates {candidates.shape[1:]}.",
            remedy="embed both with the same encoder",
        )
    # The sample's own means to all rows come from the same pass: the estimate of the energy needs them.
    # Single precision travels at half the size where it holds the same numbers.
    both = np.concatenate([np.asarray(synthetic), points])
    means = _means(both, real, widths, rows)
    mean, known = means[: len(candidates)], means[len(candidates) :]
    if len(points) == rows:
        energy, error = float(known.mean()), 0.0
    else:
        energy, error = estimated_energy(points.astype(np.float64), known, widths)
    return RealSide(mean, energy, error, widths, rows)


def _hash() -> Column:
    return F.xxhash64("id")


def _means(points: NDArray[np.floating], real: DataFrame, widths: tuple[float, ...], rows: int) -> NDArray[np.float64]:
    """Mean kernel of each of (a, d) points to all real rows."""
    given = shared(real.sparkSession, points)
    parts = -(-rows // ROWS_PER_PART)
    ordered = real.select("id", "embedding").repartition(parts, "id").sortWithinPartitions("id")
    partial = ordered.select("embedding").mapInArrow(_summer(given, widths), _PARTIAL)
    blocks = -(-parts // PARTS_PER_BLOCK)
    if blocks > 1:
        block = F.floor(F.col("part") / PARTS_PER_BLOCK)
        partial = partial.repartition(blocks, block).sortWithinPartitions("part").mapInArrow(_add_blocks, _PARTIAL)
    # A row for each block.
    found = partial.collect()
    release(given)
    total = np.zeros(len(points))
    for row in sorted(found, key=lambda row: int(row["part"])):
        total += np.asarray(row["sums"])
    return total / rows


def _add_blocks(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Add up the sums of partitions, which come in their order, to sums of blocks; runs in the workers."""
    block, total = -1, np.empty(0)
    for batch in batches:
        for row in range(batch.num_rows):
            mine = batch.column("part")[row].as_py() // PARTS_PER_BLOCK
            sums = batch.column("sums")[row].values.to_numpy()
            if mine == block:
                total = total + sums
                continue
            if block >= 0:
                yield _partial(block, total)
            block, total = mine, sums
    if block >= 0:
        yield _partial(block, total)


def _partial(part: int, sums: NDArray[np.float64]) -> pa.RecordBatch:
    columns = {"part": pa.array([part], pa.int32()), "sums": pa.array([sums], pa.list_(pa.float64()))}
    return pa.RecordBatch.from_pydict(columns)


def _summer(
    given: Broadcast[NDArray[np.floating]] | Sent[NDArray[np.floating]], widths: tuple[float, ...]
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return the function that the workers run: a partition of embeddings in, its sums of kernels out."""

    def sums(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import torch
        from pyspark import TaskContext

        from synalign.alignment.kernels import gaussian_mixture

        # Parallelism comes from tasks; two threads on busy cores wait for each other.
        torch.set_num_threads(1)
        points, total, rows = given.value, np.zeros(len(given.value)), 0
        for batch in batches:
            flat = np.asarray(batch.column(0).flatten(), dtype=np.float64)
            real = torch.from_numpy(flat.reshape(batch.num_rows, -1).copy())
            rows += batch.num_rows
            for start in range(0, len(points), _PANEL):
                part = slice(start, start + _PANEL)
                panel = torch.from_numpy(points[part].astype(np.float64))
                for first in range(0, len(real), _PANEL // 4):
                    block = gaussian_mixture(panel, real[first : first + _PANEL // 4], widths)
                    total[part] += block.sum(1).numpy()
        context = TaskContext.get()
        assert context is not None  # a task runs this
        if rows:
            yield _partial(context.partitionId(), total)

    return sums
