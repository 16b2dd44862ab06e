"""Where an effect sits: queries that many people ask, that few ask, and documents that nobody has asked for before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from numpy.typing import ArrayLike, NDArray

SEGMENTS = ("head", "torso", "tail")


def traffic_segments(counts: ArrayLike) -> NDArray[np.str_]:
    """Return the segment of each query, by the traffic of the queries asked more often.

    Queries are lined up from the most asked to the least, each as long as its count. The first third of that line is
    the head, the second the torso, the last the tail. Queries of equal count cannot be told apart, so they lie together
    where their middle lies; but those asked most are always head and those asked least always tail, however much of the
    line they take. Where all were asked equally often, all are torso.

    Args:
        counts: (q,) how often each distinct query was asked, >= 1; all real queries, not only those that are judged.

    Returns:
        (q,) `head`, `torso` or `tail`.

    Examples:
        >>> traffic_segments([6, 1, 3, 3, 1, 1]).tolist()
        ['head', 'tail', 'torso', 'torso', 'tail', 'tail']
    """
    counts = np.asarray(counts, dtype=np.float64)
    values, place, sizes = np.unique(-counts, return_inverse=True, return_counts=True)
    traffic = -values * sizes
    middle = (np.cumsum(traffic) - traffic / 2) / max(float(traffic.sum()), 1.0)
    which = np.minimum((3.0 * middle).astype(np.int64), len(SEGMENTS) - 1)
    if len(which) > 1:
        which[0], which[-1] = 0, len(SEGMENTS) - 1
    segments: NDArray[np.str_] = np.array(SEGMENTS)[which[place]]
    return segments


def cold_documents(relevant: Sequence[AbstractSet[int]], seen: AbstractSet[int]) -> NDArray[np.bool_]:
    """Mark the judged queries whose documents are in no real train pair.

    Args:
        relevant: The places of each query's relevant documents, at least one.
        seen: Places of documents with a real train pair.

    Returns:
        (q,) bool, True where none of the query's documents is in `seen`.
    """
    return np.array([seen.isdisjoint(documents) for documents in relevant], dtype=bool)
