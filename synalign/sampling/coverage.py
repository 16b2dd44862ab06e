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

from synalign.arrays.checks import Floats, Indices, Points
from synalign.arrays.tally import Report, Tally
from synalign.sampling.landmarks import Bounded, bounded
from synalign.sampling.lazy import HEADROOM, LazyLargest
from synalign.sampling.neighbours import distinct_rows, nearest_rows
from synalign.sampling.posterior import Observed, gaussian_kernel
from synalign.sampling.rows import Rows, Singles, panels
from synalign.sampling.threads import each

TIE = 1e-13
"""Gains this close, as a share of the total weight, are tied; rounding of a gain is below a hundredth of it."""

SCREEN_MARGIN = 4e-7
"""First margin of single-precision gains at l = 1, as a share of the total weight; it grows where that is small.

No gain errs by more than its worst entry does, times the total weight: [.]_+ never spreads two numbers apart. Entries
err by near 3e-7 / l^2, in both directions, so that sums err by less: measured 8e-8.
"""

ENTRY_MARGIN = 2e-6
"""Error of an entry less r_S in single precision at l = 1: three times what both err by."""

EXPONENTS_OVERFLOW = 0.05
"""Below this length scale the rounding of an exponent, which is near 3e-7 / l^2 and never negative in truth, is cut off
at zero: its exponential would pass every bound, and overflow from 1e-4 on."""

PANEL_COLUMNS = 128
"""Landmarks worked on together: the panel of all rows' values on them stays in the processor's cache."""

PANEL_ROWS = 512
"""Blocks worked on together, in the nearer cache."""

SCREEN_ROWS = 256
"""Candidates screened by one thread at a time."""

EXACT_COLUMNS = 4_096
"""Landmarks compared in double precision by one thread at a time."""

SCREEN_BYTES = 2**19
"""Memory of the gains screened together, in the nearer cache."""

EXACT_BYTES = 32 * 2**20
"""Memory of the double-precision values worked on together."""


def pick_by_coverage(
    rows: Rows,
    batches: int,
    neighbours: int,
    *,
    breadth: int,
    length_scale: float,
    noise: float,
    weights: Floats,
    shown: Observed,
    report: Report | None = None,
) -> tuple[Indices, Indices, Floats]:
    """Pick batches by the gain of their fixed block; members by the same gain among the nearest rows.

    Args:
        rows: n rows on the unit sphere, n >= batches * (neighbours + 1).
        batches: T.
        neighbours: k.
        breadth: Members are picked among this many nearest rows of the anchor.
        length_scale: Length scale of the kernel.
        noise: Variance of the noise of every row picked.
        weights: (n,) float64 >= 0, the c(x).
        shown: What was observed before.
        report: Called as work is done.

    Returns:
        (T,) anchors and (T, k) members, int64, no row occurs twice; and (T,) float64, the gain of each anchor's block
        when it was picked, as a share of the weight of all rows.
    """
    bound = bounded(weights, batches * (neighbours + 1))
    reduction = Reduction(rows, bound.landmarks, bound.masses, length_scale)
    reduction.show(shown.points, shown.noise)
    reach = min(max(breadth, neighbours), len(weights) - 1)
    gains = BlockGains(rows, bound, reduction, neighbours, reach, noise, report)
    total = float(bound.masses.sum())
    largest = LazyLargest(
        len(bound.candidates),
        total,
        screen=gains.screen,
        exact=gains.exact,
        margin=SCREEN_MARGIN * total * max(1.0, length_scale**-2),
        tie=TIE * total,
        always_exact=False,
    )
    anchors, members = np.empty(batches, np.int64), np.empty((batches, neighbours), np.int64)
    gained = np.empty(batches)
    free = np.ones(len(weights), dtype=bool)
    tally = Tally(report, "batches", batches)
    for batch in range(batches):
        place, gained[batch] = largest.best()
        anchors[batch] = anchor = bound.candidates[place]
        free[anchor] = False
        pool = _member_pool(rows, anchor, gains.nearest[place], free, neighbours, breadth)
        members[batch] = _Members(rows, reduction, anchor, pool, noise).pick(neighbours)
        free[members[batch]] = False
        largest.close(np.flatnonzero(~free[bound.candidates]))
        tally.add()
    return anchors, members, gained / max(total, np.finfo(float).tiny)


class Reduction:
    """r_S on the landmarks: how much of each one's variance its best observed row removes.

    Kept in single precision, which screens, and in double precision, which decides: that is brought up to date when it
    is asked for, with all that was observed in between at once.

    Args:
        rows: n rows.
        landmarks: (m,) int64.
        masses: (m,) float64, what each landmark counts.
        length_scale: Length scale of the kernel.
    """

    def __init__(self, rows: Rows, landmarks: Indices, masses: Floats, length_scale: float) -> None:
        self.masses, self.length_scale = masses, length_scale
        self._rows, self._landmarks = rows, rows.exact(landmarks)
        whole = len(landmarks) == len(rows.single)
        self._single_rows = rows.single if whole else rows.single[landmarks]
        self._halves, self._single_masses = rows.halves[landmarks], masses.astype(np.float32)
        self._best, self._pending = np.zeros(len(landmarks)), list[tuple[Indices, float]]()
        self._single = np.zeros(len(landmarks), dtype=np.float32)

    @property
    def single(self) -> Singles:
        """Return r_S in single precision, (m,)."""
        return self._single

    @property
    def best(self) -> Floats:
        """Return r_S in double precision, (m,)."""
        if self._pending:
            which = np.concatenate([rows for rows, _ in self._pending])
            noise = np.concatenate([np.full(len(rows), noise) for rows, noise in self._pending])
            self._pending.clear()
            self.show(self._rows.exact(which), noise)
        return self._best

    def values(self, points: Points, noise: Floats) -> Floats:
        """Return q(x, b) for b points with noise (b,): (b, m) float64."""
        values = np.empty((len(noise), len(self._best)))

        def fill(part: slice) -> None:
            # k^2 is the Gaussian kernel of length scale l / sqrt(2).
            kernel = gaussian_kernel(points, self._landmarks.take(part), self.length_scale / np.sqrt(2.0))
            np.divide(kernel, 1.0 + noise[:, None], out=values[:, part])

        each(fill, panels(len(self._best), EXACT_COLUMNS))
        return values

    def single_values(self, which: Indices, noise: float) -> Singles:
        """Return q(x, b) for the rows at (b,) indices, from single precision: (b, m)."""
        values = np.empty((len(which), len(self._single)), dtype=np.float32)

        def fill(part: slice) -> None:
            found = self._rows.single[which] @ self._single_rows[part].T
            found -= self._halves[part]
            found -= self._rows.halves[which, None]
            found *= np.float32(2.0 / self.length_scale**2)
            np.exp(np.minimum(found, np.float32(0.0), out=found), out=found)
            np.divide(found, np.float32(1.0 + noise), out=values[:, part])

        each(fill, panels(len(self._single), EXACT_COLUMNS))
        return values

    def gains(self, values: Floats) -> Floats:
        """Return sum_x c(x) [value(x) - r_S(x)]_+ for each row of (a, m) values."""
        above = values - self.best
        return np.asarray(np.maximum(above, 0.0, out=above) @ self.masses)

    def single_gains(self, values: Singles) -> tuple[Floats, Floats]:
        """Return the same from single precision, and how much each may err: (a,) and (a,) float64."""
        above = values - self._single
        entry = ENTRY_MARGIN * max(1.0, self.length_scale**-2)
        reached = (above > -entry).astype(np.float32) @ self._single_masses
        return self.weighed(above).astype(np.float64), entry * reached.astype(np.float64)

    def weighed(self, above: Singles) -> Singles:
        """Return sum_x c(x) [above(x)]_+ for each row of (a, m) values less r_S, in single precision; in place."""
        return np.asarray(np.maximum(above, np.float32(0.0), out=above) @ self._single_masses)

    def show(self, points: Points, noise: Floats) -> None:
        """Observe points, in panels."""
        for part in panels(len(noise), max(1, EXACT_BYTES // (8 * len(self._best)))):
            values = self.values(points.take(part), noise[part])
            np.maximum(self._best, values.max(axis=0), out=self._best)
        self._single = self._best.astype(np.float32)

    def observe(self, values: Singles, exact: Floats | None = None) -> None:
        """Observe the rows whose (s, m) values are given; without `exact` in single precision, until `later` is told.

        All that was told of before is in double precision then, too.
        """
        if exact is None:
            np.maximum(self._single, values.max(axis=0), out=self._single)
            return
        np.maximum(self.best, exact.max(axis=0), out=self._best)
        self._single = self._best.astype(np.float32)

    def later(self, which: Indices, noise: float) -> None:
        """Name the rows that were observed in single precision only."""
        self._pending.append((which, noise))


class BlockGains:
    """Gains of the fixed blocks of all candidates: from a matrix in single precision, or anew in double.

    Args:
        rows: n rows.
        bound: Candidates and landmarks.
        reduction: What is observed so far; grows between calls.
        neighbours: k; a block is the candidate and its k nearest rows.
        reach: Nearest rows to find of every candidate, >= k.
        noise: Variance of the noise of every row picked.
        report: Called as work is done.

    Attributes:
        nearest: (n_c, reach) int64.

    Memory: 4 n_c m bytes, 8 n_c reach, and the distinct rows of all blocks in single precision. Time: 2 n_c n d
    operations for the nearest rows, and 2 b m d for the values of the b distinct rows of blocks; where every row is
    candidate and landmark these are the same products, made once.
    """

    def __init__(
        self,
        rows: Rows,
        bound: Bounded,
        reduction: Reduction,
        neighbours: int,
        reach: int,
        noise: float,
        report: Report | None = None,
    ) -> None:
        self._rows, self._reduction, self._noise = rows, reduction, noise
        count, landmarks = len(bound.candidates), len(bound.landmarks)
        self._values: Singles = np.empty((count, landmarks), dtype=np.float32)
        whole = count == landmarks == len(rows.single)
        self.nearest = nearest_rows(rows, bound.candidates, reach, keep=self._values if whole else None, report=report)
        self._blocks = np.column_stack([bound.candidates, self.nearest[:, :neighbours]])
        self._fill(bound.landmarks, whole, Tally(report, "landmarks", landmarks))

    def _fill(self, landmarks: Indices, whole: bool, tally: Tally) -> None:
        """Find max_{b in B_a} q(x, b) for all candidates and landmarks, a panel of landmarks at a time.

        The kernel falls with distance, so the largest exponent of a block is found first and one exponential taken.
        """
        members, places = np.unique(self._blocks, return_inverse=True)
        places = places.reshape(self._blocks.shape)
        first, group = distinct_rows(self._rows, members)
        self._distinct = np.sort(members[first[group[places]]], axis=1)
        single, halves = self._rows.single[members], self._rows.halves[members, None]
        length = self._reduction.length_scale

        def fill(part: slice) -> None:
            marks = landmarks[part]
            if whole:
                # The exponents are where the values shall be; every row is a member of its own block.
                alone = self._values[:, part] * np.float32(2.0 / length**2)
            else:
                alone = single @ self._rows.single[marks].T
                alone -= self._rows.halves[marks]
                alone -= halves
                alone *= np.float32(2.0 / length**2)
            for some in panels(len(places), PANEL_ROWS):
                best = _largest_of_blocks(alone, places[some])
                if length < EXPONENTS_OVERFLOW:
                    np.minimum(best, np.float32(0.0), out=best)
                np.exp(best, out=best)
                np.divide(best, np.float32(1.0 + self._noise), out=self._values[some, part])
            tally.add(part.stop - part.start)

        each(fill, panels(len(landmarks), PANEL_COLUMNS))

    def screen(self, which: Indices) -> Floats:
        """Return gains of candidates, (b,) float64, from single precision."""
        best = self._reduction.single

        def gain(part: slice) -> Floats:
            gains = np.empty(part.stop - part.start, dtype=np.float32)
            spare = np.empty((max(1, SCREEN_BYTES // best.nbytes), len(best)), dtype=np.float32)
            for some in panels(len(gains), len(spare)):
                above = spare[: some.stop - some.start]
                # Row by row from where they are: gathering them first would be one more pass over memory.
                for row, candidate in zip(above, which[part][some].tolist(), strict=True):
                    np.subtract(self._values[candidate], best, out=row)
                gains[some] = self._reduction.weighed(above)
            return gains.astype(np.float64)

        return np.concatenate(each(gain, panels(len(which), SCREEN_ROWS)))

    def exact(self, which: Indices) -> Floats:
        """Return gains of candidates, (b,) float64, from double precision."""
        # Blocks of equal rows have equal gains: a flood of copies is evaluated once.
        blocks, same = np.unique(self._distinct[which], axis=0, return_inverse=True)

        def gain(part: slice) -> Floats:
            members, places = np.unique(blocks[part], return_inverse=True)
            values = self._reduction.values(self._rows.exact(members), np.full(len(members), self._noise))
            best = _largest_of_blocks(values, places.reshape(-1, blocks.shape[1]))
            return self._reduction.gains(best)

        height = max(1, EXACT_BYTES // (8 * len(self._reduction.masses) * blocks.shape[1]))
        return np.concatenate([gain(part) for part in panels(len(blocks), height)])[same.reshape(-1)]


def _largest_of_blocks(values: np.ndarray, places: Indices) -> np.ndarray:
    """Take the largest of each block's rows of (b, m) values, entry by entry: (a, m)."""
    # mode="clip" lets `take` write to `out` without a buffer of its own; no index is out of range.
    best = np.take(values, places[:, 0], axis=0, mode="clip")
    spare = np.empty_like(best)
    for member in range(1, places.shape[1]):
        np.maximum(best, np.take(values, places[:, member], axis=0, out=spare, mode="clip"), out=best)
    return best


def _member_pool(
    rows: Rows, anchor: np.int64, nearest: Indices, free: np.ndarray, neighbours: int, breadth: int
) -> Indices:
    """Find the free rows among the anchor's `breadth` nearest, and further ones where those are too few."""
    near = nearest[:breadth]
    pool = near[free[near]]
    reach = len(near)
    while len(pool) < neighbours:
        reach = min(2 * reach, len(free) - 1)
        near = nearest_rows(rows, np.array([anchor]), reach)[0]
        pool = near[free[near]][:neighbours]
    return np.sort(pool)


class _Members:
    """An anchor, and the free rows near it, of which the greedy choice by gain is picked.

    Args:
        rows: n rows.
        reduction: What is observed; told of the anchor and of every row that is picked.
        anchor: Index of the anchor.
        pool: (p,) int64, ascending.
        noise: Variance of the noise of every row picked.
    """

    def __init__(self, rows: Rows, reduction: Reduction, anchor: np.int64, pool: Indices, noise: float) -> None:
        self._rows, self._reduction, self._noise = rows, reduction, noise
        self._which = np.append(pool, anchor)
        self._values = reduction.single_values(self._which, noise)
        self._exact: Floats | None = None
        # Places of the rows that were observed in single precision only.
        self._single: list[int] = []
        self._observe(len(pool))

    def pick(self, count: int) -> Indices:
        """Return `count` rows, ties to the lowest index.

        A gain errs by no more than its worst entry does, times the mass of the landmarks where there is a gain: near an
        anchor these are few. Where one errs by more than a part of that, double precision decides alone.
        """
        picked, tie = np.empty(count, dtype=np.int64), TIE * float(self._reduction.masses.sum())
        open_rows = np.ones(len(self._which) - 1, dtype=bool)
        for member in range(count):
            gains, margins = self._reduction.single_gains(self._values[:-1])
            gains[~open_rows] = -np.inf
            close = np.flatnonzero(gains + margins >= (gains - margins).max() - tie)
            if len(close) > 1:
                exact = self._gains(close)
                if (HEADROOM * np.abs(exact - gains[close]) > margins[close] + tie).any():
                    close = np.flatnonzero(open_rows)
                    exact = self._gains(close)
                close = close[exact >= exact.max() - tie]
            place = int(close[0])
            picked[member], open_rows[place] = self._which[place], False
            self._observe(place)
        self._reduction.later(self._which[self._single], self._noise)
        return picked

    def _observe(self, place: int) -> None:
        values, exact = self._values[[place]], self._exact
        self._reduction.observe(values, None if exact is None else exact[[place]])
        if exact is None:
            self._single.append(place)

    def _gains(self, places: Indices) -> Floats:
        """Return gains of the rows at these places, in double precision."""
        if self._exact is None:
            # All at once: copies have values that differ as little as one product lets them.
            self._exact = self._reduction.values(self._rows.exact(self._which), np.full(len(self._which), self._noise))
            self._reduction.observe(self._values[self._single], self._exact[self._single])
            self._single.clear()
        return self._reduction.gains(self._exact[places])
