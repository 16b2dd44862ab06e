"""Some rows of a finished table, without holding the others: rows are known by their numbers, in stored order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synalign.run import manifests
from synalign.run.matrix import matrix, rows_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from numpy.typing import NDArray

    from synalign.run import Run


_AT_ONCE = 50_000
"""Rows that are read at once: 75 MB of vectors of width 384."""


def of_split(run: Run, table: str, split: str) -> NDArray[np.int64]:
    """Numbers of a split's rows, ascending: 8 bytes each."""
    found, first = [], 0
    for batch in manifests.batches(run.files(table), ["split"]):
        found.append(np.flatnonzero(pc.equal(batch.column("split"), split).to_numpy(zero_copy_only=False)) + first)
        first += batch.num_rows
    return np.concatenate(found) if found else np.empty(0, np.int64)


def numbered(run: Run, table: str, columns: list[str], rows: NDArray[np.int64]) -> pa.Table:
    """Return the rows with some numbers, ascending; a few row groups are held at a time."""
    held: list[pa.Table] = []
    first = 0
    for place in run.files(table):
        with place.open_input() as stream, pq.ParquetFile(stream) as file:
            for groups in _some_groups(file):
                end = first + sum(file.metadata.row_group(group).num_rows for group in groups)
                inside = rows[np.searchsorted(rows, first) : np.searchsorted(rows, end)] - first
                if not held or len(inside):
                    held.append(file.read_row_groups(groups, columns=columns).select(columns).take(pa.array(inside)))
                first = end
    return pa.concat_tables(held)


def numbers_of(run: Run, table: str, column: str, values: Collection[str]) -> dict[str, int]:
    """Return the numbers of the rows whose column has one of some values; of a value that is not there, none."""
    wanted = pa.array(sorted(set(values)), pa.string())
    numbers: dict[str, int] = {}
    first = 0
    for batch in manifests.batches(run.files(table), [column]) if len(wanted) else ():
        inside = np.flatnonzero(pc.is_in(batch.column(column), value_set=wanted).to_numpy(zero_copy_only=False))
        numbers.update(zip(batch.column(column).take(pa.array(inside)).to_pylist(), inside + first, strict=True))
        first += batch.num_rows
    return {name: int(number) for name, number in numbers.items()}


def having(run: Run, table: str, column: str, values: Collection[str], columns: list[str] | None = None) -> pa.Table:
    """Return the rows whose column has one of some values, in stored order.

    Only their row groups are read whole, and a few at a time: a dataset would read ahead of its filter.
    """
    wanted = pa.array(sorted(set(values)), pa.string())
    held: list[pa.Table] = []
    for place in run.files(table):
        with place.open_input() as stream, pq.ParquetFile(stream) as file:
            kept = columns if columns is not None else file.schema_arrow.names
            for groups in _some_groups(file):
                inside = pc.is_in(file.read_row_groups(groups, columns=[column])[column], value_set=wanted)
                if not held or pc.any(inside).as_py():
                    held.append(file.read_row_groups(groups, columns=kept).select(kept).filter(inside))
    return pa.concat_tables(held)


def _some_groups(file: pq.ParquetFile) -> Iterator[list[int]]:
    """Yield row groups of a file, as many at a time as have some `_AT_ONCE` rows; an empty list of a file of none."""
    groups: list[int] = []
    rows = 0
    for group in range(file.num_row_groups):
        groups.append(group)
        rows += file.metadata.row_group(group).num_rows
        if rows >= _AT_ONCE:
            yield groups
            groups, rows = [], 0
    if groups or not file.num_row_groups:
        yield groups


def vectors(run: Run, table: str, ids: Sequence[str]) -> NDArray[np.float32]:
    """Return the vectors of some ids, from a table of embeddings.

    Returns:
        (n, d) float32 with unit rows, row i for `ids[i]`.

    Raises:
        RunError: The table is not finished, or an id has no vector.
    """
    return matrix(having(run, table, "id", ids), ids)


def pool_vectors(run: Run, ids: Sequence[str]) -> NDArray[np.float32]:
    """Return the vectors of some written queries, carried ones and new ones.

    Returns:
        (n, d) float32 with unit rows, row i for `ids[i]`.

    Raises:
        RunError: A table is not finished, or an id has no vector.
    """
    there = (having(run, table, "id", ids) for table in ("carried_embeddings", "candidate_embeddings"))
    return matrix(pa.concat_tables(there), ids)


def vectors_in_parts(
    run: Run, table: str, rows: int, *, among: pa.Array | None = None, within: bool = True
) -> Iterator[NDArray[np.float32]]:
    """All vectors of a table of embeddings, in stored order, so many at a time.

    Args:
        run: The run.
        table: A finished table of embeddings.
        rows: How many at a time; the last part may have fewer.
        among: Ids; None: all.
        within: Whether those of the ids are wanted, or all others.

    Yields:
        (rows, d) float32 with unit rows.
    """
    held: list[NDArray[np.float32]] = []
    count = 0
    for batch in manifests.batches(run.files(table), ["id", "embedding"]):
        if among is not None:
            inside = pc.is_in(batch.column("id"), among)
            batch = batch.filter(inside if within else pc.invert(inside))
        if not batch.num_rows:
            continue
        held.append(rows_of(batch.column("embedding")))
        count += batch.num_rows
        while count >= rows:
            joined = np.concatenate(held)
            yield joined[:rows]
            held, count = [joined[rows:]], count - rows
    if count:
        yield np.concatenate(held)
