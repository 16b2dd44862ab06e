"""Measures of a ranking, query by query: trec_eval's own, through ir_measures."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import ir_measures
import numpy as np
from ir_measures import RR, R, nDCG
from numpy.typing import NDArray

from synalign.errors import ArgumentError

_MEASURES = {"ndcg_at_10": nDCG @ 10, "mrr_at_10": RR @ 10, "recall_at_10": R @ 10, "recall_at_100": R @ 100}

MEASURES = tuple(_MEASURES)
"""Names of the measures, as columns of the table `evaluation`."""

DEPTH = 100
"""The depth of a ranking that all of them need."""


def measure(
    ranking: NDArray[np.int64], relevant: Sequence[AbstractSet[int]], names: Sequence[str] = MEASURES
) -> dict[str, NDArray[np.float64]]:
    """Judge rankings.

    Args:
        ranking: (q, depth) places of documents, best first, none twice in a row. A ranking that is not as deep as a
            measure looks is judged as it is: what it does not hold was not found.
        relevant: (q,) the relevant documents of each query, at least one.
        names: Which of `MEASURES`.

    Returns:
        By name, (q,) float64 in [0, 1].

    Raises:
        ArgumentError: As many sets as rows are not there, or one is empty.

    Example:
        >>> found = measure(np.array([[7, 3, 5]]), [{3}])
        >>> {name: values.round(4).tolist() for name, values in found.items()}
        {'ndcg_at_10': [0.6309], 'mrr_at_10': [0.5], 'recall_at_10': [1.0], 'recall_at_100': [1.0]}
    """
    if ranking.ndim != 2 or len(ranking) != len(relevant):
        raise ArgumentError("ranking.shape", ranking.shape, f"must be ({len(relevant)}, depth), one row per query")
    for row, documents in enumerate(relevant):
        if not documents:
            raise ArgumentError(f"relevant[{row}]", set(), "must hold a document", remedy="judge only judged queries")
    values = {name: np.zeros(len(ranking)) for name in names}
    if not ranking.size:
        return values
    asked = {str(_MEASURES[name]): name for name in names}
    qrels = {str(row): {str(place): 1 for place in documents} for row, documents in enumerate(relevant)}
    # trec_eval sorts by score: the place in the ranking is the score, so that ties are ours to break.
    scores = range(ranking.shape[1], 0, -1)
    run = {
        str(row): {str(place): float(score) for place, score in zip(places, scores, strict=True)}
        for row, places in enumerate(ranking.tolist())
    }
    for found in ir_measures.iter_calc([_MEASURES[name] for name in names], qrels, run):
        values[asked[str(found.measure)]][int(found.query_id)] = found.value
    return values
