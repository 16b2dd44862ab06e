"""Queries that are too near a real one: a held-out query, which must only judge, or one that the set has already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from synalign.arrays.tally import NOBODY, Tally
from synalign.run import some_rows
from synalign.screening.candidates import Verdict
from synalign.screening.cosines import PART, error_bound, exact_cosines, tile_count, tiles
from synalign.spark.folded import session_beyond

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.arrays.tally import Report
    from synalign.screening.candidates import Candidates


def leak(candidates: Candidates, report: Report) -> Verdict:
    """Reject queries that are too near one of the splits validation and test, which no candidate may give away."""
    return _near(candidates, report, "leak", held_out=True)


def near_real(candidates: Candidates, report: Report) -> Verdict:
    """Reject queries that are too near a real train query."""
    return _near(candidates, report, "near_real", held_out=False)


def _near(candidates: Candidates, report: Report, reason: str, *, held_out: bool) -> Verdict:
    run, vectors = candidates.run, candidates.vectors
    closest = Closest(vectors, candidates.settings.near_duplicate_cosine)
    with session_beyond(run, "query_embeddings", "screen") as spark:
        if spark is not None:
            from synalign.screening.in_spark import let_real_queries_pass

            let_real_queries_pass(spark, run, closest, held_out=held_out)
            return closest.verdict
    queries = run.read("queries", ["query_id", "split"])
    judging = queries.filter(pc.not_equal(queries["split"], "train"))["query_id"].combine_chunks()
    count = len(judging) if held_out else run.rows("queries") - len(judging)
    tally = Tally(report, f"tiles of cosines for the reason {reason}", tile_count(len(vectors), count))
    for part in some_rows.vectors_in_parts(run, "query_embeddings", PART, among=judging, within=held_out):
        closest.add(part, tally)
    return closest.verdict


class Closest:
    """The cosine of each query to the nearest of some others, while these pass by in parts.

    From the threshold on, a cosine is the exact one rounded to single precision, so that neither the verdict nor the
    cosine depends on the parts. Below it, it is what the matrix product gave.

    Args:
        queries: (m, d) float32, unit rows.
        threshold: Cosine from which two queries are the same.
    """

    def __init__(self, queries: NDArray[np.float32], threshold: float) -> None:
        self.queries, self.threshold = queries, threshold
        self.best = np.full((2, len(queries)), -1.0)
        """The highest cosines: of the matrix products, and of those that were taken exactly."""

    @property
    def verdict(self) -> Verdict:
        """What the others that have passed by say of the queries."""
        product, exact = self.best.astype(np.float32)
        cosines = np.where(exact > np.float32(-1.0), exact, product)
        return Verdict(exact >= np.float32(self.threshold), cosines)

    def add(self, others: NDArray[np.float32], tally: Tally = NOBODY) -> None:
        """Let some others pass by.

        Args:
            others: (n, d) float32, unit rows.
            tally: Counts tiles.
        """
        product, exact = self.best
        doubt = 2.0 * error_bound(self.queries.shape[1])
        for tile in tiles(self.queries, others):
            nearest = tile.cosines.max(axis=1)
            np.maximum(product[tile.rows], nearest, out=product[tile.rows])
            # The nearest of all may be any that comes near the highest product; below the threshold nobody asks.
            least = (np.maximum(product[tile.rows], self.threshold) - doubt).astype(np.float32)
            near = np.flatnonzero(nearest >= least)
            rows, columns = np.nonzero(tile.cosines[near] >= least[near, None])
            rows = near[rows]
            cosines = exact_cosines(self.queries[tile.rows], others[tile.columns], rows, columns)
            np.maximum.at(exact[tile.rows], rows, cosines)
            tally.add()
