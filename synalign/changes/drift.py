"""Whether traffic moved: the squared MMD between the real queries of two training sets, and a permutation test of it.

Sources: Gretton et al., *A Kernel Two-Sample Test*, JMLR 13, 2012, section 5 (permutations); p-value of Phipson and
Smyth, *Statistical Applications in Genetics and Molecular Biology* 9(1), 2010, which is never zero.

Two intervals share most of their queries, so the two samples are not independent, and a plain permutation would lose
its power. A query in both sets therefore stays in both: only which set the others belong to is drawn anew. Where one
set holds all of the other there is nothing to exchange between the two; then it is drawn anew which of the larger set's
queries are the ones that the smaller lacks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from synalign.alignment.kernels import kernel_matrix, median_distance
from synalign.arrays.checks import Floats, Indices

MOST = 3_000
"""Most queries looked at, of both sets together: their kernel matrix takes 72 MB."""

PERMUTATIONS = 1_999
"""The smallest p-value is 1 / 2,000."""

SIGNIFICANT = 0.05

_AT_ONCE = 500
_EXAMPLES = 5
# Two examples this alike would say the same thing twice.
_ALIKE = 0.7
# A query that tells less than this share of what the first one tells is no example.
_TELLING = 0.25


class Sample(NamedTuple):
    """Distinct real queries of two sets, or as many as are looked at.

    Attributes:
        queries: n queries, in a fixed order.
        before: (n,) bool, whether the first set has it.
        after: (n,) bool, whether the second has it.
    """

    queries: list[str]
    before: np.ndarray
    after: np.ndarray


class Drift(NamedTuple):
    """How far apart the real queries of two sets are.

    Attributes:
        mmd2: Biased squared MMD between the two sets.
        by_chance: Its mean over the permutations: what would be there without any drift.
        p_value: Share of permutations with at least this squared MMD.
        queries: Distinct queries looked at.
        of: Distinct queries there are.
        both: Queries looked at that both sets have.
        went: Queries of the first set alone whose like became rarer, most telling first.
        came: Queries of the second set alone whose like became more frequent, likewise.
    """

    mmd2: float
    by_chance: float
    p_value: float
    queries: int
    of: int
    both: int
    went: tuple[str, ...]
    came: tuple[str, ...]

    @property
    def significant(self) -> bool:
        """Whether the distance is larger than chance explains."""
        return self.p_value < SIGNIFICANT


def sample(before: set[str], after: set[str], *, most: int = MOST, seed: int = 0) -> Sample:
    """Draw distinct queries of two sets, each with the same chance, however many sets it is in.

    >>> sample({"a", "b"}, {"b", "c"}).queries
    ['a', 'b', 'c']
    """
    everything = sorted(before | after)
    if len(everything) > most:
        chosen = np.random.default_rng(seed).choice(len(everything), most, replace=False)
        everything = [everything[place] for place in np.sort(chosen)]
    return Sample(
        everything,
        np.array([query in before for query in everything], dtype=bool),
        np.array([query in after for query in everything], dtype=bool),
    )


def drift(drawn: Sample, vectors: Floats, of: int, *, permutations: int = PERMUTATIONS, seed: int = 0) -> Drift:
    """Measure and test the distance between two sets of queries.

    Args:
        drawn: The queries; both sets have some.
        vectors: (n, d) float64, unit rows, one per query.
        of: Distinct queries there are.
        permutations: How often membership is drawn anew.
        seed: Seed of the permutations: the same input gives the same p-value.

    Returns:
        The drift. Time: n^2 kernel entries, and n^2 operations per permutation.
    """
    rows = torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float64))
    kernel = kernel_matrix(rows, [median_distance(vectors)]).numpy()
    signs = drawn.before / drawn.before.sum() - drawn.after / drawn.after.sum()
    observed, drawn_anew = max(float(signs @ kernel @ signs), 0.0), _permuted(kernel, drawn, signs, permutations, seed)
    exceeding = int((drawn_anew >= observed * (1.0 - 1e-9)).sum())
    witness = kernel @ signs
    return Drift(
        observed,
        float(drawn_anew.mean()),
        (1 + exceeding) / (1 + permutations),
        len(drawn.queries),
        of,
        int((drawn.before & drawn.after).sum()),
        _telling(drawn.queries, vectors, witness, np.flatnonzero(drawn.before & ~drawn.after)),
        _telling(drawn.queries, vectors, -witness, np.flatnonzero(drawn.after & ~drawn.before)),
    )


def _permuted(kernel: Floats, drawn: Sample, signs: Floats, permutations: int, seed: int) -> Floats:
    """Squared MMD under each permutation, (permutations,)."""
    generator = np.random.default_rng(seed)
    shuffled = _exchangeable(drawn)
    found = []
    for start in range(0, permutations, _AT_ONCE):
        columns = np.repeat(signs[:, None], min(_AT_ONCE, permutations - start), axis=1)
        columns[shuffled] = generator.permuted(columns[shuffled], axis=0)
        found.append(np.einsum("ij,ij->j", columns, kernel @ columns))
    return np.maximum(np.concatenate(found), 0.0)


def _exchangeable(drawn: Sample) -> Indices:
    """Rows whose membership may be drawn anew; see the top of the file."""
    alone = drawn.before != drawn.after
    exchange = (drawn.before & alone).any() and (drawn.after & alone).any()
    return np.flatnonzero(alone) if exchange else np.arange(len(alone))


def _telling(queries: list[str], vectors: Floats, score: Floats, rows: Indices) -> tuple[str, ...]:
    """Return the queries of some rows with the highest positive scores, none too like another."""
    chosen: list[int] = []
    least = max(_TELLING * score[rows].max(initial=0.0), np.finfo(float).eps)
    for row in sorted(rows[score[rows] >= least].tolist(), key=lambda row: (-score[row], queries[row])):
        if not chosen or (vectors[chosen] @ vectors[row]).max() < _ALIKE:
            chosen.append(row)
        if len(chosen) == _EXAMPLES:
            break
    return tuple(queries[row] for row in chosen)
