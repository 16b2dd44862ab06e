"""The posterior, a block at a time, against textbook systems solved anew; and its screen in single precision."""

from __future__ import annotations

import numpy as np
import pytest

from synalign.arrays.checks import Points
from synalign.sampling import posterior
from synalign.sampling.posterior import Posterior
from synalign.sampling.rows import Rows
from tests.sampling.oracles import clustered_rows, posterior_from_scratch

LENGTH = 0.8
EVERY = np.arange(50)


def observed(blocks: list[int], noise: np.ndarray, *, single: bool = True) -> tuple[Posterior, np.ndarray, np.ndarray]:
    """A posterior that has seen blocks of points, these points, and the variance told of each."""
    points = clustered_rows(sum(blocks), seed=1)
    process = Posterior(sum(blocks), 8, LENGTH, single=single)
    told, start = [], 0
    for size in blocks:
        part = slice(start, start + size)
        told.append(process.observe(Points.of(points[part]), noise[part]))
        start += size
    return process, points, np.concatenate(told)


@pytest.mark.parametrize("blocks", [[1, 1, 1], [7, 2, 8], [17]])
@pytest.mark.parametrize("panel", [3, 256])
def test_variances_are_those_of_a_system_solved_anew(
    blocks: list[int], panel: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posterior, "PANEL", panel)
    noise = np.linspace(0.01, 1.0, sum(blocks))
    process, points, told = observed(blocks, noise)
    rows = Rows.of(clustered_rows(50, seed=2))
    expected = posterior_from_scratch(points, rows.given, LENGTH, noise)
    np.testing.assert_allclose(process.variance(rows, EVERY), expected, atol=1e-12)
    np.testing.assert_allclose(process.screen(rows, EVERY), expected, atol=1e-6)
    one_by_one = [posterior_from_scratch(points[:n], points[n : n + 1], LENGTH, noise[:n])[0] for n in range(len(told))]
    np.testing.assert_allclose(told, one_by_one, atol=1e-12)


def test_mean_variance_is_the_average_after_what_came_before() -> None:
    noise = np.full(12, 0.05)
    process, points, _ = observed([5, 4, 3], noise, single=False)
    rows, ends = Rows.of(clustered_rows(50, seed=3)), np.array([5, 9, 12])
    expected = [posterior_from_scratch(points[:end], rows.given, LENGTH, 0.05).mean() for end in ends]
    np.testing.assert_allclose(process.mean_variance(rows, EVERY, ends), expected, atol=1e-12)


def test_an_observed_point_without_noise_has_no_variance_left() -> None:
    process, points, told = observed([1], np.zeros(1))
    assert told.tolist() == [1.0]
    assert process.variance(Rows.of(points), np.arange(1)).tolist() == pytest.approx([0.0], abs=1e-12)


def test_copies_without_noise_are_an_error_of_the_factor() -> None:
    process = Posterior(4, 8, LENGTH)
    twice = np.repeat(clustered_rows(1), 2, axis=0)
    with pytest.raises(np.linalg.LinAlgError):
        process.observe(Points.of(twice), np.zeros(2))
