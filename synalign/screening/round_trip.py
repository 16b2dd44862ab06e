"""Round-trip consistency: does the written query find the document that it was written for?

The most reliable filter on real data: it removes mismatched and generic pairs. After InPars and Promptagator
(Dai et al., ICLR 2023, arXiv:2209.11755), which keep a query only when its document comes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from synalign.arrays.tally import Report, Tally
from synalign.screening.cosines import tile_count, tiles

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


ROUNDING = 1e-6
"""Cosines in single precision that differ by less are equal: the order of summation decides about them."""


def round_trip_ranks(
    queries: NDArray[np.float32],
    documents: NDArray[np.float32],
    targets: NDArray[np.int64],
    report: Report | None = None,
) -> NDArray[np.int64]:
    """The rank of each query's own document among all documents, by cosine.

    Costs m x D multiplications of length d; memory does not grow with either.

    Args:
        queries: (m, d) float32, unit rows.
        documents: (D, d) float32, unit rows.
        targets: (m,) row of each query's document.
        report: Called as tiles of cosines are done.

    Returns:
        (m,) int64, 1 for the nearest; documents equally near, but for rounding, do not push a target back.
    """
    return ranks_in_parts(queries, documents[targets], [documents], len(documents), report)


def ranks_in_parts(
    queries: NDArray[np.float32],
    own: NDArray[np.float32],
    parts: Iterable[NDArray[np.float32]],
    documents: int,
    report: Report | None = None,
) -> NDArray[np.int64]:
    """The same where the documents are too many to be held: they come in parts.

    Args:
        queries: (m, d) float32, unit rows.
        own: (m, d) float32, each query's document.
        parts: (some, d) float32, unit rows: all documents, those of the queries among them.
        documents: How many there are in all.
        report: Called as tiles of cosines are done.

    Returns:
        As `round_trip_ranks`.
    """
    ranks = np.ones(len(queries), dtype=np.int64)
    nearness = np.einsum("rd,rd->r", queries, own)
    tally = Tally(report, "tiles of cosines to documents", tile_count(len(queries), documents))
    for part in parts:
        for rows, _, cosines in tiles(queries, part):
            ranks[rows] += np.count_nonzero(cosines > nearness[rows, None] + ROUNDING, axis=1)
            tally.add()
    return ranks
