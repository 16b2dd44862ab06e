"""The summary of real rows: the weights of the rows themselves, and an energy right within its error."""

from __future__ import annotations

import numpy as np
import pytest

from synalign.alignment import align, real_side
from synalign.alignment.real_side import estimated_energy
from tests.alignment.rows import MIXTURE, rows_of


def test_gives_the_weights_of_the_rows() -> None:
    synthetic, real = rows_of(60, seed=1), rows_of(90, seed=2, skew=-1.0)
    copied, counts = np.concatenate([synthetic, synthetic[:3]]), np.arange(90)
    side = real_side(copied, real, MIXTURE, real_counts=counts)
    plain, summed = align(copied, real, bandwidths=MIXTURE, real_counts=counts), align(copied, side)
    np.testing.assert_allclose(summed.weights, plain.weights, atol=1e-9)
    assert summed.mmd2 == pytest.approx(plain.mmd2, abs=1e-13)
    assert summed.bandwidths == MIXTURE


def test_estimated_energy_is_right_within_its_error() -> None:
    real = rows_of(3_000, seed=4)
    side = real_side(real[::6], real, 1.0)
    energy, error = estimated_energy(real[::6], side.mean, (1.0,))
    plain_error = side.mean.std() / np.sqrt(500)
    assert abs(energy - side.energy) < 4 * error
    assert error < 0.2 * plain_error
