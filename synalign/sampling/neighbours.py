"""Exact nearest rows, with ties to the lowest index: screened in single precision, ranked in double."""

from __future__ import annotations

import numpy as np

from synalign.arrays.checks import Indices
from synalign.arrays.tally import Report, Tally
from synalign.sampling.rows import Rows, Singles, paired_distances, panels
from synalign.sampling.threads import each

TILE_ROWS = 1_024
"""Rows whose neighbours are looked for together."""

TILE_ENTRIES = 2**22
"""Entries of one tile of likenesses (16 MB); the full n x n matrix is never needed."""

SINGLE_COLUMNS = 2**12
"""Rows that one thread compares with a single row."""

TILE_COLUMNS = 4_096
"""Columns of a tile at the least."""

GROUPS = 64
"""Groups of columns of a tile whose maxima bound the k-th largest entry from below; more where k asks for it."""


def nearest_rows(
    rows: Rows, which: Indices, count: int, *, keep: Singles | None = None, report: Report | None = None
) -> Indices:
    """Find the `count` nearest other rows of each of `which`, nearest first.

    A single-precision matrix product screens: whatever may be among the nearest, given a bound on its rounding that
    always holds, passes; where that bound leaves the order open, |x - y|^2 in double precision decides, then the
    index. Any number of duplicates is ranked right.

    Args:
        rows: n rows.
        which: (r,) int64, the rows whose neighbours are asked for.
        count: Neighbours per row, 0 <= count <= n - 1. The row itself is never its own neighbour; its duplicates are.
        keep: (n, n) float32 to be filled with `Rows.closeness`, where `which` is every row; None: not kept.
        report: Called as rows are ranked.

    Returns:
        (r, count) int64. Time: 2 r n d operations in single precision, half of that with `keep`.
    """
    # Identical rows share one ranking of all rows, themselves included; each then leaves itself out.
    first, group = distinct_rows(rows, which)
    if keep is not None:
        rows.closeness(keep)
    parts = panels(len(first), TILE_ROWS)
    tally = Tally(report, "rows compared", len(first))

    def ranked_part(part: slice) -> Indices:
        found = _ranked(rows, which[first[part]], count + 1, keep)
        tally.add(part.stop - part.start)
        return found

    ranked = np.concatenate(each(ranked_part, parts))
    return _without_self(ranked[group], which)


def distinct_rows(rows: Rows, which: Indices) -> tuple[Indices, Indices]:
    """Find the first of each set of identical rows in `which`, ascending, and the set that each row belongs to."""
    _, first, group = np.unique(_hashes(rows, which), return_index=True, return_inverse=True)
    group = group.reshape(-1)
    copies = np.flatnonzero(first[group] != np.arange(len(which)))
    for part in panels(len(copies), TILE_ROWS):
        left, right = (rows.given[which[some]] for some in (copies[part], first[group[copies[part]]]))
        if left.tobytes() != right.tobytes():
            # Different rows of one hash: once in 10^19 pairs.
            whole = np.ascontiguousarray(rows.given[which])
            keys = whole.view(np.dtype((np.void, whole.shape[1] * whole.itemsize))).ravel()
            _, first, group = np.unique(keys, return_index=True, return_inverse=True)
            break
    order = np.argsort(first)
    places = np.empty_like(order)
    places[order] = np.arange(len(order))
    return first[order], places[group.reshape(-1)]


def _hashes(rows: Rows, which: Indices) -> np.ndarray:
    """Return a hash of the bytes of each row: (r,) uint64."""
    words = np.uint32 if rows.given.itemsize == 4 else np.uint64
    factors = np.random.default_rng(0).integers(0, 2**64, rows.given.shape[1], np.uint64, endpoint=False)
    found = np.empty(len(which), dtype=np.uint64)
    for part in panels(len(which), TILE_ROWS):
        # Products modulo 2^64; the upper bits depend on every lower one, so zeros at the end of words do no harm.
        mixed = rows.given[which[part]].view(words).astype(np.uint64) * factors
        found[part] = (mixed ^ (mixed >> np.uint64(32))) @ (factors | np.uint64(1))
    return found


def _without_self(ranked: Indices, which: Indices) -> Indices:
    """Drop each row from its own ranking; where duplicates of lower index crowd it out, drop the last."""
    own = ranked == which[:, None]
    own[~own.any(axis=1), -1] = True
    return ranked[~own].reshape(len(which), -1)


def _ranked(rows: Rows, which: Indices, count: int, keep: Singles | None) -> Indices:
    """Find the `count` rows nearest to each of `which`, itself included: (r, count) int64."""
    places, others, values = _screened(rows, which, count, keep)
    order = np.lexsort((-values, places))
    places, others, values = places[order], others[order], values[order]
    # Only within a run of values this close may single precision have the order wrong.
    apart = (places[1:] != places[:-1]) | (values[:-1] - values[1:] > 2.0 * rows.likeness_error)
    run = np.concatenate([[0], np.cumsum(apart)])
    unsure = np.flatnonzero(np.bincount(run)[run] > 1)
    distances = np.zeros(len(run))
    distances[unsure] = paired_distances(rows.given, others[unsure], which[places[unsure]])
    order = np.lexsort((others, distances, run))
    starts = np.searchsorted(places, np.arange(len(which)))
    return others[order[starts[:, None] + np.arange(count)]]


def _screened(rows: Rows, which: Indices, count: int, keep: Singles | None) -> tuple[Indices, Indices, Singles]:
    """Return pairs (place in `which`, row) among which the `count` nearest of each are, with their likenesses."""
    total = len(rows.single)
    width = max(TILE_COLUMNS, TILE_ENTRIES // len(which))
    largest = np.full((len(which), count), -np.inf, dtype=np.float32)
    # Both the threshold and the entry held against it may be wrong by the error.
    margin = np.float32(2.0 * rows.likeness_error)
    found: list[tuple[Indices, Indices, Singles]] = []
    for columns in panels(total, width):
        tile = _tile(rows, which, columns) if keep is None else _kept(keep, which, columns)
        largest = _largest(np.hstack([largest, _group_maxima(tile, count)]), count)
        place, column = np.divmod(np.flatnonzero(tile >= largest.min(axis=1)[:, None] - margin), tile.shape[1])
        found.append((place, column + columns.start, tile[place, column]))
    places, others, values = (np.concatenate(parts) for parts in zip(*found, strict=True))
    passed = values >= largest.min(axis=1)[places] - margin
    return places[passed], others[passed], values[passed]


def _tile(rows: Rows, which: Indices, columns: slice) -> Singles:
    """Return likenesses of rows to a range of rows; of a single row, in parts."""
    if len(which) > 1:
        return rows.likeness(which, columns)
    parts = [
        slice(columns.start + part.start, columns.start + part.stop)
        for part in panels(columns.stop - columns.start, SINGLE_COLUMNS)
    ]
    return np.hstack(each(lambda part: rows.likeness(which, part), parts))


def _kept(keep: Singles, which: Indices, columns: slice) -> Singles:
    """Return a tile of what is kept, without a copy where the rows follow one another."""
    consecutive = which[-1] - which[0] == len(which) - 1
    return keep[which[0] : which[-1] + 1, columns] if consecutive else keep[which, columns]


def _largest(values: Singles, count: int) -> Singles:
    """Find the `count` largest of each row, in any order."""
    return np.partition(values, values.shape[1] - count, axis=1)[:, values.shape[1] - count :]


def _group_maxima(tile: Singles, count: int) -> Singles:
    """Return entries of each row, at distinct columns, that hold nearly all of its `count` largest."""
    groups = max(GROUPS, 4 * count)
    whole = tile.shape[1] // groups * groups
    if whole == 0:
        return tile
    maxima = tile[:, :whole].reshape(len(tile), -1, groups).max(axis=1)
    return maxima if whole == tile.shape[1] else np.hstack([maxima, tile[:, whole:]])
