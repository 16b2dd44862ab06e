"""The arms: what each retriever is trained on. An arm is nothing but a weight for every written query.

- `control`: real pairs only.
- `unweighted`: all that was written and not dropped for what it is (personal data, copies, repeats, leaks), the ones
  that do not find their document included, all equal. What screening by round trip is worth. Those were dropped before
  they could be found out as leaks or repeats; the arm is never chosen, so that nothing comes of it.
- `equal`: the accepted ones, all with the same weight. What weights are worth.
- `equal_mass`: the accepted ones, the same total for every document. Whether a gain is alignment's, or only comes from
  levelling documents.
- `aligned`: the accepted ones, aligned to real queries.
- `random_subset`: as many accepted ones as the aligned weights are worth, drawn at random for each seed anew, all
  equal. Whether alignment chooses well, or any choice that narrow would do as well.

- `pairs_only`: the treatment's pairs, without their hard negatives and without a teacher. What mining and teaching are
  worth; it is trained where a set has either.

Every arm but the first has the same synthetic mass, `mass` times that of the real pairs, and sees all real pairs. The
*treatment* is the arm whose weights the training set has, the control where it has no written query; it is one of these
and not trained twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from synalign.config.schemes import ALIGNED, EQUAL, EQUAL_MASS, NONE, SCHEMES, Scheme
from synalign.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

CONTROL, TREATMENT = "control", "treatment"

ARMS = (CONTROL, "unweighted", *SCHEMES, "random_subset")

PAIRS_ONLY = "pairs_only"
"""The treatment's weights without hard negatives and without a teacher: what mining and teaching are worth."""


CONTRASTS = (
    (EQUAL, "unweighted"),
    (ALIGNED, EQUAL),
    (ALIGNED, EQUAL_MASS),
    (ALIGNED, "random_subset"),
    (TREATMENT, PAIRS_ONLY),
)
"""Arms that are compared with each other, beside every arm with the control; the last where it was trained."""


def trained_arms(test: Mapping[str, object]) -> list[str]:
    """Return the arms that figures on test queries are of, in order.

    >>> trained_arms({"control": {}, "pairs_only": {}, "control_minus_pairs_only": {}})
    ['control', 'pairs_only']
    """
    return [arm for arm in (*ARMS, PAIRS_ONLY) if arm in test]


def contrasts(test: Mapping[str, object]) -> list[tuple[str, str]]:
    """Return the pairs of arms that figures on test queries compare, beside every arm with the control."""
    return [(arm, other) for arm, other in CONTRASTS if f"{arm}_minus_{other}" in test]


class Pool(NamedTuple):
    """The written queries that have a part in some arm.

    Attributes:
        accepted: (m,) bool, what screening accepted; the others were dropped for the round trip only.
        weights: (n,) float64 by scheme, one per accepted query in the pool's order, >= 0, sum 1.
    """

    accepted: NDArray[np.bool_]
    weights: dict[Scheme, NDArray[np.float64]]


def arms(pool: Pool, mass: float, seed: int) -> dict[str, NDArray[np.float64]]:
    """Compute the weights of every arm.

    Args:
        pool: m written queries.
        mass: What the weights of an arm sum to, >= 0: a mass of the choice times the number of real pairs.
        seed: Of the random subset.

    Returns:
        By arm, in the order of `ARMS`, (m,) float64; 0: has no part in it.

    Raises:
        ArgumentError: A scheme is missing, does not fit the pool, or has weights that do not sum to 1.

    Examples:
        >>> pool = Pool(np.array([True, False, True]), dict.fromkeys(SCHEMES, np.array([0.75, 0.25])))
        >>> {name: weights.round(2).tolist() for name, weights in arms(pool, mass=6.0, seed=1).items()}["unweighted"]
        [2.0, 2.0, 2.0]
    """
    _check(pool)
    accepted = np.flatnonzero(pool.accepted)
    found = {CONTROL: np.zeros(len(pool.accepted)), "unweighted": np.full(len(pool.accepted), 1.0)}
    for scheme in SCHEMES:
        found[scheme] = _placed(accepted, pool.weights[scheme], len(pool.accepted))
    size = round(effective_sample_size(pool.weights[ALIGNED]))
    drawn = np.random.default_rng(seed).choice(accepted, size=size, replace=False)
    found["random_subset"] = _placed(drawn, np.ones(size), len(pool.accepted))
    return {name: _scaled(weights, mass) for name, weights in found.items()}


def arm_of(scheme: str) -> str:
    """Return the arm that a training set of a scheme is made as.

    >>> arm_of("aligned"), arm_of("none")
    ('aligned', 'control')
    """
    return CONTROL if scheme == NONE else scheme


def effective_sample_size(weights: NDArray[np.float64]) -> float:
    """Return how many equal weights are worth as much: (sum w)^2 / sum w^2 (Kish, "Survey Sampling", 1965).

    >>> effective_sample_size(np.array([0.5, 0.5, 0.0]))
    2.0
    """
    return float(weights.sum() ** 2 / np.square(weights).sum())


def _placed(rows: NDArray[np.int64], weights: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    placed = np.zeros(count)
    placed[rows] = weights
    return placed


def _scaled(weights: NDArray[np.float64], mass: float) -> NDArray[np.float64]:
    total = float(weights.sum())
    return weights * (mass / total) if total else weights


def _check(pool: Pool) -> None:
    count = int(pool.accepted.sum())
    for scheme in SCHEMES:
        if scheme not in pool.weights:
            raise ArgumentError("weights", sorted(pool.weights), f"must have the scheme {scheme!r}")
        weights = pool.weights[scheme]
        if weights.shape != (count,):
            raise ArgumentError(
                f"weights[{scheme!r}].shape", weights.shape, f"must be ({count},), one per accepted query"
            )
        if not (np.isfinite(weights).all() and (weights >= 0.0).all() and abs(weights.sum() - 1.0) < 1e-6):
            raise ArgumentError(f"weights[{scheme!r}]", weights, "must be >= 0 and sum to 1")
