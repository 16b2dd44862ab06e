"""Which arm is better, and how sure that is: paired over queries and over trainings.

The scores of an arm are one number per training (seed) and query, and all arms share both. Two questions are asked:

- *Could it be chance?* A paired randomisation test (Fisher; for retrieval, Smucker, Allan and Carterette, "A comparison
  of statistical significance tests for information retrieval evaluation", CIKM 2007): per query, on means over seeds,
  the sign of each difference is drawn at random.
- *How large is it?* An interval for other queries *and* other trainings, by resampling both at once (Owen, "The
  pigeonhole bootstrap", Annals of Applied Statistics 1(2), 2007), percentiles of 2,000 resamples. With few seeds the
  bootstrap sees only (s - 1) / s of the variance between seeds; with one seed it sees none, and the interval is for
  this very training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.stats import monte_carlo_test

from synalign.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

RESAMPLES = 2_000
"""Resamples behind an interval: they fix an end of it to about a twentieth of its width."""

FLIPS = 9_999
"""Random signs behind a p-value: with the observed one, 10,000."""

LEAST_QUERIES = 20
"""Queries below which an interval says nothing: resampling a handful cannot show how queries vary."""

ROUNDING = 1e-12
"""Differences below this are rounding of zero: where neither arm learned anything, both are the same retriever."""

ENTRIES = 2**22
"""Entries of resampling weights held at once (32 MB)."""


class Interval(NamedTuple):
    """A mean with its uncertainty.

    Attributes:
        value: The mean, over all seeds and queries.
        lower: Lower end of the interval.
        upper: Upper end of the interval.
    """

    value: float
    lower: float
    upper: float


class Comparison(NamedTuple):
    """One arm against another.

    Attributes:
        difference: Mean score of the arm minus that of the other.
        lower: Lower end of the difference's interval.
        upper: Upper end of the difference's interval.
        relative: The difference as a part of the other's mean; None when that is 0.
        p_value: Of the paired randomisation test, two-sided.
        queries: How many queries it rests on.
        seeds: How many trainings.
    """

    difference: float
    lower: float
    upper: float
    relative: float | None
    p_value: float
    queries: int
    seeds: int


class Resampled:
    """Arms scored on the same queries by the same trainings, and their means in many resamples of both.

    Args:
        scores: arm to (s, q) float, one row per seed in the same order everywhere, s >= 1, q >= 1.
        resamples: How many.
        seed: Of the resamples.

    Raises:
        ArgumentError: No arm, arms that do not fit together, no query, or a score that is not a number.

    Examples:
        >>> import numpy as np
        >>> arms = Resampled({"control": np.zeros((1, 30)), "aligned": np.full((1, 30), 0.5)})
        >>> arms.compare("aligned", "control")[:3]
        (0.5, 0.5, 0.5)
    """

    def __init__(self, scores: dict[str, NDArray[np.float64]], resamples: int = RESAMPLES, seed: int = 0) -> None:
        self.scores = _checked(scores)
        self.names = list(self.scores)
        self.seed = seed
        stacked = np.stack(list(self.scores.values()))
        _, self.seeds, self.queries = stacked.shape
        self._means = _resampled_means(stacked, resamples, np.random.default_rng(seed))

    def mean(self, arm: str, confidence: float = 0.95) -> Interval:
        """Return an arm's mean score with its interval."""
        return self.combination({arm: 1.0}, confidence)

    def combination(self, factors: dict[str, float], confidence: float = 0.95) -> Interval:
        """Return a sum of arms' means, each times a factor, with its interval.

        Args:
            factors: arm to factor.
            confidence: Share of intervals that hold the truth, two-sided, in (0, 1).
        """
        value = sum(factor * float(self.scores[arm].mean()) for arm, factor in factors.items())
        resampled = sum(factor * self._means[:, self.names.index(arm)] for arm, factor in factors.items())
        tail = (1.0 - confidence) / 2.0
        lower, upper = np.quantile(resampled, [tail, 1.0 - tail])
        return Interval(value, float(lower), float(upper))

    def compare(self, arm: str, other: str, confidence: float = 0.95) -> Comparison:
        """Compare one arm with another: difference, interval and p-value."""
        value, lower, upper = self.combination({arm: 1.0, other: -1.0}, confidence) if arm != other else (0.0,) * 3
        base = float(self.scores[other].mean())
        differences = (self.scores[arm] - self.scores[other]).mean(axis=0)
        return Comparison(
            value,
            lower,
            upper,
            value / base if base else None,
            p_value(differences, self.seed),
            self.queries,
            self.seeds,
        )


def p_value(differences: NDArray[np.float64], seed: int = 0) -> float:
    """Return the two-sided p-value of the paired randomisation test.

    Args:
        differences: (q,) float64, one per query, each the mean over seeds.
        seed: Of the random signs.

    Returns:
        In (0, 1]; 1 when all differences are 0. Under 1e-4 nothing smaller is told apart.
    """
    # A zero stays zero under either sign: leaving it out changes nothing but the time it takes.
    moved = differences[differences != 0.0]
    if not len(moved):
        return 1.0
    rng = np.random.default_rng(seed)

    def flipped(size: tuple[int, ...]) -> NDArray[np.float64]:
        signs = rng.integers(0, 2, size=size, dtype=np.int8) * 2 - 1
        return signs * moved

    test = monte_carlo_test(
        moved, flipped, np.mean, vectorized=True, n_resamples=FLIPS, batch=max(1, ENTRIES // len(moved))
    )
    return min(1.0, float(test.pvalue))


def _checked(scores: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    shapes = {arm: np.shape(rows) for arm, rows in scores.items()}
    if len(set(shapes.values())) != 1 or len(next(iter(shapes.values()))) != 2 or 0 in next(iter(shapes.values())):
        raise ArgumentError("scores", shapes, "must have one shape (seeds, queries) for all arms, with no side of 0")
    for arm, rows in scores.items():
        if not np.isfinite(rows).all():
            raise ArgumentError(f"scores[{arm!r}]", rows, "must be finite")
    return {arm: np.asarray(rows, dtype=np.float64) for arm, rows in scores.items()}


def _resampled_means(scores: NDArray[np.float64], resamples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return means of (a, s, q) scores over seeds and queries, each drawn with replacement: (resamples, a)."""
    arms, seeds, queries = scores.shape
    flat = scores.reshape(arms * seeds, queries).T
    means = np.empty((resamples, arms))
    for rows in blocks(resamples, max(1, ENTRIES // queries)):
        by_seed = (draws(rows, queries, rng) @ flat).reshape(len(rows), arms, seeds)
        means[rows] = np.einsum("bas,bs->ba", by_seed, draws(rows, seeds, rng)) / (queries * seeds)
    return means


def draws(rows: Sequence[int], size: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw `size` times with replacement for each row: (len(rows), size) counts, rows sum to `size`."""
    drawn = rng.integers(0, size, size=(len(rows), size)) + size * np.arange(len(rows))[:, None]
    return np.bincount(drawn.ravel(), minlength=len(rows) * size).reshape(len(rows), size).astype(np.float64)


def blocks(count: int, size: int) -> list[range]:
    """Cut the numbers below `count` into ranges of at most `size`."""
    return [range(start, min(start + size, count)) for start in range(0, count, size)]
