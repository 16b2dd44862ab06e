"""Round-trip consistency: does the written query find the document that it was written for?

The most reliable filter on real data: it removes mismatched and generic pairs. After InPars and Promptagator
(Dai et al., ICLR 2023, arXiv:2209.11755), which keep a query only when its document comes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from synalign.arrays.tally import NOBODY, Report, Tally
from synalign.run import some_rows
from synalign.run.matrix import matrix
from synalign.screening.candidates import Verdict
from synalign.screening.cosines import PART, error_bound, exact_cosines, tile_count, tiles
from synalign.screening.labels import label_depth, label_places
from synalign.spark.folded import session_beyond

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from synalign.run import Run
    from synalign.screening.candidates import Candidates

ROUNDING = 1e-6
"""Cosines in single precision that differ by less are equal: the order of summation decides about them."""


def inconsistent(candidates: Candidates, report: Report) -> Verdict:
    """Reject queries that do not find their documents; the score is the document's rank.

    For classification: queries whose label is not among those whose real train texts are nearest to them.
    """
    run, depth = candidates.run, candidates.settings.round_trip_depth
    if run.configuration.task == "retrieval":
        ranks = _ranks(candidates, report)
    else:
        embeddings = run.read("document_embeddings")
        names = embeddings["id"].to_pylist()
        row = {name: number for number, name in enumerate(names)}
        labels = _labels(run, row, matrix(embeddings, names))
        targets = np.array([row[name] for name in candidates.documents], dtype=np.int64)
        ranks, depth = round_trip_ranks(candidates.vectors, labels, targets, report), label_depth(depth, len(labels))
    return Verdict(ranks > depth, ranks)


def _ranks(candidates: Candidates, report: Report) -> NDArray[np.int64]:
    run = candidates.run
    own = some_rows.vectors(run, "document_embeddings", candidates.documents)
    with session_beyond(run, "document_embeddings", "screen") as spark:
        if spark is not None:
            from synalign.screening.in_spark import let_documents_pass

            ranks = Ranks(candidates.vectors, own)
            let_documents_pass(spark, run, ranks)
            return ranks.ranks
    parts = some_rows.vectors_in_parts(run, "document_embeddings", PART)
    return ranks_in_parts(candidates.vectors, own, parts, run.rows("documents"), report)


def _labels(run: Run, row: dict[str, int], names: NDArray[np.float32]) -> NDArray[np.float32]:
    """Place each label by its train texts."""
    pairs = run.read("pairs", ["query_id", "document_id", "split"])
    pairs = pairs.filter(pc.equal(pairs["split"], "train"))
    texts = some_rows.vectors(run, "query_embeddings", pairs["query_id"].to_pylist())
    return label_places(texts, np.array([row[label] for label in pairs["document_id"].to_pylist()], np.int64), names)


def round_trip_ranks(
    queries: NDArray[np.float32],
    documents: NDArray[np.float32],
    targets: NDArray[np.int64],
    report: Report | None = None,
) -> NDArray[np.int64]:
    """Rank each query's own document among all documents, by cosine.

    Costs m x D multiplications of length d; memory does not grow with either.

    Args:
        queries: (m, d) float32, unit rows.
        documents: (D, d) float32, unit rows.
        targets: (m,) row of each query's document.
        report: Called as tiles of cosines are done.

    Returns:
        (m,) int64, 1 for the nearest; documents equally near, but for rounding, do not push a target back.
    """
    return ranks_in_parts(queries, documents[targets], [documents], len(documents), report)


def ranks_in_parts(
    queries: NDArray[np.float32],
    own: NDArray[np.float32],
    parts: Iterable[NDArray[np.float32]],
    documents: int,
    report: Report | None = None,
) -> NDArray[np.int64]:
    """Rank each query's own document among documents that are too many to be held, and come in parts.

    Args:
        queries: (m, d) float32, unit rows.
        own: (m, d) float32, each query's document.
        parts: (some, d) float32, unit rows: all documents, those of the queries among them.
        documents: How many there are in all.
        report: Called as tiles of cosines are done.

    Returns:
        As `round_trip_ranks`.
    """
    ranks = Ranks(queries, own)
    tally = Tally(report, "tiles of cosines to documents", tile_count(len(queries), documents))
    for part in parts:
        ranks.add(part, tally)
    return ranks.ranks


class Ranks:
    """Ranks of the own documents of queries while all documents pass by: the same in whatever parts they come.

    Args:
        queries: (m, d) float32, unit rows.
        own: (m, d) float32, each query's document.
    """

    def __init__(self, queries: NDArray[np.float32], own: NDArray[np.float32]) -> None:
        every = np.arange(len(queries))
        self.queries, self.own = queries, own
        self._least = exact_cosines(queries, own, every, every) + ROUNDING
        self.nearer = np.zeros(len(queries), dtype=np.int64)
        """(m,) how many documents were nearer."""

    @property
    def ranks(self) -> NDArray[np.int64]:
        """(m,) int64, 1 for a document that is the nearest of those that have passed."""
        return self.nearer + 1

    def add(self, documents: NDArray[np.float32], tally: Tally = NOBODY) -> None:
        """Let some documents pass by.

        Args:
            documents: (n, d) float32, unit rows.
            tally: Counts tiles.
        """
        bound = error_bound(self.queries.shape[1])
        for tile in tiles(self.queries, documents):
            least = self._least[tile.rows]
            rows, columns = _above(tile.cosines, (least - bound).astype(np.float32))
            surely = tile.cosines[rows, columns] > (least + bound).astype(np.float32)[rows]
            close = np.flatnonzero(~surely)
            exact = exact_cosines(self.queries[tile.rows], documents[tile.columns], rows[close], columns[close])
            surely[close] = exact > least[rows[close]]
            self.nearer[tile.rows] += np.bincount(rows[surely], minlength=len(least))
            tally.add()


def _above(cosines: NDArray[np.float32], least: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and columns of what is above the bound of its row."""
    # In one dimension the few are found at the speed of memory; `nonzero` of a matrix is four times slower.
    rows, columns = np.divmod(np.flatnonzero(cosines > least[:, None]), cosines.shape[1])
    return rows, columns
