import math

import numpy as np
import pytest

from synalign.screening import nearest
from synalign.screening.nearest import NOBODY, Nearest


def unit(count: int, seed: int, width: int = 8) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, width))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("size", [1, 7, 50, 400])
@pytest.mark.parametrize("depth", [1, 10])
def test_parts_of_any_size_give_what_sorting_all_gives(size: int, depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "ROWS", 5)
    monkeypatch.setattr(nearest, "COLUMNS", 16)
    queries, documents = unit(23, 0), unit(200, 1)
    found = Nearest(23, depth)
    for first in range(0, 200, size):
        found.add_vectors(queries, documents[first : first + size], first)
    cosines = queries @ documents.T
    assert found.numbers.tolist() == np.argsort(-cosines, axis=1, kind="stable")[:, :depth].tolist()
    assert np.allclose(found.scores, -np.sort(-cosines, axis=1)[:, :depth], atol=1e-6)


def test_of_equal_documents_the_earlier_ones_are_kept() -> None:
    query, documents = unit(1, 0), np.repeat(unit(1, 1), 30, axis=0)
    found = Nearest(1, 4)
    for first in (0, 10, 20):
        found.add_vectors(query, documents[first : first + 10], first)
    assert found.numbers.tolist() == [[0, 1, 2, 3]]


def test_fewer_documents_than_the_depth_leave_places_free() -> None:
    found = Nearest(2, 5)
    found.add_vectors(unit(2, 0), unit(3, 1), 0)
    assert (found.numbers[:, 3:] == NOBODY).all() and (found.numbers[:, :3] != NOBODY).all()
    assert np.isneginf(found.reach).all()
    found.add_vectors(unit(2, 0), unit(0, 1), 3)
    assert (found.numbers[:, 3:] == NOBODY).all()


def test_scores_of_any_sign_keep_their_order_and_the_two_zeros_are_one() -> None:
    found = Nearest(1, 6)
    scores = np.array([-0.5, 0.0, -0.0, 3e-39, -1e30, 0.25], dtype=np.float32)
    found.add(np.zeros(6, dtype=np.int64), np.array([7, 2, 1, 4, 5, 2**32 - 2]), scores)
    assert found.numbers.tolist() == [[2**32 - 2, 4, 1, 2, 7, 5]]
    assert found.scores.tolist() == [sorted(scores.tolist(), reverse=True)]


def test_what_comes_for_a_few_queries_leaves_the_others_as_they_were() -> None:
    found, rows = Nearest(3, 2), np.array([0, 2, 2, 2])
    found.add(rows, np.array([5, 6, 7, 8]), np.array([0.1, 0.2, 0.9, 0.3], dtype=np.float32))
    assert found.numbers.tolist() == [[5, NOBODY], [NOBODY, NOBODY], [7, 8]]


def test_exact_scores_do_not_depend_on_parts_and_join_to_the_same_whatever_their_order() -> None:
    queries, documents = unit(9, 0, 24), unit(300, 1, 24)
    documents[100:200] = documents[7]
    documents[200:250] = np.nextafter(documents[8], np.float32(1.0))
    whole = Nearest(9, 12)
    whole.add_vectors(queries, documents, 0, exact=True)
    parts = []
    for numbers in np.array_split(np.arange(300), [3, 50, 51, 180, 240]):
        parts.append(Nearest(9, 12))
        parts[-1].add_vectors(queries, documents[numbers], numbers, exact=True)
    joined = parts[3].keys
    for place in (5, 0, 4, 2, 1):
        joined = nearest.merged(joined, parts[place].keys)
    assert np.array_equal(joined, whole.keys)
    cosines = np.array([[math.fsum(a * b for a, b in zip(*pair, strict=True)) for pair in pairs] for pairs in (
        [(query.tolist(), document.tolist()) for document in documents] for query in queries
    )]).astype(np.float32)  # fmt: skip
    assert whole.numbers.tolist() == np.argsort(-cosines, axis=1, kind="stable")[:, :12].tolist()
    assert np.array_equal(whole.scores, np.take_along_axis(cosines, whole.numbers, axis=1))
    assert np.array_equal(nearest.numbers_in(whole.keys), whole.numbers)
