"""Ranking against a plain sort."""

import numpy as np
import pytest

from synalign.retriever import ranking
from synalign.retriever.ranking import rank


@pytest.mark.parametrize("depth", [1, 7, 49, 50, 80])
@pytest.mark.parametrize("block", [50, 120, 2**24])
def test_equals_a_stable_sort_ties_included(depth: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "BLOCK", block)
    random = np.random.default_rng(depth)
    # Few distinct cosines: ties at every edge.
    queries = random.integers(0, 2, (9, 3)).astype(np.float32)
    documents = random.integers(0, 2, (50, 3)).astype(np.float32)
    expected = np.argsort(-(queries @ documents.T), axis=1, kind="stable")[:, :depth]
    assert np.array_equal(rank(queries, documents, depth), expected)


def test_nothing_to_rank() -> None:
    assert rank(np.empty((0, 3), np.float32), np.ones((4, 3), np.float32), 2).shape == (0, 2)
    assert rank(np.ones((2, 3), np.float32), np.ones((4, 3), np.float32), 0).shape == (2, 0)
