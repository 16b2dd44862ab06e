"""Measures against their definitions, written out."""

import math

import numpy as np
import pytest

from synalign.errors import ArgumentError
from synalign.retriever.measures import MEASURES, measure


def by_definition(ranking: list[int], relevant: set[int]) -> dict[str, float]:
    """Binary gains; nDCG with log2 discounts, over the best ranking there could be."""
    gains = [place in relevant for place in ranking]
    ideal = sum(1 / math.log2(rank + 2) for rank in range(min(10, len(relevant))))
    return {
        "ndcg_at_10": sum(1 / math.log2(rank + 2) for rank, gain in enumerate(gains[:10]) if gain) / ideal,
        "mrr_at_10": next((1 / (rank + 1) for rank, gain in enumerate(gains[:10]) if gain), 0.0),
        "recall_at_10": sum(gains[:10]) / len(relevant),
        "recall_at_100": sum(gains[:100]) / len(relevant),
    }


def test_agree_with_their_definitions() -> None:
    random = np.random.default_rng(0)
    ranking = np.stack([random.permutation(200)[:120] for _ in range(40)])
    relevant = [set(random.choice(200, size=size, replace=False).tolist()) for size in random.integers(1, 20, 40)]
    found = measure(ranking, relevant)
    assert tuple(found) == MEASURES
    for row in range(40):
        for name, value in by_definition(ranking[row].tolist(), relevant[row]).items():
            assert found[name][row] == pytest.approx(value, abs=1e-12), name


def test_the_eleventh_place_counts_for_no_measure_at_ten() -> None:
    found = measure(np.arange(20)[None], [{10}])
    assert [found[name][0] for name in MEASURES] == [0, 0, 0, 1]


def test_one_measure_alone_is_what_it_is_among_all() -> None:
    ranking, relevant = np.array([[3, 1, 2], [9, 8, 7]]), [{2}, {9, 1}]
    alone = measure(ranking, relevant, ["ndcg_at_10"])
    assert list(alone) == ["ndcg_at_10"]
    assert alone["ndcg_at_10"].tolist() == measure(ranking, relevant)["ndcg_at_10"].tolist()


def test_a_short_ranking_is_judged_as_it_is() -> None:
    found = measure(np.array([[4, 2]]), [{2, 7}])
    assert found["recall_at_100"][0] == 0.5
    assert [values.tolist() for values in measure(np.empty((2, 0), np.int64), [{1}, {2}]).values()] == [[0, 0]] * 4


def test_no_query_gives_no_value() -> None:
    assert all(values.shape == (0,) for values in measure(np.empty((0, 5), np.int64), []).values())


@pytest.mark.parametrize(("ranking", "relevant"), [(np.zeros((2, 3), np.int64), [{1}]), (np.array([[0]]), [set()])])
def test_unjudged_queries_are_refused(ranking: np.ndarray, relevant: list[set[int]]) -> None:
    with pytest.raises(ArgumentError):
        measure(ranking, relevant)
