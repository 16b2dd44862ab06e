"""Reading embeddings back: rows of a table as one matrix, in the order that the reader needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from synalign.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def rows_of(vectors: pa.Array) -> NDArray[np.float32]:
    """Return a column of n vectors of one length as (n, d) float32; of none as (0, 0).

    Args:
        vectors: Lists of numbers, in one piece.
    """
    flat = np.asarray(vectors.flatten(), dtype=np.float32)
    return flat.reshape(len(vectors), -1) if len(vectors) else np.empty((0, 0), dtype=np.float32)


def matrix(embeddings: pa.Table, ids: Sequence[str]) -> NDArray[np.float32]:
    """Return the vectors of some ids as a matrix.

    Args:
        embeddings: A table `id, embedding`.
        ids: n ids, any order, repeats allowed.

    Returns:
        (n, d) float32 with unit rows, row i for `ids[i]`.

    Raises:
        RunError: An id has no vector, or vectors differ in length.
    """
    vectors = embeddings.column("embedding").combine_chunks()
    rows = len(vectors)
    if rows and len(vectors.flatten()) % rows:
        raise RunError("the vectors of a table of embeddings differ in length.", remedy="run the embed step again")
    place = {identifier: row for row, identifier in enumerate(embeddings.column("id").to_pylist())}
    missing = [identifier for identifier in ids if identifier not in place]
    if missing:
        raise RunError(
            f"{len(missing)} ids have no embedding, the first is {missing[0]!r}.", remedy="run the embed step again"
        )
    order = np.fromiter((place[identifier] for identifier in ids), dtype=np.int64, count=len(ids))
    return rows_of(vectors)[order]
