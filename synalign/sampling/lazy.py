"""The largest of many slowly falling values, without computing them all: screened, then decided exactly.

Values only ever fall, so a value computed earlier bounds today's from above, and what is bounded below the best need
not be looked at (Minoux, *Optimization Techniques*, LNCIS 7, 1978). Single precision finds the few that may be
largest; double precision decides among them. The answer is the one that full evaluation in double precision gives.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from synalign.arrays.checks import Floats, Indices

FIRST_BATCH = 256
"""Stale entries evaluated first; each further batch is half of what was evaluated before it."""

LARGEST_BATCH = 32_768
"""Most entries evaluated together."""

EXACT_BATCH = 64
"""Entries decided exactly together."""

CONTESTED = 0.25
"""Share of a batch too close to the best to be told apart in single precision, above which it is not tried next."""

HEADROOM = 4.0
"""The margin is at least this many times the largest error that was ever seen."""

CHECKED = 4
"""One in so many choices that screening settles alone is decided exactly all the same."""

STALE, SCREENED, EXACT = 0, 1, 2

Evaluate = Callable[[Indices], Floats]


class LazyLargest:
    """Finds the largest value again and again, while all values fall.

    The margin that screening is trusted within starts at a stated value. Whatever is decided exactly after it was
    screened shows an actual error; where `HEADROOM` times that passes the margin, the margin grows and every bound
    that rests on it is loosened.

    Args:
        size: Number of entries, indexed from 0.
        ceiling: An upper bound of every value.
        screen: Values of the entries at (b,) int64 indices within the margin, (b,) float64; NaN: cannot say.
        exact: The same in double precision.
        margin: Error of `screen` to start with.
        tie: Values within this of the largest tie.
        always_exact: Decide exactly even where only one entry is left. False: then only every `CHECKED`-th time, to
            learn how good screening is.

    Attributes:
        confirmed: How many values were computed exactly.
        screened: How many were screened.
    """

    def __init__(
        self,
        size: int,
        ceiling: float,
        *,
        screen: Evaluate,
        exact: Evaluate,
        margin: float,
        tie: float,
        always_exact: bool = True,
    ) -> None:
        self._screen, self._exact = screen, exact
        self._ceiling, self._margin, self._tie = ceiling, margin, tie
        self._bounds = np.full(size, ceiling)
        self._seen = np.full(size, np.nan)
        # Which bounds rest on the margin.
        self._rests = np.zeros(size, dtype=bool)
        self._state = np.zeros(size, dtype=np.uint8)
        self._contested, self._always_exact, self._calls = False, always_exact, 0
        self.confirmed = self.screened = 0

    def close(self, which: Indices | int | np.int64) -> None:
        """Leave entries out from now on."""
        self._bounds[which] = -np.inf
        self._rests[which] = False

    def best(self) -> tuple[int, float]:
        """Find the lowest open index whose value is within the tie of the largest, and its exact value.

        Where exactness was not asked for and screening leaves one entry alone, the value is the screened one.

        At least one entry must be open.
        """
        self._state.fill(STALE)
        self._calls += 1
        checked = self._always_exact or self._calls % CHECKED == 1
        self._found, self._at_least, evaluated = -np.inf, -np.inf, 0
        while True:
            size = min(max(FIRST_BATCH, evaluated // 2), LARGEST_BATCH)
            # Once the largest value is known, a stale bound that only equals it cannot pass it.
            stale = self._highest(STALE, max(self._found, self._at_least - self._margin), size)
            if stale.size:
                self._evaluate(stale)
                evaluated += len(stale)
                continue
            close = self._highest(SCREENED, max(self._found, self._at_least - self._margin), EXACT_BATCH)
            if not close.size:
                return self._first_tied()
            if len(close) == 1 and self._found == -np.inf and not checked:
                return int(close[0]), float(self._seen[close[0]])
            self._decide(close)

    def _highest(self, state: int, above: float, count: int) -> Indices:
        """Return at most `count` entries in that state, those of highest bound above a value."""
        promising = np.flatnonzero((self._bounds > above) & (self._state == state))
        if len(promising) <= count:
            return promising
        highest = np.argpartition(self._bounds[promising], len(promising) - count)[-count:]
        return promising[np.sort(highest)]

    def _evaluate(self, which: Indices) -> None:
        """Screen stale entries; or decide them exactly, where the last batch was too close to screen."""
        if self._contested:
            self._decide(which)
            close = self._bounds[which] >= self._found - 2.0 * self._margin
        else:
            values = self._screen(which)
            self.screened += len(which)
            above = values + self._margin
            # fmin: where screening cannot say, the old bound stays.
            self._rests[which] |= above < self._bounds[which]
            self._bounds[which] = np.fmin(self._bounds[which], above)
            self._seen[which], self._state[which] = values, SCREENED
            self._at_least = max(self._at_least, float(np.nanmax(values, initial=-np.inf)))
            close = self._bounds[which] > max(self._found, self._at_least - self._margin)
        self._contested = bool(close.mean() > CONTESTED)

    def _decide(self, which: Indices) -> None:
        """Compute values exactly, and learn from those that were screened how good screening is."""
        values = self._exact(which)
        self.confirmed += len(which)
        fresh = self._state[which] == SCREENED
        error = float(np.nanmax(np.abs(self._seen[which] - values)[fresh], initial=0.0))
        self._bounds[which], self._rests[which], self._state[which] = values, False, EXACT
        self._found = max(self._found, float(values.max()))
        if HEADROOM * error > self._margin:
            self._widen(HEADROOM * error)

    def _widen(self, margin: float) -> None:
        """Trust screening less, from now on and in every bound it gave."""
        raised = self._bounds[self._rests] + (margin - self._margin)
        self._bounds[self._rests] = np.minimum(raised, self._ceiling)
        self._margin = margin

    def _first_tied(self) -> tuple[int, float]:
        """Find the lowest index within the tie of the known largest value; the others go in batches, by index."""
        tied = self._bounds >= self._found - self._tie
        first = int(np.argmax(tied & (self._state == EXACT)))
        rivals = np.flatnonzero(tied[:first] & (self._state[:first] != EXACT))
        for start in range(0, len(rivals), EXACT_BATCH):
            which = rivals[start : start + EXACT_BATCH]
            self._decide(which)
            reached = which[self._bounds[which] >= self._found - self._tie]
            if reached.size:
                first = min(first, int(reached[0]))
                break
        return first, float(self._bounds[first])
