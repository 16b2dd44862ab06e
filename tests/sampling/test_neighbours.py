"""Nearest rows, against distances taken from differences in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from synalign.sampling import neighbours
from synalign.sampling.neighbours import distinct_rows, nearest_rows
from synalign.sampling.rows import Rows
from tests.sampling.oracles import clustered_rows, nearest_by_hand, with_duplicates, with_near_duplicates

KINDS = {
    "plain": clustered_rows(300, 24, seed=1),
    "single precision": clustered_rows(300, 24, seed=1).astype(np.float32),
    "each three times": with_duplicates(300, seed=2),
    "near duplicates": with_near_duplicates(300, seed=3),
    "all equal": np.tile(clustered_rows(1, 24), (300, 1)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 7, 40])
@pytest.mark.parametrize("way", ["one by one", "together", "kept", "in small tiles"])
def test_nearest_rows_are_those_of_exact_distances(
    kind: str, count: int, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = KINDS[kind]
    rows, which = Rows.of(given), np.arange(0, 300, 1 if way == "kept" else 7)
    keep = np.empty((300, 300), dtype=np.float32) if way == "kept" else None
    if way == "in small tiles":
        monkeypatch.setattr(neighbours, "TILE_ROWS", 11)
        monkeypatch.setattr(neighbours, "TILE_COLUMNS", 64)
        monkeypatch.setattr(neighbours, "TILE_ENTRIES", 700)
    if way == "one by one":
        found = np.concatenate([nearest_rows(rows, which[at : at + 1], count) for at in range(len(which))])
    else:
        found = nearest_rows(rows, which, count, keep=keep)
    assert found.tolist() == [nearest_by_hand(given, row)[:count] for row in which]
    if keep is not None:
        np.testing.assert_allclose(keep, cdist(given, given, "sqeuclidean") / -2.0, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("hashes", ["different", "all the same"])
def test_distinct_rows_are_those_of_numpy_whatever_their_hashes(
    dtype: type, hashes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = with_duplicates(60, seed=4).astype(dtype)
    which = np.random.default_rng(5).permutation(60)[:50]
    if hashes == "all the same":
        monkeypatch.setattr(neighbours, "_hashes", lambda rows, which: np.zeros(len(which), dtype=np.uint64))
    first, group = distinct_rows(Rows.of(given), which)
    _, expected, sets = np.unique(given[which], axis=0, return_index=True, return_inverse=True)
    assert first.tolist() == sorted(expected.tolist())
    np.testing.assert_array_equal(first[group], expected[sets.reshape(-1)])
