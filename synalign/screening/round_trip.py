"""Round-trip consistency: does the written query find the document that it was written for?

The most reliable filter on real data: it removes mismatched and generic pairs. After InPars and Promptagator
(Dai et al., ICLR 2023, arXiv:2209.11755), which keep a query only when its document comes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK = 1024


def round_trip_ranks(
    queries: NDArray[np.float32], documents: NDArray[np.float32], targets: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The rank of each query's own document among all documents, by cosine.

    Costs m x D multiplications of length d, and 1024 x D floats of memory.

    Args:
        queries: (m, d) float32, unit rows.
        documents: (D, d) float32, unit rows.
        targets: (m,) row of each query's document.

    Returns:
        (m,) int64, 1 for the nearest; documents equally near do not push a target back.
    """
    ranks = np.empty(len(queries), dtype=np.int64)
    for start in range(0, len(queries), _BLOCK):
        block = slice(start, start + _BLOCK)
        scores = queries[block] @ documents.T
        own = np.take_along_axis(scores, targets[block, None], axis=1)
        ranks[block] = 1 + np.count_nonzero(scores > own, axis=1)
    return ranks
