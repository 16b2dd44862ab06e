"""Cosines of many vectors to many others as matrix products, a tile at a time: memory does not grow with either."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS, COLUMNS = 1024, 16_384

PART = 4 * COLUMNS
"""Real queries or documents whose vectors are held at once: 100 MB of width 384."""

_GATHERED = 8_192
"""Pairs whose products are held at once in double precision: 50 MB of width 384."""


class Tile(NamedTuple):
    """Part of a matrix of cosines.

    Attributes:
        rows: Which rows.
        columns: Which columns.
        cosines: (rows, columns) float32.
    """

    rows: slice
    columns: slice
    cosines: NDArray[np.float32]


def tiles(
    vectors: NDArray[np.float32], others: NDArray[np.float32], size: tuple[int, int] | None = None
) -> Iterator[Tile]:
    """Yield all cosines, in tiles; none where either side is empty.

    Args:
        vectors: (m, d) float32, unit rows.
        others: (n, d) float32, unit rows.
        size: Most rows and columns of a tile; None: 1024 x 16384 (64 MB).
    """
    height, width = size or (ROWS, COLUMNS)
    for top in range(0, len(vectors), height):
        rows = slice(top, min(top + height, len(vectors)))
        for left in range(0, len(others), width):
            columns = slice(left, min(left + width, len(others)))
            yield Tile(rows, columns, vectors[rows] @ others[columns].T)


def tile_count(vectors: int, others: int) -> int:
    """Return the number of tiles that `tiles` gives for so many vectors."""
    return -(-vectors // ROWS) * -(-others // COLUMNS)


def error_bound(width: int) -> float:
    """Return by how much a float32 cosine of unit vectors may differ from the exact one, whatever the order of summing.

    That order depends on the processor and on the size of the tile, so nothing near a threshold is decided by it.

    Args:
        width: How many numbers a vector has.
    """
    # Higham, Accuracy and Stability of Numerical Algorithms, 3.1: n u, where the lengths multiply to 1; some more for
    # lengths that are rounded, and for a threshold that is.
    return (width + 8) * 1.01 * 2.0**-24


def exact_cosines(
    vectors: NDArray[np.float32], others: NDArray[np.float32], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return cosines of some pairs in double precision: the same whatever else is asked for, on any machine.

    Products of single-precision numbers are exact in double precision; numpy sums each row in a fixed order.

    Args:
        vectors: (m, d) float32, unit rows.
        others: (n, d) float32, unit rows.
        rows: (p,) rows of `vectors`.
        columns: (p,) rows of `others`.
    """
    cosines = np.empty(len(rows))
    for start in range(0, len(rows), _GATHERED):
        some = slice(start, start + _GATHERED)
        products = vectors[rows[some]].astype(np.float64)
        products *= others[columns[some]]
        np.add.reduce(products, axis=1, out=cosines[some])
    return cosines
