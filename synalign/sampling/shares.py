"""How many batches each label gets, for classification: by its traffic, or the same for every label."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from synalign.arrays.checks import Indices, real_numbers, whole_number
from synalign.errors import ArgumentError

MOST_ROWS = 1e15
"""Of traffic and of texts: whole numbers up to it are exact in double precision."""

Balance = Literal["proportional", "equal"]


def share_batches(traffic: ArrayLike, rows: ArrayLike, batches: int, size: int, balance: Balance) -> Indices:
    """Share batches among labels by the largest remainder.

    A label can fill `rows // size` batches, and one, a smaller one, if it has fewer rows than that; what it cannot use
    goes to the others, again by the largest remainder. Where there are at least as many batches as labels, every label
    with rows has one. Ties go to the label with more traffic, then to the earlier one.

    Args:
        traffic: (l,) traffic of each label, >= 0.
        rows: (l,) how many texts each label has, >= 0.
        batches: How many batches there are to share, >= 1.
        size: Texts in a whole batch, >= 1.
        balance: `proportional` to the traffic, or `equal`.

    Returns:
        (l,) int64. They sum to `batches`, or to what all labels can fill if that is less.

    Raises:
        ArgumentError: A number is out of range, or shapes do not fit.

    Examples:
        >>> share_batches([70, 20, 10], [700, 200, 100], 10, 8, "proportional").tolist()
        [7, 2, 1]
        >>> share_batches([970, 20, 10], [970, 20, 10], 6, 8, "proportional").tolist()
        [4, 1, 1]
        >>> share_batches([70, 20, 10], [700, 9, 3], 10, 8, "equal").tolist()
        [8, 1, 1]
    """
    weights = real_numbers("traffic", traffic, "must be (l,) numbers")
    sizes = real_numbers("rows", rows, "must be (l,) numbers")
    _check(weights, sizes)
    count = sizes.astype(np.int64)
    batches, size = whole_number("batches", batches, 1), whole_number("size", size, 1)
    most = np.where(count > 0, np.maximum(count // size, 1), 0)
    shares = np.ones(len(count)) if balance == "equal" or not weights.any() else weights
    quota = batches * np.where(most > 0, shares, 0.0) / max(float(shares[most > 0].sum()), np.finfo(float).tiny)
    least = (most > 0).astype(np.int64) if batches >= np.count_nonzero(most) else np.zeros_like(most)
    given = np.clip(np.floor(quota).astype(np.int64), least, most)
    # In this order the first of equals is the one with more traffic.
    order = np.lexsort((np.arange(len(count)), -weights))
    goal = min(batches, int(most.sum()))
    while given.sum() != goal:
        if given.sum() < goal:
            missing = np.where(given < most, quota - given, -np.inf)[order]
            given[order[np.argmax(missing)]] += 1
        else:
            excess = np.where(given > least, given - quota, -np.inf)[order]
            given[order[np.argmax(excess)]] -= 1
    return given


def _check(traffic: np.ndarray, rows: np.ndarray) -> None:
    if traffic.ndim != 1 or traffic.shape != rows.shape:
        raise ArgumentError("rows.shape", rows.shape, f"must be that of traffic, {traffic.shape}")
    for name, values in (("traffic", traffic), ("rows", rows)):
        wrong = values[~(np.isfinite(values) & (values >= 0))]
        if len(wrong):
            raise ArgumentError(name, float(wrong[0]), "must be finite and >= 0")
        if values.size and values.max() > MOST_ROWS:
            raise ArgumentError(name, float(values.max()), f"must be <= {MOST_ROWS:g}")
