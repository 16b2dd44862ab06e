"""Propensities of positions from compared clicks: known ones come back, and positions that are never compared."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

from synalign.querylog.propensities import propensities

TRUE = 1 / np.arange(1, 9) ** 0.9


def expected(true: NDArray[np.float64], links: list[tuple[int, int]], exposure: float = 1e6) -> NDArray[np.float64]:
    wins = np.full((len(true), len(true)), np.nan)
    for here, there in links:
        wins[here, there], wins[there, here] = exposure * true[here], exposure * true[there]
    return wins


def test_a_chain_of_neighbours_tells_them_all() -> None:
    found = propensities(expected(TRUE, [(place, place + 1) for place in range(len(TRUE) - 1)]))
    assert found.values == pytest.approx(TRUE, rel=1e-4)
    assert found.known.all()


def test_they_are_those_of_the_likeliest_model_of_bradley_and_terry() -> None:
    random = np.random.default_rng(3)
    wins = random.uniform(1, 50, (6, 6))
    np.fill_diagonal(wins, np.nan)
    games = np.nan_to_num(wins + 0.5)

    def loss(logs: NDArray[np.float64]) -> float:
        logs = np.concatenate([[0.0], logs])
        return float(np.sum(games * np.logaddexp(0.0, logs[None, :] - logs[:, None])))

    best = minimize(loss, np.zeros(5), method="BFGS", options={"gtol": 1e-8})
    assert propensities(wins).values == pytest.approx(np.exp([0.0, *best.x]), rel=1e-4)


def test_a_position_that_is_compared_with_none_has_that_of_the_one_before_it() -> None:
    found = propensities(expected(TRUE, [(1, 2), (2, 4), (5, 6)]))
    assert found.known.tolist() == [False, True, True, False, True, False, False, False]
    at = TRUE / TRUE[1]
    assert found.values == pytest.approx([1, 1, at[2], at[2], at[4], at[4], at[4], at[4]], rel=1e-4)


def test_without_comparisons_nothing_is_known() -> None:
    found = propensities(np.full((3, 3), np.nan))
    assert found.values.tolist() == [1, 1, 1]
    assert not found.known.any()


def test_a_position_without_clicks_has_a_small_one_and_positions_differ_by_any_factor() -> None:
    found = propensities(expected(np.array([1.0, 1e-4, 0.0]), [(0, 1), (0, 2)]))
    assert found.values[1] == pytest.approx(1e-4, rel=0.01)
    assert 0 < found.values[2] < 1e-6
