"""Which texts share a batch: only those of equal token count, so that a vector does not depend on its company.

Padding would make it depend: a matrix product over more, masked columns sums in another order. So would the number of
rows, where it is small: matrix libraries take other kernels for a handful of rows than for many (MKL does below 16, on
AVX-512). Every batch therefore has at least `LEAST` rows of tokens, if need be by repeating a text. On the CPUs tried,
each row's sums then have one order, whatever stands in the other rows; a test compares the bytes. On a GPU batches are
larger, and nothing is promised: its library may choose another kernel for another number of rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

# More tokens at once are no faster on one core: the matrix products are at their best from a few hundred rows on.
TOKENS = 1024
# A GPU is at its best with as many rows as fill all its units.
TOKENS_ON_GPU = 32_768
LEAST = 64


def equal_length_batches(
    lengths: Sequence[int], tokens: int = TOKENS, least: int = LEAST
) -> Iterator[NDArray[np.int64]]:
    """Rows by batch, shortest first, rows of one length in their order.

    Args:
        lengths: n token counts.
        tokens: A batch holds at most this many, or one text.
        least: And at least this many: its last row is repeated until it does.

    Examples:
        >>> [rows.tolist() for rows in equal_length_batches([3, 5, 3, 3], tokens=6, least=6)]
        [[0, 2], [3, 3], [1, 1]]
    """
    counts = np.maximum(np.asarray(lengths, dtype=np.int64), 1)
    for length in np.unique(counts).tolist():
        rows = np.flatnonzero(counts == length)
        size = max(1, tokens // length)
        for start in range(0, len(rows), size):
            batch = rows[start : start + size]
            missing = max(0, -(-least // length) - len(batch))
            yield np.concatenate([batch, np.repeat(batch[-1:], missing)])


def tokens_on(device: str) -> int:
    """Return how many tokens a batch holds at most on a device.

    >>> tokens_on("cpu"), tokens_on("cuda:1")
    (1024, 32768)
    """
    return TOKENS if device == "cpu" else TOKENS_ON_GPU


def distinct(rows: NDArray[np.int64]) -> int:
    """Count the texts of a batch, each once.

    >>> distinct(np.array([7, 9, 9, 9]))
    2
    """
    return len(np.unique(rows))
