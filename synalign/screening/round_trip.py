"""Round-trip consistency: does the written query find the document that it was written for?

The most reliable filter on real data: it removes mismatched and generic pairs. After InPars and Promptagator
(Dai et al., ICLR 2023, arXiv:2209.11755), which keep a query only when its document comes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from synalign.arrays.tally import Report, Tally
from synalign.run import some_rows
from synalign.run.matrix import matrix
from synalign.screening.candidates import Verdict
from synalign.screening.cosines import PART, tile_count, tiles
from synalign.screening.labels import label_depth, label_places

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
        parts = some_rows.vectors_in_parts(run, "document_embeddings", PART)
        own = some_rows.vectors(run, "document_embeddings", candidates.documents)
        ranks = ranks_in_parts(candidates.vectors, own, parts, run.rows("documents"), report)
    else:
        embeddings = run.read("document_embeddings")
        names = embeddings["id"].to_pylist()
        row = {name: number for number, name in enumerate(names)}
        labels = _labels(run, row, matrix(embeddings, names))
        targets = np.array([row[name] for name in candidates.documents], dtype=np.int64)
        ranks, depth = round_trip_ranks(candidates.vectors, labels, targets, report), label_depth(depth, len(labels))
    return Verdict(ranks > depth, ranks)


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
    ranks = np.ones(len(queries), dtype=np.int64)
    nearness = np.einsum("rd,rd->r", queries, own)
    tally = Tally(report, "tiles of cosines to documents", tile_count(len(queries), documents))
    for part in parts:
        for rows, _, cosines in tiles(queries, part):
            ranks[rows] += np.count_nonzero(cosines > nearness[rows, None] + ROUNDING, axis=1)
            tally.add()
    return ranks
