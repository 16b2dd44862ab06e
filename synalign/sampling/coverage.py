"""Our criterion: the batch that most lowers an upper bound of everybody's posterior variance.

Condition each row x only on its most informative observed row (a nearest-neighbour Gaussian process). Observing b
alone removes q(x, b) = k(x, b)^2 / (1 + s) of the variance of x, so with r_S(x) = max_{b in S} q(x, b) the bound
1 - r_S(x) is never below the exact posterior variance: more conditioning never raises a variance.

    gain(a) = sum_x c(x) [max_{b in B_a} q(x, b) - r_S(x)]_+        B_a = a and its k nearest rows, fixed

is a facility-location function of the anchors: monotone and submodular. Greedy choice is therefore within 1 - 1/e of
the best T fixed blocks (Nemhauser, Wolsey and Fisher, *Mathematical Programming* 14, 1978), and a gain computed
earlier bounds today's from above, so lazy evaluation picks exactly the same anchors (Minoux, *Optimization
Techniques*, LNCIS 7, 1978). The choice of members outside B_a is an add-on without a guarantee.
"""

from __future__ import annotations

import numpy as np

from synalign.sampling.neighbours import PANEL_BYTES, nearest_rows
from synalign.sampling.posterior import gaussian_kernel
from synalign.vectors import Floats, Indices, Points

LANDMARKS = 20_000
"""Rows on which a gain is evaluated; with more rows than this, those drawn by traffic stand for all."""

BLOCK_GAIN_BYTES = 2 * 2**30
"""Memory of the matrix max_{b in B_a} q(x, b), candidates times landmarks."""

TIE = 1e-13
"""Gains this close, as a share of the total weight, are tied; rounding of a gain is below a hundredth of it."""

STALE_BATCH = 64
"""Stale candidates evaluated together: enough to keep the memory bus busy, few enough to waste little."""


def pick_by_coverage(
    points: Points,
    batches: int,
    neighbours: int,
    *,
    breadth: int,
    length_scale: float,
    noise: float,
    weights: Floats,
    shown: Points,
) -> tuple[Indices, Indices]:
    """Pick batches by the gain of their fixed block; members by the same gain among the nearest rows.

    Args:
        points: n points on the unit sphere, n >= batches * (neighbours + 1).
        batches: T.
        neighbours: k.
        breadth: Members are picked among this many nearest rows of the anchor.
        length_scale: Length scale of the kernel.
        noise: Observation variance s.
        weights: (n,) float64 >= 0, the c(x).
        shown: s points observed before; s may be 0.

    Returns:
        (T,) anchors and (T, k) members, int64; no row occurs twice.
    """
    candidates, landmarks, masses = _bounded(weights, batches * (neighbours + 1))
    reduction = _Reduction(points.take(landmarks), masses, length_scale, noise)
    reduction.show(shown)
    blocks = np.column_stack([candidates, nearest_rows(points, candidates, neighbours)])
    greedy = _LazyGreedy(_block_values(reduction, points, blocks), reduction)
    anchors, members = np.empty(batches, np.int64), np.empty((batches, neighbours), np.int64)
    free = np.ones(len(points.rows), dtype=bool)
    for batch in range(batches):
        anchor = candidates[greedy.best(free[candidates])]
        free[anchor] = False
        reduction.show(points.take(np.array([anchor])))
        pool = _member_pool(points, anchor, free, neighbours, breadth)
        members[batch] = _pick_members(reduction, points.take(pool), pool, neighbours)
        anchors[batch], free[members[batch]] = anchor, False
    return anchors, members


class _Reduction:
    """r_S on the landmarks: how much of each one's variance its best observed row removes.

    Args:
        landmarks: m points.
        masses: (m,) float64, what each landmark counts.
        length_scale: Length scale of the kernel.
        noise: Observation variance.
    """

    def __init__(self, landmarks: Points, masses: Floats, length_scale: float, noise: float) -> None:
        self.landmarks = landmarks
        self.masses = masses
        # k^2 is the Gaussian kernel of length scale l / sqrt(2).
        self._length_scale = length_scale / np.sqrt(2.0)
        self._scale = 1.0 / (1.0 + noise)
        self.best = np.zeros(len(landmarks.rows))

    def values(self, points: Points, part: slice = slice(None)) -> Floats:
        """q(x, b) for b points and the landmarks of `part`: (b, m) float64."""
        values = gaussian_kernel(points, self.landmarks.take(part), self._length_scale)
        values *= self._scale
        return values

    def gains(self, values: Floats) -> Floats:
        """sum_x c(x) [value(x) - r_S(x)]_+ for each row of (a, m) values."""
        above = values - self.best
        return np.asarray(np.maximum(above, 0.0, out=above) @ self.masses)

    def show(self, points: Points) -> None:
        """Observe points, in panels."""
        height = _panel(len(self.best))
        for start in range(0, len(points.rows), height):
            self.update(self.values(points.take(slice(start, start + height))))

    def update(self, values: Floats) -> None:
        """Observe the rows whose (s, m) values are given."""
        np.maximum(self.best, values.max(axis=0), out=self.best)


class _LazyGreedy:
    """Lazy evaluation of the blocks' gains: gains never rise, so an old one is an upper bound.

    Args:
        values: (a, m) float64, max_{b in B_a} q(x, b).
        reduction: What is observed so far; grows between calls of `best`.
    """

    def __init__(self, values: Floats, reduction: _Reduction) -> None:
        self._values = values
        self._reduction = reduction
        self._tie = TIE * float(reduction.masses.sum())
        self._bounds = np.full(len(values), np.inf)

    def best(self, free: np.ndarray) -> int:
        """The free candidate of largest gain; ties to the lowest index. `free` is (a,) bool, and some entry is true."""
        self._bounds[~free] = -np.inf
        stale = free.copy()
        best = -np.inf
        while True:
            bounds = np.where(stale, self._bounds, -np.inf)
            due = self._due(bounds, best)
            if not due.size:
                # Candidates left stale are more than a tie below the best, so none of them can win.
                return int(np.argmax(free & ~stale & (self._bounds >= best - self._tie)))
            self._bounds[due] = self._reduction.gains(self._values[due])
            stale[due] = False
            best = max(best, float(self._bounds[due].max()))

    def _due(self, bounds: Floats, best: float) -> Indices:
        """The stale candidates of highest bound that may still win or tie, at most `STALE_BATCH`."""
        promising = np.flatnonzero((bounds >= best - self._tie) & (bounds > -np.inf))
        if len(promising) <= STALE_BATCH:
            return promising
        highest = np.argpartition(bounds[promising], -STALE_BATCH)[-STALE_BATCH:]
        return promising[np.sort(highest)]


def _panel(columns: int) -> int:
    """Rows of a float64 panel of that many columns."""
    return max(1, PANEL_BYTES // (8 * columns))


def _bounded(weights: Floats, shown_rows: int) -> tuple[Indices, Indices, Floats]:
    """Candidates, landmarks and the landmarks' masses, such that candidates x landmarks fits `BLOCK_GAIN_BYTES`.

    Candidates are never fewer than the rows that the run will show, so that it cannot run out of them; where that
    asks for it, landmarks give way.
    """
    entries = BLOCK_GAIN_BYTES // 8
    most_landmarks = min(len(weights), LANDMARKS)
    most_candidates = min(len(weights), max(entries // most_landmarks, shown_rows))
    most_landmarks = max(1, min(most_landmarks, entries // most_candidates))
    landmarks, masses = _by_traffic(weights, most_landmarks)
    if most_candidates < len(weights):
        # By traffic, with every row given some, so that there are enough distinct ones.
        candidates = _distinct_by_traffic(weights, most_candidates)
    else:
        candidates = np.arange(len(weights))
    return candidates, landmarks, masses


def _by_traffic(weights: Floats, most: int) -> tuple[Indices, Floats]:
    """At most `most` rows, and masses that stand for all weights: systematic sampling, always the same.

    A row is drawn in proportion to its weight (Madow, *Annals of Mathematical Statistics* 20, 1949) and its mass is
    how often it was drawn, times the weight of a draw; so a sum over the rows drawn estimates the sum over all.
    """
    if most >= len(weights):
        return np.arange(len(weights)), weights
    ends = np.cumsum(weights)
    draws = (np.arange(most) + 0.5) * (ends[-1] / most)
    drawn, hits = np.unique(np.searchsorted(ends, draws), return_counts=True)
    return drawn, hits * (ends[-1] / most)


def _distinct_by_traffic(weights: Floats, count: int) -> Indices:
    """Exactly `count` distinct rows: those drawn by traffic, filled up with evenly spaced others."""
    drawn, _ = _by_traffic(weights, count)
    others = np.setdiff1d(np.arange(len(weights)), drawn, assume_unique=True)
    missing = count - len(drawn)
    fill = others[np.arange(missing) * len(others) // max(missing, 1)]
    return np.sort(np.concatenate([drawn, fill]))


def _block_values(reduction: _Reduction, points: Points, blocks: Indices) -> Floats:
    """max_{b in B_a} q(x, b), (candidates, landmarks) float64, filled in panels of landmarks."""
    rows, places = np.unique(blocks, return_inverse=True)
    places = places.reshape(blocks.shape)
    shown_alone = points.take(rows)
    values = np.empty((len(blocks), len(reduction.best)))
    width = _panel(len(rows))
    for start in range(0, values.shape[1], width):
        part = slice(start, start + width)
        alone = reduction.values(shown_alone, part)
        best = alone[places[:, 0]]
        spare = np.empty_like(best)
        for member in range(1, blocks.shape[1]):
            # mode="clip" lets `take` write to `out` without a buffer of its own; no index is out of range.
            np.maximum(best, np.take(alone, places[:, member], axis=0, out=spare, mode="clip"), out=best)
        values[:, part] = best
    return values


def _member_pool(points: Points, anchor: np.int64, free: np.ndarray, neighbours: int, breadth: int) -> Indices:
    """The free rows among the anchor's `breadth` nearest, and further nearest free ones if those are too few."""
    reach = min(breadth, len(points.rows) - 1)
    nearest = nearest_rows(points, np.array([anchor]), reach)[0]
    pool = nearest[free[nearest]]
    while len(pool) < neighbours:
        reach = min(2 * reach, len(points.rows) - 1)
        nearest = nearest_rows(points, np.array([anchor]), reach)[0]
        pool = nearest[free[nearest]][:neighbours]
    return np.sort(pool)


def _pick_members(reduction: _Reduction, points: Points, pool: Indices, count: int) -> Indices:
    """`count` rows of the pool (ascending, at `points`), greedily by gain, ties to the lowest index; observes them."""
    values = reduction.values(points)
    tie = TIE * float(reduction.masses.sum())
    members = np.empty(count, dtype=np.int64)
    open_rows = np.ones(len(pool), dtype=bool)
    for member in range(count):
        gains = np.where(open_rows, reduction.gains(values), -np.inf)
        place = int(np.argmax(gains >= gains.max() - tie))
        members[member], open_rows[place] = pool[place], False
        reduction.update(values[[place]])
    return members
