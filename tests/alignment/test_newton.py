"""Newton steps: what they save, and where they are given up."""

from __future__ import annotations

import pytest
import torch

from synalign.alignment import align, newton
from tests.alignment.rows import rows_of


def test_newton_steps_save_most_of_the_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    synthetic, real = rows_of(150, seed=1), rows_of(90, seed=2, skew=-1.0)
    quick = align(synthetic, real, ridge=0.0)
    monkeypatch.setattr(newton, "NEWTON_ROWS", 0)
    slow = align(synthetic, real, ridge=0.0)
    assert quick.converged and slow.converged
    assert quick.iterations < 0.5 * slow.iterations
    assert abs(quick.objective - slow.objective) <= max(quick.gap, slow.gap)


def test_an_indefinite_block_is_given_up() -> None:
    weights = torch.full((4,), 0.25, dtype=torch.float64)
    assert newton.newton_target(lambda free: -torch.eye(4).double(), weights, weights.clone()) is None
