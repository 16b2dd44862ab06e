"""Round-trip consistency: does the written query find the document that it was written for?

The most reliable filter on real data: it removes mismatched and generic pairs. After InPars and Promptagator
(Dai et al., ICLR 2023, arXiv:2209.11755), which keep a query only when its document comes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from synalign.screening.cosines import tile_count, tiles
from synalign.tally import Report, Tally

if TYPE_CHECKING:
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
    ranks = np.ones(len(queries), dtype=np.int64)
    tally = Tally(report, "tiles of cosines to documents", tile_count(queries, documents))
    for rows, columns, cosines in tiles(queries, documents):
        if columns.start == 0:
            own = np.einsum("rd,rd->r", queries[rows], documents[targets[rows]])
        ranks[rows] += np.count_nonzero(cosines > own[:, None] + ROUNDING, axis=1)
        tally.add()
    return ranks
