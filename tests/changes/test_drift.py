"""Drift between two sets of queries: the figure by a naive oracle, the test by what it says over many draws."""

import numpy as np
import pytest
from numpy.typing import NDArray

from synalign.arrays.checks import median_distance
from synalign.changes.drift import Drift, Sample, drift, sample

Vectors = NDArray[np.float64]


def unit(rows: Vectors) -> Vectors:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def cloud(random: np.random.Generator, rows: int, shift: float = 0.0) -> Vectors:
    return unit(random.normal(size=(rows, 6)) + np.array([1.0 + shift, shift, 0, 0, 0, 0]))


def measured(both: Vectors, before: Vectors, after: Vectors, permutations: int = 199, seed: int = 0) -> Drift:
    """The drift between both + before and both + after."""
    counts = (len(both), len(before), len(after))
    member = np.repeat(np.array([[True, True], [True, False], [False, True]]), counts, axis=0)
    drawn = Sample([f"q{row:04}" for row in range(sum(counts))], member[:, 0], member[:, 1])
    vectors = np.concatenate([both, before, after])
    return drift(drawn, vectors, len(vectors), permutations=permutations, seed=seed)


def naive_mmd2(left: Vectors, right: Vectors, width: float) -> float:
    def mean(one: Vectors, other: Vectors) -> float:
        return float(np.mean([[np.exp(-((x - y) ** 2).sum() / (2 * width**2)) for y in other] for x in one]))

    return mean(left, left) + mean(right, right) - 2 * mean(left, right)


def test_the_figure_is_the_squared_mmd_between_the_two_sets() -> None:
    random = np.random.default_rng(1)
    both, before, after = cloud(random, 4), cloud(random, 5), cloud(random, 7, 0.5)
    width = median_distance(np.concatenate([both, before, after]))
    expected = naive_mmd2(np.concatenate([both, before]), np.concatenate([both, after]), width)
    assert measured(both, before, after).mmd2 == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("both", [0, 40])
def test_without_drift_small_p_values_are_as_rare_as_they_say(both: int) -> None:
    random = np.random.default_rng(2)
    found = [
        measured(cloud(random, both), cloud(random, 25), cloud(random, 35), 99, seed).p_value for seed in range(200)
    ]
    # Of 200 fair tests at most a tenth are below 0.1, within four standard deviations.
    assert 0.015 < np.mean(np.array(found) <= 0.1) < 0.185
    assert 0.4 < np.mean(found) < 0.6


def test_drift_is_found_though_most_queries_are_in_both_sets() -> None:
    random = np.random.default_rng(3)
    found = measured(cloud(random, 300), cloud(random, 40), cloud(random, 40, 1.0))
    assert found.significant
    assert found.p_value == 1 / 200
    assert found.mmd2 > 2 * found.by_chance


@pytest.mark.parametrize(("shift", "significant"), [(0.0, False), (1.5, True)])
def test_a_set_that_only_grew_drifts_where_the_new_queries_are_unlike_the_old(shift: float, significant: bool) -> None:
    random = np.random.default_rng(4)
    none = np.empty((0, 6))
    for before, after in ((none, cloud(random, 30, shift)), (cloud(random, 30, shift), none)):
        assert measured(cloud(random, 200), before, after).significant is significant


def test_the_same_queries_do_not_drift() -> None:
    none = np.empty((0, 6))
    found = measured(cloud(np.random.default_rng(5), 20), none, none)
    assert (found.mmd2, found.p_value, found.came, found.went) == (0.0, 1.0, (), ())


def test_examples_are_of_what_moved_and_unlike_each_other() -> None:
    random = np.random.default_rng(6)
    stayed, fewer, more = (unit(np.eye(6)[[axis] * 30] + 0.05 * random.normal(size=(30, 6))) for axis in (0, 1, 5))
    again = unit(np.eye(6)[[0] * 30] + 0.05 * random.normal(size=(30, 6)))
    found = measured(np.empty((0, 6)), np.concatenate([stayed, fewer]), np.concatenate([again, more]))
    # Queries are numbered in the order given, thirty of each kind.
    assert [int(query[1:]) // 30 for query in found.went] == [1]
    assert [int(query[1:]) // 30 for query in found.came] == [3]


def test_the_same_sets_give_the_same_answer() -> None:
    def once(seed: int) -> Drift:
        random = np.random.default_rng(7)
        return measured(cloud(random, 9), cloud(random, 9), cloud(random, 9), seed=seed)

    assert once(0) == once(0)
    assert once(0).p_value != once(1).p_value


def test_a_sample_keeps_every_querys_membership() -> None:
    before, after = {f"q{row}" for row in range(600)}, {f"q{row}" for row in range(400, 1000)}
    drawn = sample(before, after, most=500)
    assert len(drawn.queries) == len(set(drawn.queries)) == 500
    assert all(flag == (query in before) for query, flag in zip(drawn.queries, drawn.before, strict=True))
    assert all(flag == (query in after) for query, flag in zip(drawn.queries, drawn.after, strict=True))
    assert 60 < (drawn.before & drawn.after).sum() < 140
