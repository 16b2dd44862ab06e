"""The map: the same each time, inside its square, neighbours beside each other."""

from __future__ import annotations

import numpy as np
import pytest

from synalign.report.projection import LANDMARKS, project


def clusters(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows around four directions, and which each belongs to."""
    random = np.random.default_rng(seed)
    which = np.arange(count) % 4
    rows = np.eye(16)[which * 4] + 0.15 * random.normal(size=(count, 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), which


def test_the_same_points_give_the_same_map() -> None:
    rows, _ = clusters(200)
    assert project(rows).tobytes() == project(rows.copy()).tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("count", [120, LANDMARKS + 300])
def test_what_is_alike_lies_together_also_beyond_the_landmarks(count: int) -> None:
    rows, which = clusters(count)
    places = project(rows)
    assert places.shape == (count, 2)
    assert ((places >= 0.0) & (places <= 1.0)).all()
    assert np.ptp(places, axis=0).max() == pytest.approx(1.0)
    some = np.arange(count)[-100:]
    distance = np.linalg.norm(places[some, None] - places[None], axis=2)
    distance[np.arange(100), some] = np.inf
    nearest = np.argsort(distance, axis=1)[:, :5]
    assert (which[nearest] == which[some, None]).mean() > 0.95


@pytest.mark.parametrize("count", [1, 2, 3, 39, 41])
def test_few_points_have_a_map_too(count: int) -> None:
    places = project(clusters(count)[0])
    assert places.shape == (count, 2)
    assert np.isfinite(places).all()
    assert len(np.unique(places.round(6), axis=0)) == count


def test_copies_of_one_point_lie_in_the_middle() -> None:
    assert project(np.tile(np.float32([[0.6, 0.8]]), (60, 1))).tolist() == [[0.5, 0.5]] * 60


def test_points_on_a_line_are_laid_out() -> None:
    angles = np.linspace(0.0, 1.0, 50)
    places = project(np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32))
    assert np.isfinite(places).all()
