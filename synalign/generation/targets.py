"""Which documents each batch's queries are written for.

*Cold* is where a retriever lacks data: near the batch in embedding space, with few or no events. *Demonstrated* are the
documents that users chose for the batch's own queries. *Mixed* is half of each. Functions of arrays; the same input
gives the same targets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from synalign.errors import ArgumentError
from synalign.screening.cosines import error_bound, exact_cosines
from synalign.screening.nearest import NOBODY

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
        chosen += _cold(mean, documents, events, used, size, chosen)
        used[chosen] += 1
        targets.append(np.array(chosen, dtype=np.int64))
    return targets


def certain_targets(
    nearest: Indices,
    events: Mapping[int, int],
    size: int,
    clicked: Sequence[Sequence[int]],
    most_clicked: int,
    used: set[int],
) -> list[Indices]:
    """Choose the targets of the first batches, as many as lists of near documents are long enough for.

    The same as `choose_targets` where there are at least `size` more documents that are neither used nor full than all
    batches together take.

    Args:
        nearest: (b, k) for each batch the documents nearest to it, the nearest first, `NOBODY` where there are no more.
            None is full, or was used before the first of these batches.
        events: How many events these documents have.
        size: See `choose_targets`.
        clicked: See `choose_targets`; at least b of them.
        most_clicked: See `choose_targets`.
        used: Documents of the batches before; those that are chosen are added.

    Returns:
        At least the first batch's, where k >= (`NEARNESS` + 1) * `size`: its own clicked documents may be on its list.
    """
    targets = []
    for numbers, wanted in zip(nearest.tolist(), clicked, strict=False):
        chosen = list(dict.fromkeys(wanted))[:most_clicked]
        if len(chosen) < size:
            free = [number for number in numbers if number not in used and number not in chosen and number != NOBODY]
            if len(free) < NEARNESS * size and numbers[-1] != NOBODY:
                break
            coldest = sorted(free[: NEARNESS * size], key=events.__getitem__)
            chosen += coldest[: size - len(chosen)]
        used.update(chosen)
        targets.append(np.array(chosen, dtype=np.int64))
    return targets


def _cold(
    mean: NDArray[np.float32],
    documents: NDArray[np.float32],
    events: NDArray[np.int64],
    used: Indices,
    size: int,
    chosen: list[int],
) -> list[int]:
    """Documents that fill `chosen` up to `size`: least used first, then near, then fewest events, then nearest."""
    similarity = documents @ mean
    free = np.ones(len(used), dtype=bool)
    free[chosen] = False
    found: list[int] = []
    while len(chosen) + len(found) < size and free.any():
        candidates = np.flatnonzero(free & (used == used[free].min()))
        near = _nearest(mean, documents, similarity, candidates, NEARNESS * size)
        coldest = near[np.argsort(events[near], kind="stable")][: size - len(chosen) - len(found)]
        found += coldest.tolist()
        free[coldest] = False
    return found


def _nearest(
    mean: NDArray[np.float32],
    documents: NDArray[np.float32],
    similarity: NDArray[np.float32],
    candidates: Indices,
    count: int,
) -> Indices:
    """Return the nearest of some documents, the nearest first, by exact cosines rounded to single precision.

    Products are wrong by their last bits, by how much depends on how many documents there are at once.
    """
    if len(candidates) > count:
        products = similarity[candidates]
        doubt = 2.0 * error_bound(len(mean)) * max(1.0, float(np.linalg.norm(mean)))
        candidates = candidates[products >= np.partition(products, -count)[-count] - np.float32(doubt)]
    cosines = exact_cosines(mean[None], documents, np.zeros(len(candidates), dtype=np.int64), candidates)
    order = np.argsort(-cosines.astype(np.float32), kind="stable")
    return candidates[order[:count]]


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
