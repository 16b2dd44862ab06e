"""What holds for either criterion, and what a caller may pass."""

from __future__ import annotations

import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import settings

from synalign.errors import ArgumentError
from synalign.sampling import LengthScaleWarning, sample_demonstrations
from tests.sampling.oracles import (
    clustered_rows,
)

PROPERTY = settings(max_examples=20, derandomize=True)


@pytest.mark.parametrize("criterion", ["coverage", "variance"])
class TestEither:
    def test_same_input_gives_same_bytes(self, criterion: str) -> None:
        rows = clustered_rows(300, 16, seed=12).astype(np.float32)
        first, second = (sample_demonstrations(rows, 10, criterion=criterion) for _ in range(2))
        assert all(a.tobytes() == b.tobytes() for a, b in zip(first[:4], second[:4], strict=True))

    def test_half_precision_and_other_layouts_are_accepted(self, criterion: str) -> None:
        half = clustered_rows(60, seed=15).astype(np.float16)
        plain = sample_demonstrations(half.astype(np.float32), 3, criterion=criterion)
        for rows in (half, np.asfortranarray(half.astype(np.float32)), half.astype(">f4")):
            np.testing.assert_array_equal(sample_demonstrations(rows, 3, criterion=criterion).anchors, plain.anchors)

    def test_rows_are_not_changed(self, criterion: str) -> None:
        rows = clustered_rows(2_000, 64, seed=16).astype(np.float32)
        before = rows.copy()
        rows.setflags(write=False)
        sample_demonstrations(rows, 4, criterion=criterion)
        np.testing.assert_array_equal(rows, before)

    def test_shapes_and_dtypes_are_as_promised(self, criterion: str) -> None:
        selection = sample_demonstrations(clustered_rows(50), 3, 0, criterion=criterion)
        assert (selection.anchors.shape, selection.anchors.dtype) == ((3,), np.int64)
        assert (selection.neighbours.shape, selection.neighbours.dtype) == ((3, 0), np.int64)
        assert (selection.variance.shape, selection.variance.dtype) == ((3,), np.float64)

    def test_all_rows_equal_gives_the_lowest_rows(self, criterion: str) -> None:
        rows = np.tile([[0.6, 0.8]], (40, 1))
        selection = sample_demonstrations(rows, 2, 3, criterion=criterion)
        assert selection.anchors.tolist()[0] == 0
        assert selection.neighbours[0].tolist() == [1, 2, 3]

    def test_hundreds_of_copies_are_ranked_by_index(self, criterion: str) -> None:
        rows = np.concatenate([clustered_rows(20, 64, seed=13), np.tile(clustered_rows(1, 64), (300, 1))])
        selection = sample_demonstrations(rows, 3, 5, criterion=criterion, breadth=5)
        flood = selection.anchors >= 20
        for anchor, members in zip(selection.anchors[flood], selection.neighbours[flood], strict=True):
            assert sorted(members) == [row for row in range(20, 26) if row != anchor][:5]

    def test_one_row_can_be_shown(self, criterion: str) -> None:
        assert sample_demonstrations([[1.0]], 1, 0, criterion=criterion).anchors.tolist() == [0]

    def test_authors_length_scale_warns_that_nothing_is_learned(self, criterion: str) -> None:
        with pytest.warns(LengthScaleWarning, match=r"length_scale == 0.1"):
            sample_demonstrations(clustered_rows(60, 64, seed=14), 4, 2, length_scale=0.1, criterion=criterion)

    def test_default_length_scale_is_the_stated_share_of_the_median_distance_and_warns_of_nothing(
        self, criterion: str
    ) -> None:
        rows = clustered_rows(60, 64, seed=14)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            selection = sample_demonstrations(rows, 4, 2, criterion=criterion)
        distances = [np.linalg.norm(rows[i] - rows[j]) for i in range(60) for j in range(i)]
        np.testing.assert_allclose(selection.length_scale, 0.7 * np.median(distances))

    def test_noise_too_small_for_duplicates_is_an_error(self, criterion: str) -> None:
        with pytest.raises(ArgumentError, match="noise == 1e-300, must be larger"):
            sample_demonstrations(np.tile([[0.6, 0.8]], (9, 1)), 2, 2, noise=1e-300, criterion=criterion)


def test_many_float32_rows_are_not_copied() -> None:
    rows = clustered_rows(20_000, 768, seed=16).astype(np.float32)
    tracemalloc.start()
    sample_demonstrations(rows, 4, criterion="variance", length_scale=1.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.6 * rows.nbytes + 64e6


ROWS = clustered_rows(20)
BROKEN = ROWS.copy()
BROKEN[3, 2] = np.nan
LONG = ROWS.copy()
LONG[5] *= 1.01


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"embeddings": ROWS[0]}, r"embeddings.shape == \(8,\), must be \(n, d\)"),
        ({"embeddings": ROWS[:0]}, r"embeddings.shape == \(0, 8\)"),
        ({"embeddings": [[1.0, 0.0], [1.0]]}, r"embeddings == 'list', must be an \(n, d\) array"),
        ({"embeddings": np.eye(20, dtype=int)}, "embeddings.dtype == 'int64'"),
        ({"embeddings": BROKEN}, r"embeddings\[3\] == .*must be finite \(1 of 20"),
        ({"embeddings": LONG}, r"norm of embeddings\[5\] == 1.0.*must be 1 within"),
        ({"batches": 0}, "batches == 0, must be a whole number >= 1"),
        ({"batches": True}, "batches == True"),
        ({"batches": 2.0}, "batches == 2.0, must be a whole number"),
        ({"batches": 6}, "batches == 6, must be <= 5: there are 20 rows, and a batch takes 4"),
        ({"batches": 21, "criterion": "variance"}, "batches == 21, must be <= 20"),
        ({"neighbours": -1}, "neighbours == -1, must be a whole number >= 0"),
        ({"neighbours": 20}, "neighbours == 20, must be <= 19"),
        ({"breadth": 2}, "breadth == 2, must be >= neighbours == 3"),
        ({"criterion": "random"}, "criterion == 'random', must be one of coverage, variance"),
        ({"length_scale": 0.0}, "length_scale == 0.0, must be > 0"),
        ({"length_scale": np.inf}, "length_scale == inf, must be finite"),
        ({"noise": 0.0}, "noise == 0.0, must be > 0"),
        ({"noise": "low"}, "noise == 'low', must be a number"),
        ({"counts": np.ones(19)}, r"counts.shape == \(19,\), must be \(20,\)"),
        ({"counts": ["a"] * 20}, "counts == 'list', must be 20 numbers"),
        ({"counts": [-1.0] + [1.0] * 19}, r"counts\[0\] == -1.0, must be finite and >= 0"),
        ({"counts": [np.nan] * 20}, r"counts\[0\] == nan"),
        ({"counts": np.zeros(20)}, "sum of counts == 0.0, must be > 0"),
        ({"shown": clustered_rows(4, 7)}, r"shown.shape == \(4, 7\), must have 8 columns"),
        ({"shown": LONG[4:6]}, r"norm of shown\[1\]"),
        ({"shown": ROWS[:3], "shown_noise": [0.1]}, r"shown_noise.shape == \(1,\), must be \(3,\)"),
        ({"shown_noise": [0.1]}, r"shown_noise.shape == \(1,\), must be \(0,\)"),
        ({"shown": ROWS[:2], "shown_noise": [0.1, 0.0]}, r"shown_noise\[1\] == 0.0, must be finite and > 0"),
        ({"shown": ROWS[:2], "shown_noise": ["a", "b"]}, "shown_noise == 'list', must be 2 numbers"),
    ],
)
def test_bad_input_is_an_error_that_names_the_argument_and_the_rule(changes: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"embeddings": ROWS, "batches": 2, "neighbours": 3, **changes}
    with pytest.raises(ArgumentError, match=message):
        sample_demonstrations(**arguments)  # type: ignore[arg-type]
