"""Checks of what a caller passes, and distances between unit rows.

Every array of embeddings enters `synalign.sampling` through `embedding_rows` and `synalign.alignment` through
`unit_rows`, so both refuse the same inputs with the same words.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synalign.errors import ArgumentError

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Embeddings = NDArray[np.float32] | NDArray[np.float64]

UNIT_TOLERANCE = 1e-3
"""Largest accepted difference between a row's Euclidean norm and 1; half-precision encoders stay below it."""

MEDIAN_ROWS = 2_000
"""Rows, evenly spaced, over which the median distance is taken: 2 million pairs fix it to the third digit."""

NORM_ENTRIES = 2**20
"""Entries converted to double precision at once (8 MB) where all rows are looked at."""

SAME_POINT = 1e-6
"""Distances below this are rounding of zero: the Gram form of a squared distance is good to about 1e-15."""

LEAST_WIDTH, MOST_WIDTH = SAME_POINT, 1e6
"""Widths of a kernel. Below, it sees nothing but rounding; above, no difference between rows: unit rows are at most 2
apart, and 1 - exp(-2 / 1e12) is near the last digit of a double."""

TINIEST, MOST_COUNT = 1e-100, 1e100
"""Between these the largest of some counts or weights is taken as it is: sums and quotients are doubles."""

MOST_NUMBER = 1e6
"""Penalties and noise above this drown everything else: results would be rounding of it."""


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
    array = _embedding_array(name, value, width)
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(array, dtype=np.float64)
        if not rows.flags.writeable:
            # Torch warns of an array that it could write to.
            rows = rows.copy()
        _check_norms(name, rows, np.sqrt(np.einsum("ij,ij->i", rows, rows)))
    return rows


def embedding_rows(name: str, value: ArrayLike, *, width: int | None = None) -> Embeddings:
    """Check an array of embeddings and return it in the precision it came in; a float32 array is not copied.

    Args:
        name: Name of the argument, for the error.
        value: As for `unit_rows`.
        width: The d it must have; None: any.

    Returns:
        (n, d) C-contiguous: float32 where float16 or float32 was given, float64 otherwise. The same object where
        nothing had to change.

    Raises:
        ArgumentError: As `unit_rows`.
    """
    array = _embedding_array(name, value, width)
    single = array.dtype.itemsize <= 4
    rows: Embeddings
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(array, np.float32) if single else np.ascontiguousarray(array, np.float64)
        quick = np.sqrt(np.einsum("ij,ij->i", rows, rows))
        # Written so that NaN fails. What fails in single precision is looked at again, and named, in double.
        if not (np.abs(quick - 1.0) <= UNIT_TOLERANCE).all():
            _check_norms(name, rows, np.sqrt(squared_norms(rows)))
    return rows


def squared_norms(rows: Embeddings) -> Floats:
    """Squared Euclidean norms in double precision, (n,); rows are converted a panel at a time."""
    squares = np.empty(len(rows))
    height = max(1, NORM_ENTRIES // rows.shape[1])
    for start in range(0, len(rows), height):
        panel = rows[start : start + height].astype(np.float64)
        np.einsum("ij,ij->i", panel, panel, out=squares[start : start + height])
    return squares


def _embedding_array(name: str, value: ArrayLike, width: int | None) -> np.ndarray:
    """Check everything about an array of embeddings but its entries."""
    _require_unmasked(name, value)
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArgumentError(name, type(value).__name__, "must be an (n, d) array") from error
    if array.ndim != 2 or 0 in array.shape:
        raise ArgumentError(f"{name}.shape", array.shape, "must be (n, d) with n >= 1 and d >= 1")
    if not np.issubdtype(array.dtype, np.floating):
        raise ArgumentError(f"{name}.dtype", str(array.dtype), "must be float32 or float64")
    if width is not None and array.shape[1] != width:
        raise ArgumentError(
            f"{name}.shape", array.shape, f"must have {width} columns", remedy="embed both with the same encoder"
        )
    return array


def _require_unmasked(name: str, value: object) -> None:
    """Refuse masked entries: what lies under a mask is no data."""
    if value is np.ma.masked or (isinstance(value, Sequence) and any(entry is np.ma.masked for entry in value)):
        raise ArgumentError(name, "masked", "must have no masked entries")
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ArgumentError(
            name, f"an array with {np.ma.count_masked(value)} masked entries", "must have no masked entries",
            remedy="leave those rows out",
        )  # fmt: skip


def _check_norms(name: str, rows: Embeddings, norms: Floats) -> None:
    """Refuse non-finite and non-unit rows, naming the first."""
    # The norm of a row with NaN or infinity is none, and that of a huge row may be infinite; others are finite.
    unclear = np.flatnonzero(~np.isfinite(norms))
    wrong = unclear[~np.isfinite(rows[unclear]).all(axis=1)]
    if wrong.size:
        raise ArgumentError(
            f"{name}[{wrong[0]}]",
            "a row with NaN or infinity",
            f"must be finite ({wrong.size} of {norms.size} rows are not)",
            remedy="look for empty texts or a failed embedding step",
        )
    wrong = np.flatnonzero(~(np.abs(norms - 1.0) <= UNIT_TOLERANCE))
    if wrong.size:
        raise ArgumentError(
            f"norm of {name}[{wrong[0]}]",
            float(norms[wrong[0]]),
            f"must be 1 within {UNIT_TOLERANCE} ({wrong.size} of {norms.size} rows are not)",
            remedy="divide each row by its Euclidean norm",
        )


def real_numbers(name: str, value: ArrayLike, rule: str) -> Floats:
    """Bring numbers that a caller passes to double precision.

    Raises:
        ArgumentError: They are no real numbers, or some are masked.
    """
    _require_unmasked(name, value)
    try:
        array = np.asarray(value)
        if np.iscomplexobj(array):
            raise TypeError
        with np.errstate(over="ignore"):
            return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise ArgumentError(name, type(value).__name__, rule) from error


def counts_of(name: str, value: ArrayLike | None, rows: int) -> Floats:
    """Check traffic counts: (rows,) finite, >= 0, not all zero; None means one each.

    Returns:
        (rows,) float64, as given; in proportion where the largest is beyond `TINIEST` or `MOST_COUNT`.

    Raises:
        ArgumentError: Wrong shape or dtype, a negative or non-finite entry, or nothing above zero.
    """
    if value is None:
        return np.ones(rows)
    counts = real_numbers(name, value, f"must be {rows} numbers")
    if counts.shape != (rows,):
        raise ArgumentError(f"{name}.shape", counts.shape, f"must be ({rows},), one count per row")
    wrong = np.flatnonzero(~(np.isfinite(counts) & (counts >= 0.0)))
    if wrong.size:
        raise ArgumentError(f"{name}[{wrong[0]}]", float(counts[wrong[0]]), "must be finite and >= 0")
    if not counts.any():
        raise ArgumentError(f"sum of {name}", 0.0, "must be > 0", remedy=f"pass {name}=None to count each row once")
    return in_reach(counts)


def in_reach(weights: Floats) -> Floats:
    """Scale weights, of which only proportions count, where their sums or quotients would overflow or vanish.

    >>> in_reach(np.array([1e308, 5e307])).tolist(), in_reach(np.array([3.0, 1.0])).tolist()
    ([1.0, 0.5], [3.0, 1.0])
    """
    largest = float(weights.max())
    return weights if TINIEST <= largest <= MOST_COUNT else weights / largest


def whole_number(name: str, value: Any, least: int) -> int:
    """Check an integer argument: a Python or numpy integer (not a bool), >= `least`."""
    try:
        number = operator.index(value)
    except TypeError as error:
        raise ArgumentError(name, value, "must be a whole number") from error
    if isinstance(value, bool | np.bool_) or number < least:
        raise ArgumentError(name, value, f"must be a whole number >= {least}")
    return number


def real_number(
    name: str, value: Any, *, above: float | None = None, least: float | None = None, most: float | None = None
) -> float:
    """Check a real argument: finite, `> above`, `>= least` and `<= most` where those are given."""
    try:
        # A masked number or an array of one warns rather than fails; a text is no number, whatever it spells.
        if isinstance(value, str | bytes) or (
            isinstance(value, np.ndarray) and (value.ndim or isinstance(value, np.ma.MaskedArray))
        ):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise ArgumentError(name, value, "must be a number") from error
    if not np.isfinite(number):
        raise ArgumentError(name, value, "must be finite")
    if above is not None and number <= above:
        raise ArgumentError(name, value, f"must be > {above:g}")
    if least is not None and number < least:
        raise ArgumentError(name, value, f"must be >= {least:g}")
    if most is not None and number > most:
        raise ArgumentError(name, value, f"must be <= {most:g}")
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
        """Return the points of (n, d) float64 rows."""
        return cls(rows, np.einsum("ij,ij->i", rows, rows))

    def take(self, which: Indices | slice) -> Points:
        """Return the points at these indices."""
        return Points(self.rows[which], self.squares[which])


def squared_distances(left: Points, right: Points) -> Floats:
    """Squared Euclidean distances between a and b points: (a, b) float64, never negative.

    The Gram form |x|^2 + |y|^2 - 2 x.y: one matrix product; absolute error about 1e-15 on unit rows.
    """
    distances = left.rows @ right.rows.T
    distances *= -2.0
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


def positive_widths(bandwidths: float | Sequence[float]) -> tuple[float, ...]:
    """Check widths of a kernel: one number from `LEAST_WIDTH` to `MOST_WIDTH` or a sequence of them, not empty.

    >>> positive_widths(2)
    (2.0,)
    """
    try:
        widths = np.atleast_1d(np.asarray(bandwidths, dtype=object))
    except ValueError as error:
        raise ArgumentError("bandwidths", bandwidths, "must be one or more widths") from error
    if widths.ndim != 1 or not widths.size:
        raise ArgumentError("bandwidths", bandwidths, "must be one or more widths")
    return tuple(
        real_number(f"bandwidths[{place}]", width, above=0.0, least=LEAST_WIDTH, most=MOST_WIDTH)
        for place, width in enumerate(widths.tolist())
    )


class Distinct(NamedTuple):
    """Rows with copies counted once.

    Attributes:
        first: (g,) int64, where each distinct row stands first, ascending.
        group: (n,) int64, the place in `first` of each row's representative.
        copies: (g,) int64, how many rows each stands for.
    """

    first: Indices
    group: Indices
    copies: Indices

    @classmethod
    def of(cls, rows: Floats, labels: Indices | None = None) -> Distinct:
        """Group rows that are equal in every bit (and in their label).

        Args:
            rows: (n, d) float64, C-contiguous.
            labels: (n,) int64; None: all alike.
        """
        # Adding zero makes -0.0 and 0.0 the same bytes; digests are smaller than rows, and never collide by chance.
        keys = [blake2b((row + 0.0).tobytes(), digest_size=16).digest() for row in rows]
        marks = [0] * len(keys) if labels is None else labels.tolist()
        places: dict[tuple[bytes, int], int] = {}
        group = np.fromiter(
            (places.setdefault(key, len(places)) for key in zip(keys, marks, strict=True)), np.int64, len(keys)
        )
        _, first, copies = np.unique(group, return_index=True, return_counts=True)
        return cls(first.astype(np.int64), group, copies.astype(np.int64))
