"""Tiles of cosines: every pair once, whatever the sizes."""

import numpy as np
import pytest

from synalign.screening import cosines


@pytest.mark.parametrize(("rows", "columns"), [(0, 5), (5, 0), (1, 1), (9, 7), (10, 8), (23, 30)])
def test_tiles_are_the_whole_product(rows: int, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cosines, "ROWS", 9)
    monkeypatch.setattr(cosines, "COLUMNS", 7)
    random = np.random.default_rng(0)
    left, right = (random.normal(size=(count, 4)).astype(np.float32) for count in (rows, columns))
    found, tiles = np.full((rows, columns), np.nan), list(cosines.tiles(left, right))
    for tile in tiles:
        assert tile.cosines.shape[0] <= 9 and tile.cosines.shape[1] <= 7
        assert np.isnan(found[tile.rows, tile.columns]).all()
        found[tile.rows, tile.columns] = tile.cosines
    np.testing.assert_allclose(found, np.einsum("rd,cd->rc", left, right), atol=1e-6)
    assert len(tiles) == cosines.tile_count(rows, columns)
