"""What is passed to `align`: copies share their weight, and what does not fit is refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.alignment import RealSide, align
from synalign.errors import ArgumentError
from tests.alignment.rows import rows_of

PROPERTY = settings(max_examples=15, derandomize=True)
ROWS = rows_of(6, seed=1)
BROKEN = ROWS.copy()
BROKEN[2, 0] = np.nan


class TestCopies:
    def test_copies_within_a_document_share_to_the_last_bit(self) -> None:
        rows = rows_of(20, seed=1)
        copied, documents = np.concatenate([rows, rows[:5], rows[:5]]), [*range(20), *range(5), *range(5)]
        found = align(copied, rows_of(30, seed=2, skew=-1.0), documents=documents, ridge=0.0).weights
        np.testing.assert_array_equal(found[20:25], found[:5])
        np.testing.assert_array_equal(found[25:], found[:5])

    def test_copies_in_documents_of_equal_standing_share_equally(self) -> None:
        rows = rows_of(10, seed=1)
        copied, documents = np.concatenate([rows, rows[:1]]), range(11)
        found = align(copied, rows_of(30, seed=2), documents=documents, ridge=0.0).weights
        assert found[10] == pytest.approx(found[0], rel=1e-6)

    def test_a_zero_is_a_zero_whatever_its_sign(self) -> None:
        rows = np.array([[1.0, 0.0], [1.0, -0.0], [0.0, 1.0]])
        found = align(rows, rows[:1], ridge=1e-2, bandwidths=1.0).weights
        assert found[0] == found[1]

    @PROPERTY
    @given(seed=st.integers(0, 500), copies=st.integers(1, 4))
    def test_copying_every_row_halves_its_weight_and_leaves_the_mmd(self, seed: int, copies: int) -> None:
        synthetic, real = rows_of(15, seed=seed), rows_of(20, seed=seed + 1, skew=-1.0)
        plain = align(synthetic, real, ridge=1e-3, tolerance=1e-9)
        copied = align(np.tile(synthetic, (copies, 1)), real, ridge=1e-3, tolerance=1e-9)
        np.testing.assert_allclose(copied.weights, np.tile(plain.weights, copies) / copies, atol=1e-6)
        assert copied.mmd2_uniform == pytest.approx(plain.mmd2_uniform, abs=1e-13)


@pytest.mark.parametrize("initial", [[1.0], [-1.0] * 30, [0.0] * 30, [np.nan] * 30])
def test_weights_that_are_none_are_refused(initial: list[float]) -> None:
    with pytest.raises(ArgumentError, match="initial"):
        align(rows_of(30, seed=1), rows_of(30, seed=2), initial=initial)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"real": RealSide(np.ones(5), 1.0, 0.0, (1.0,), 9)}, r"real.mean.shape == \(5,\), must be \(6,\)"),
        ({"real": RealSide(np.full(6, np.nan), 1.0, 0.0, (1.0,), 9)}, r"real.mean\[0\] == nan"),
        ({"real": RealSide(np.ones(6), np.nan, 0.0, (1.0,), 9)}, "real.energy == nan"),
        ({"bandwidths": 2.0}, "bandwidths == 2.0, must be those of real"),
        ({"real_counts": [1.0]}, "real_counts == 'given', must be None"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"real": RealSide(np.ones(6), 1.0, 0.0, (1.0,), 9), **changes}
    with pytest.raises(ArgumentError, match=message):
        align(rows_of(6, seed=1), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"synthetic": BROKEN}, r"synthetic\[2\] == .*must be finite"),
        ({"real": BROKEN}, r"real\[2\] == .*must be finite"),
        ({"held_out": BROKEN}, r"held_out\[2\] == .*must be finite"),
        ({"synthetic": 2 * ROWS}, r"norm of synthetic\[0\] == .*must be 1 within"),
        ({"synthetic": ROWS[0]}, "synthetic.shape"),
        ({"real": ROWS[:0]}, "real.shape"),
        ({"real": rows_of(6, seed=1, width=5)}, r"real.shape == \(6, 5\), must have 8 columns"),
        ({"held_out": rows_of(6, seed=1, width=5)}, "held_out.shape"),
        ({"documents": ["a"] * 5}, r"len\(documents\) == 5, must be 6"),
        ({"documents": "abcdef"}, "documents == 'abcdef', must be 6 values"),
        ({"documents": ["a", None, "b", "c", "d", "e"]}, r"documents\[1\] == None, must not be missing"),
        ({"documents": [0.0, np.nan, 1.0, 1.0, 2.0, 2.0]}, r"documents\[1\] == nan, must not be missing"),
        ({"documents": 6}, "documents == 6, must be 6 values"),
        ({"documents": np.zeros((6, 2))}, r"documents\[0\] == array.*, must be hashable"),
        ({"documents": [[]] * 6}, r"documents\[0\] == \[\], must be hashable"),
        ({"bandwidths": []}, r"bandwidths == \[\], must be one or more widths"),
        ({"bandwidths": [1.0, 0.0]}, r"bandwidths\[1\] == 0.0, must be > 0"),
        ({"bandwidths": "wide"}, r"bandwidths\[0\] == 'wide', must be a number"),
        ({"ridge": -1e-4}, "ridge == -0.0001, must be >= 0"),
        ({"ridge": np.nan}, "ridge == nan, must be finite"),
        ({"coverage": -1.0}, "coverage == -1.0, must be >= 0"),
        ({"tolerance": 0.0}, "tolerance == 0.0, must be > 0 and < 1"),
        ({"tolerance": 1.0}, "tolerance == 1.0"),
        ({"real_counts": [1.0] * 5}, r"real_counts.shape == \(5,\), must be \(6,\)"),
        ({"real_counts": [-1.0] * 6}, r"real_counts\[0\] == -1.0"),
        ({"real_counts": [0.0] * 6}, "sum of real_counts == 0.0"),
        ({"device": "abacus"}, "device == 'abacus', must be a device"),
    ],
)
def test_bad_input_is_an_error_that_names_the_argument_and_the_rule(changes: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"synthetic": ROWS, "real": ROWS, **changes}
    with pytest.raises(ArgumentError, match=message):
        align(**arguments)  # type: ignore[arg-type]
