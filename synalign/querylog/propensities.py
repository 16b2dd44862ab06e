"""How likely people are to look at a position, from documents that were shown at several.

A click needs that a position is looked at, and that the document there is relevant: P(click) = p_k r_qd, the
position-based model (Craswell et al., WSDM 2008). Where a query's document was shown at positions k and l, its clicks
there differ in p alone, whatever it is worth. Agarwal et al. (*Estimating Position Bias without Intrusive
Interventions*, WSDM 2019) harvest such pairs from logs of changing rankers, and give both sides of a pair the same
weight. Here the weight of a query's document is n_k n_l / (n_k + n_l), n its impressions: that of the ratio of rates
of Mantel and Haenszel (1959), which makes the most of documents that were shown often. So

    E[w_kl] : E[w_lk] = p_k : p_l,   w_kl = sum over documents of c_k n_l / (n_k + n_l),

and all pairs of positions together are a model of Bradley and Terry (1952), whose likelihood has one maximum where
positions are connected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_ROUNDS, _CLOSE = 200, 1e-9
_LONGEST_STEP = 1.0
"""Of Newton's method, in logarithms: far from the maximum its own is too long."""

_HALF = 0.5
"""Clicks that each of two compared positions has beside its own: a position without any is not one without hope."""


class Propensities(NamedTuple):
    """How likely each position is looked at.

    Attributes:
        values: (k,) those of positions 1, 2, ...; 1 at the first that is compared with another. A position that is
            compared with none has that of the one before it.
        known: (k,) bool, whether a position was compared with others.
    """

    values: NDArray[np.float64]
    known: NDArray[np.bool_]


def propensities(wins: ArrayLike) -> Propensities:
    """Return the propensities that weighted clicks of compared positions tell.

    Args:
        wins: (k, k) weighted clicks w_kl, see above; NaN where two positions share no document.

    Returns:
        Nothing is known where no two positions share a document: then all are 1.

    Examples:
        >>> propensities([[np.nan, 200.0], [100.0, np.nan]]).values.round(2).tolist()
        [1.0, 0.5]
    """
    wins = np.asarray(wins, dtype=np.float64)
    linked = ~np.isnan(wins)
    known = _connected(linked)
    values = np.ones(len(wins))
    rows = np.flatnonzero(known)
    if len(rows) > 1:
        values[rows] = np.exp(_logarithms(np.where(linked, wins + _HALF, 0.0)[np.ix_(rows, rows)]))
        for place in range(rows[0] + 1, len(values)):
            values[place] = values[place] if known[place] else values[place - 1]
    return Propensities(values, known if len(rows) > 1 else np.zeros(len(wins), dtype=np.bool_))


def _connected(linked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return (k,) which positions are compared with the first that is compared at all, by way of others."""
    known = np.zeros(len(linked), dtype=np.bool_)
    some = np.flatnonzero(linked.any(axis=1))
    if len(some):
        known[some[0]] = True
        while (grown := known | linked[known].any(axis=0)).sum() > known.sum():
            known = grown
    return known


def _logarithms(wins: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithms of the strengths that make wins likeliest, 0 of the first, by Newton's method."""
    games = wins + wins.T
    found = np.zeros(len(wins))
    for _ in range(_ROUNDS):
        expected = 1.0 / (1.0 + np.exp(found[None, :] - found[:, None]))
        gradient = (wins - games * expected).sum(axis=1)
        spread = games * expected * (1.0 - expected)
        hessian = np.diag(spread.sum(axis=1)) - spread
        step = np.linalg.solve(hessian[1:, 1:], gradient[1:])
        longest = float(np.abs(step).max())
        found[1:] += step * min(1.0, _LONGEST_STEP / max(longest, _LONGEST_STEP))
        if longest < _CLOSE:
            break
    return found
