"""Which documents each batch's queries are written for.

*Cold* is where a retriever lacks data: near the batch in embedding space, with few or no events. *Demonstrated* are the
documents that users chose for the batch's own queries. *Mixed* is half of each. Functions of arrays; the same input
gives the same targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from synalign.errors import ArgumentError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Indices = NDArray[np.int64]

# Of the documents not used yet, this many times the batch's share count as near; the fewest events win among them.
NEARNESS = 6


def choose_targets(
    means: NDArray[np.float32],
    documents: NDArray[np.float32],
    events: NDArray[np.int64],
    size: int,
    clicked: Sequence[Sequence[int]] | None = None,
    most_clicked: int | None = None,
    full: NDArray[np.bool_] | None = None,
) -> list[Indices]:
    """Choose the target documents of every batch.

    Args:
        means: (b, d), the mean embedding of each batch's queries; its length does not matter.
        documents: (n, d), unit rows.
        events: (n,) how many events each document has, >= 0.
        size: Documents per batch, >= 1. Fewer come back only when there are fewer documents.
        clicked: For each batch the documents chosen for its queries, best first; they come before cold ones.
            None: cold ones only.
        most_clicked: How many of those at most; None: as many as there is room for.
        full: (n,) which documents have queries enough: as cold ones they come after all others. None: none has.

    Returns:
        For each batch distinct indices of documents. A cold document is not used again before all others have been.
        With ties the lower index wins.

    Raises:
        ArgumentError: Shapes do not fit, or `size` < 1.
    """
    _check(means, documents, events, size, clicked, full)
    most = size if most_clicked is None else min(size, most_clicked)
    used = np.zeros(len(documents), dtype=np.int64) if full is None else full.astype(np.int64)
    targets = []
    for batch, mean in enumerate(means):
        chosen = list(dict.fromkeys(clicked[batch]))[:most] if clicked is not None else []
        chosen += _cold(documents @ mean, events, used, size, chosen)
        used[chosen] += 1
        targets.append(np.array(chosen, dtype=np.int64))
    return targets


def _cold(
    similarity: NDArray[np.float32], events: NDArray[np.int64], used: Indices, size: int, chosen: list[int]
) -> list[int]:
    """Documents that fill `chosen` up to `size`: least used first, then near, then fewest events, then nearest."""
    free = np.ones(len(used), dtype=bool)
    free[chosen] = False
    found: list[int] = []
    while len(chosen) + len(found) < size and free.any():
        candidates = np.flatnonzero(free & (used == used[free].min()))
        near = candidates[np.argsort(-similarity[candidates], kind="stable")][: NEARNESS * size]
        coldest = near[np.argsort(events[near], kind="stable")][: size - len(chosen) - len(found)]
        found += coldest.tolist()
        free[coldest] = False
    return found


def _check(
    means: NDArray[np.float32],
    documents: NDArray[np.float32],
    events: NDArray[np.int64],
    size: int,
    clicked: Sequence[Sequence[int]] | None,
    full: NDArray[np.bool_] | None,
) -> None:
    if size < 1:
        raise ArgumentError("size", size, "must be >= 1")
    if means.ndim != 2 or documents.ndim != 2 or means.shape[1] != documents.shape[1]:
        raise ArgumentError("documents.shape", documents.shape, f"must fit means, which are {means.shape}")
    if events.shape != (len(documents),):
        raise ArgumentError("events.shape", events.shape, f"must be ({len(documents)},), one count per document")
    if full is not None and full.shape != events.shape:
        raise ArgumentError("full.shape", full.shape, f"must be {events.shape}, one per document")
    if clicked is not None and len(clicked) != len(means):
        raise ArgumentError("len(clicked)", len(clicked), f"must be {len(means)}, one list per batch")
