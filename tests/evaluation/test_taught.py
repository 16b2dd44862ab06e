from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa

from synalign.evaluation.taught import Taught
from synalign.retriever.collection import Pairs
from synalign.run import Run
from synalign.tables import content_id, schema

PAIRS = [("q0", "d0"), ("q1", "d1"), ("c0", "d0")]
PLACES = {"d0": 0, "d1": 1, "d2": 2}


def taught(rows: list[tuple[int, int, str, float | None, str | None]]) -> Taught:
    """What is read of a table `scores`: number of the pair, rank, document, score and objection."""
    table = pa.Table.from_pylist(
        [
            {"pair_id": content_id(*PAIRS[pair]), "rank": rank, "document_id": name, "score": score, "objection": why}
            for pair, rank, name, score, why in rows
        ],
        schema("scores"),
    )
    return Taught(cast("Run", SimpleNamespace(read=lambda name: table)))


def beside(found: Taught) -> Pairs:
    pairs = Pairs(np.arange(3), np.array([0, 1, 0]), np.ones(3))
    rows: Any = pa.table({"query": [query for query, _ in PAIRS], "document_id": [name for _, name in PAIRS]})
    return found.beside(pairs, rows, PLACES)


def test_negatives_keep_their_order_and_leave_no_gap() -> None:
    found = taught([
        (0, 0, "d0", 0.9, None), (0, 2, "d2", 0.3, None), (0, 1, "d1", 0.5, None),
        (1, 0, "d1", 0.8, None), (1, 1, "d0", 0.79, "false_negative"), (1, 2, "d2", 0.1, None),
    ])  # fmt: skip
    pairs = beside(found)
    assert pairs.negatives is not None and pairs.scores is not None
    assert pairs.negatives.tolist() == [[1, 2], [2, -1], [-1, -1]]
    assert np.nan_to_num(pairs.scores, nan=-9.0).tolist() == [[0.9, 0.5, 0.3], [0.8, 0.1, -9.0], [-9.0, -9.0, -9.0]]


def test_a_negative_that_is_not_ranked_is_left_out() -> None:
    pairs = beside(taught([(0, 0, "d0", 0.9, None), (0, 1, "far", 0.5, None), (0, 2, "d1", 0.4, None)]))
    assert pairs.negatives is not None and pairs.scores is not None
    assert pairs.negatives[0].tolist() == [1, -1]
    assert pairs.scores[0, :2].tolist() == [0.9, 0.4]


def test_without_scores_there_are_negatives_alone_and_without_negatives_pairs_alone() -> None:
    assert beside(taught([(0, 0, "d0", None, None), (0, 1, "d1", None, None)])).scores is None
    assert beside(taught([])).negatives is None
    assert beside(taught([(0, 0, "d0", 0.5, None)])).negatives is None


def test_written_pairs_whose_document_loses_are_left_out_and_the_commonest_negatives_come_first() -> None:
    found = taught([
        (2, 0, "d0", 0.1, "loses"), (0, 0, "d0", 0.9, None),
        (0, 1, "d2", 0.5, None), (1, 1, "d2", 0.5, None), (1, 2, "d0", 0.5, None),
    ])  # fmt: skip
    written = pa.table({"candidate_id": ["a", "b"], "query": ["c0", "c1"], "document_id": ["d0", "d0"]})
    assert found.left(written)["candidate_id"].to_pylist() == ["b"]
    assert found.documents == ["d2", "d0"]
