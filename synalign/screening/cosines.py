"""Cosines of many vectors to many others as matrix products, a tile at a time: memory does not grow with either."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROWS, COLUMNS = 1024, 16_384

PART = 4 * COLUMNS
"""Real queries or documents whose vectors are held at once: 100 MB of width 384."""


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
