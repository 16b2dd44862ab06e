"""Consistency of labelled texts: is the label that a text was written for among the nearest to it?

A label's name says little, so a label is placed where its real train texts are: at their mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LABELS_PER_RANK = 25
"""Labels are few and documents are many: being among the nearest 10 of 12 labels says nothing."""


def label_depth(depth: int, labels: int) -> int:
    """Return how near a label must be: in the nearest `depth`, but at most one in 25 labels, and at least the nearest.

    Examples:
        >>> [label_depth(10, labels) for labels in (2, 77, 150, 5000)]
        [1, 3, 6, 10]
    """
    return min(depth, max(1, labels // LABELS_PER_RANK))


def label_places(
    texts: NDArray[np.float32], labels: NDArray[np.int64], names: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Place each label at the mean of its texts, as a unit vector.

    Args:
        texts: (n, d) float32, unit rows: real train texts, one row for each label of a text.
        labels: (n,) row of each text's label in `names`.
        names: (l, d) float32, unit rows: the labels' names, which stand for labels without texts.

    Returns:
        (l, d) float32, unit rows.
    """
    sums = np.zeros(names.shape)
    np.add.at(sums, labels, texts)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    # Texts that cancel out, or none at all, have no direction.
    placed = lengths[:, 0] > 1e-6
    places = names.copy()
    places[placed] = sums[placed] / lengths[placed]
    return places
