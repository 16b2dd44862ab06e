import numpy as np
import pytest

from synalign.screening import cosines, round_trip


def test_ranks_agree_with_sorting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cosines, "ROWS", 9)
    monkeypatch.setattr(cosines, "COLUMNS", 7)
    rng = np.random.default_rng(0)
    queries, documents = (rng.normal(size=(rows, 6)).astype(np.float32) for rows in (40, 25))
    targets = rng.integers(0, 25, 40)
    found = round_trip.round_trip_ranks(queries, documents, targets)
    for row, target in enumerate(targets):
        order = np.argsort(-(queries[row] @ documents.T), kind="stable")
        assert order[found[row] - 1] == target


def test_documents_in_parts_give_the_same_ranks() -> None:
    rng = np.random.default_rng(1)
    queries, documents = (rng.normal(size=(rows, 6)).astype(np.float32) for rows in (40, 90))
    targets = rng.integers(0, 90, 40)
    parts = np.array_split(documents, [7, 30, 31])
    found = round_trip.ranks_in_parts(queries, documents[targets], parts, 90)
    assert found.tolist() == round_trip.round_trip_ranks(queries, documents, targets).tolist()


def test_documents_equally_near_do_not_push_the_target_back() -> None:
    documents = np.array([[1, 0], [1, 0], [1, 0], [0, 1]], dtype=np.float32)
    query = np.array([[1, 0]], dtype=np.float32)
    assert round_trip.round_trip_ranks(query, documents, np.array([2])).tolist() == [1]
    assert round_trip.round_trip_ranks(query, documents, np.array([3])).tolist() == [4]
