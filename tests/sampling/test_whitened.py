"""The kept matrix: the same variances as the posterior's own, however often rows are brought up to date."""

from __future__ import annotations

import numpy as np
import pytest

from synalign.arrays.checks import Points
from synalign.sampling import whitened
from synalign.sampling.posterior import Posterior
from synalign.sampling.rows import Rows
from synalign.sampling.whitened import Whitened
from tests.sampling.oracles import clustered_rows, posterior_from_scratch

LENGTH = 0.8


@pytest.mark.parametrize("pending", [1, 5, 64])
def test_variances_are_those_of_a_system_solved_anew(pending: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whitened, "PENDING", pending)
    monkeypatch.setattr(whitened, "PART_ROWS", 7)
    rows, points = Rows.of(clustered_rows(40, seed=1).astype(np.float32)), clustered_rows(12, seed=2)
    kept = Whitened(rows, 12, LENGTH)
    process = Posterior(12, 8, LENGTH, whitened=kept)
    np.testing.assert_array_equal(kept.screen(np.arange(40)), 1.0)
    for start in range(0, 12, 3):
        process.observe(Points.of(points[start : start + 3]), np.full(3, 0.01))
        which = np.array([3, 0, 39, 17])
        expected = posterior_from_scratch(points[: start + 3], rows.given[which], LENGTH, 0.01)
        np.testing.assert_allclose(kept.screen(which), expected, atol=2e-6)


def test_it_is_kept_where_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows.of(clustered_rows(100).astype(np.float32))
    monkeypatch.setattr(whitened, "BYTES", 4 * 20 * 120)
    assert Whitened.fits(rows, 20)
    assert not Whitened.fits(rows, 21)
