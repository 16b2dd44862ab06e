"""Queries that are too near real ones: by the split of the real query, with its cosine as the score."""

from collections.abc import Callable

import numpy as np
import pytest

from synalign.config import Configuration
from synalign.screening import real_queries
from synalign.screening.candidates import candidates_of, pool_of
from tests.screening.runs import run_with


@pytest.mark.parametrize("part", [65_536, 1])
def test_held_out_and_train_queries_are_told_apart(
    configuration: Callable[..., Configuration], part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(real_queries, "PART", part)
    # Held out: 45 and 60 degrees; train: 200 degrees. Cosine of 5 degrees is .9962, of 10 degrees .9848.
    angles = [45, 65, 35, 200, 195, 90]
    run = run_with(configuration(screening={"near_duplicate_cosine": 0.99}), [(f"at {a}", a, "d0") for a in angles])
    candidates = candidates_of(run, pool_of(run))
    told: list[tuple[str, int, int | None]] = []

    def report(what: str, done: int, total: int | None) -> None:
        told.append((what, done, total))

    leak, near = real_queries.leak(candidates, report), real_queries.near_real(candidates, report)
    assert leak.rejected.tolist() == [True, True, False, False, False, False]
    assert near.rejected.tolist() == [False, False, False, True, True, False]
    held_out, train = np.deg2rad([45, 60]), np.deg2rad([200])
    for verdict, real in ((leak, held_out), (near, train)):
        cosines = np.cos(np.deg2rad(angles)[:, None] - real).max(axis=1)
        np.testing.assert_allclose(verdict.scores, cosines, atol=1e-6)
    assert {what for what, _, _ in told} == {
        f"tiles of cosines for the reason {name}" for name in ("leak", "near_real")
    }
