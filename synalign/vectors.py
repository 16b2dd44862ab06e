"""Checks of what a caller passes, and distances between unit rows.

Every array of embeddings enters `synalign.sampling` and `synalign.alignment` through `unit_rows`, so both
refuse the same inputs with the same words.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synalign.errors import ArgumentError

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

UNIT_TOLERANCE = 1e-3
"""Largest accepted difference between a row's Euclidean norm and 1; half-precision encoders stay below it."""

MEDIAN_ROWS = 2_000
"""Rows, evenly spaced, over which the median distance is taken: 2 million pairs fix it to the third digit."""

SAME_POINT = 1e-6
"""Distances below this are rounding of zero: the Gram form of a squared distance is good to about 1e-15."""


def unit_rows(name: str, value: ArrayLike, *, width: int | None = None) -> Floats:
    """Check an array of embeddings and return it in double precision.

    Args:
        name: Name of the argument, for the error.
        value: (n, d) float16, float32 or float64, n >= 1, d >= 1; rows of Euclidean norm 1 within `UNIT_TOLERANCE`.
        width: The d it must have; None: any.

    Returns:
        (n, d) float64, C-contiguous. Rows are not normalised again: distances are those of the rows given.

    Raises:
        ArgumentError: Wrong number of dimensions, dtype or width; empty; non-finite or non-unit rows.
    """
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ArgumentError(name, type(value).__name__, "must be an (n, d) array") from error
    if array.ndim != 2 or 0 in array.shape:
        raise ArgumentError(f"{name}.shape", array.shape, "must be (n, d) with n >= 1 and d >= 1")
    if not np.issubdtype(array.dtype, np.floating):
        raise ArgumentError(f"{name}.dtype", str(array.dtype), "must be float32 or float64")
    if width is not None and array.shape[1] != width:
        raise ArgumentError(
            f"{name}.shape", array.shape, f"must have {width} columns", remedy="embed both with the same encoder"
        )
    rows = np.ascontiguousarray(array, dtype=np.float64)
    _check_norms(name, np.sqrt(np.einsum("ij,ij->i", rows, rows)))
    return rows


def _check_norms(name: str, norms: Floats) -> None:
    """Refuse non-finite and non-unit rows, naming the first."""
    # The norm of a finite row is finite (no unit row overflows), so one pass over the norms finds NaN and infinity too.
    wrong = np.flatnonzero(~np.isfinite(norms))
    if wrong.size:
        raise ArgumentError(
            f"{name}[{wrong[0]}]",
            "a row with NaN or infinity",
            f"must be finite ({wrong.size} of {norms.size} rows are not)",
            remedy="look for empty texts or a failed embedding step",
        )
    wrong = np.flatnonzero(np.abs(norms - 1.0) > UNIT_TOLERANCE)
    if wrong.size:
        raise ArgumentError(
            f"norm of {name}[{wrong[0]}]",
            float(norms[wrong[0]]),
            f"must be 1 within {UNIT_TOLERANCE} ({wrong.size} of {norms.size} rows are not)",
            remedy="divide each row by its Euclidean norm",
        )


def counts_of(name: str, value: ArrayLike | None, rows: int) -> Floats:
    """Check traffic counts: (rows,) finite, >= 0, not all zero; None means one each.

    Returns:
        (rows,) float64, as given.

    Raises:
        ArgumentError: Wrong shape or dtype, a negative or non-finite entry, or nothing above zero.
    """
    if value is None:
        return np.ones(rows)
    try:
        counts = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ArgumentError(name, type(value).__name__, f"must be {rows} numbers") from error
    if counts.shape != (rows,):
        raise ArgumentError(f"{name}.shape", counts.shape, f"must be ({rows},), one count per row")
    wrong = np.flatnonzero(~(np.isfinite(counts) & (counts >= 0.0)))
    if wrong.size:
        raise ArgumentError(f"{name}[{wrong[0]}]", float(counts[wrong[0]]), "must be finite and >= 0")
    if not counts.any():
        raise ArgumentError(f"sum of {name}", 0.0, "must be > 0", remedy=f"pass {name}=None to count each row once")
    return counts


def whole_number(name: str, value: Any, least: int) -> int:
    """Check an integer argument: a Python or numpy integer (not a bool), >= `least`."""
    try:
        number = operator.index(value)
    except TypeError as error:
        raise ArgumentError(name, value, "must be a whole number") from error
    if isinstance(value, bool | np.bool_) or number < least:
        raise ArgumentError(name, value, f"must be a whole number >= {least}")
    return number


def real_number(name: str, value: Any, *, above: float | None = None, least: float | None = None) -> float:
    """Check a real argument: finite, `> above` and `>= least` where those are given."""
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise ArgumentError(name, value, "must be a number") from error
    if not np.isfinite(number):
        raise ArgumentError(name, value, "must be finite")
    if above is not None and number <= above:
        raise ArgumentError(name, value, f"must be > {above:g}")
    if least is not None and number < least:
        raise ArgumentError(name, value, f"must be >= {least:g}")
    return number


def evenly_spaced(rows: int, most: int) -> Indices:
    """At most `most` distinct indices of `range(rows)`, ascending, evenly spaced, always the same.

    >>> evenly_spaced(10, 3).tolist()
    [0, 3, 6]
    """
    taken = min(rows, most)
    return np.arange(taken, dtype=np.int64) * rows // taken


class Points(NamedTuple):
    """Rows with their squared norms, which every distance needs again.

    Attributes:
        rows: (n, d) float64.
        squares: (n,) float64, squared Euclidean norms.
    """

    rows: Floats
    squares: Floats

    @classmethod
    def of(cls, rows: Floats) -> Points:
        """The points of (n, d) float64 rows."""
        return cls(rows, np.einsum("ij,ij->i", rows, rows))

    def take(self, which: Indices | slice) -> Points:
        """The points at these indices."""
        return Points(self.rows[which], self.squares[which])


def squared_distances(left: Points, right: Points) -> Floats:
    """Squared Euclidean distances between a and b points: (a, b) float64, never negative.

    The Gram form |x|^2 + |y|^2 - 2 x.y: one matrix product; absolute error about 1e-15 on unit rows.
    """
    distances = (-2.0 * left.rows) @ right.rows.T
    distances += left.squares[:, None]
    distances += right.squares
    return np.maximum(distances, 0.0, out=distances)


def median_distance(rows: Floats) -> float:
    """Median Euclidean distance over the pairs of at most `MEDIAN_ROWS` evenly spaced rows.

    Where half the pairs or more coincide the median is zero and no kernel width: then the median of the positive
    distances is returned, and 1.0 if there is none (all rows equal, or one row), where any width does.

    Args:
        rows: (n, d) float64.

    Returns:
        The distance, > 0.

    Example:
        >>> median_distance(np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]))
        1.4142135623730951
    """
    sample = Points.of(rows[evenly_spaced(len(rows), MEDIAN_ROWS)])
    pairs = squared_distances(sample, sample)[np.triu_indices(len(sample.rows), k=1)]
    distances = np.sqrt(pairs)
    if not distances.size or distances.max() < SAME_POINT:
        return 1.0
    median = float(np.median(distances))
    return median if median >= SAME_POINT else float(np.median(distances[distances >= SAME_POINT]))
