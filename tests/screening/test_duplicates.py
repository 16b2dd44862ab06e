import numpy as np
import pytest
from numpy.typing import NDArray

from synalign.screening import cosines, duplicates


def unit(count: int, dimension: int, seed: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(count, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def small_tiles(monkeypatch: pytest.MonkeyPatch, rows: int, columns: int) -> None:
    monkeypatch.setattr(duplicates, "ROWS", rows)
    monkeypatch.setattr(cosines, "ROWS", rows)
    monkeypatch.setattr(cosines, "COLUMNS", columns)


def test_exact_duplicates_ignore_case_and_keep_the_first() -> None:
    found = duplicates.exact_duplicates(["a b", "A B", "c", "a b", "straße", "STRASSE"])
    assert found.tolist() == [False, True, False, True, False, True]


def test_nearest_cosine_is_the_largest_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    small_tiles(monkeypatch, 7, 6)
    queries, others = unit(30, 5, 0), unit(20, 5, 1)
    np.testing.assert_allclose(duplicates.nearest_cosine(queries, others), (queries @ others.T).max(axis=1), rtol=1e-6)
    assert duplicates.nearest_cosine(queries, others[:0]).tolist() == [-1.0] * 30
    assert len(duplicates.nearest_cosine(queries[:0], others)) == 0


@pytest.mark.parametrize("threshold", [0.3, 0.6, 0.95])
def test_near_duplicates_agree_with_pairs_in_python(monkeypatch: pytest.MonkeyPatch, threshold: float) -> None:
    small_tiles(monkeypatch, 13, 10)
    queries = unit(80, 3, 2)
    kept: list[int] = []
    for row in range(len(queries)):
        if all(float(queries[row] @ queries[other]) < threshold for other in kept):
            kept.append(row)
    dropped, nearest = duplicates.near_duplicates(queries, threshold)
    assert np.flatnonzero(~dropped).tolist() == kept
    assert (nearest[dropped] >= threshold).all()
    assert (nearest[~dropped] == -1.0).all()


def test_copies_leave_one_and_nothing_leaves_nothing() -> None:
    same = np.repeat(unit(1, 4, 3), 50, axis=0)
    dropped, _ = duplicates.near_duplicates(same, 0.99)
    assert dropped.tolist() == [False] + [True] * 49
    assert len(duplicates.near_duplicates(same[:0], 0.99)[0]) == 0


def test_the_cosine_of_a_dropped_query_is_that_of_the_nearest_kept_one(monkeypatch: pytest.MonkeyPatch) -> None:
    small_tiles(monkeypatch, 8, 5)
    queries = unit(60, 3, 5)
    dropped, nearest = duplicates.near_duplicates(queries, 0.7)
    assert dropped.any()
    for row in np.flatnonzero(dropped):
        kept = [other for other in range(row) if not dropped[other]]
        assert nearest[row] == pytest.approx((queries[kept] @ queries[row]).max(), abs=1e-6)
