"""Alignment at and beyond every edge of its arguments: an argument error, or weights with a certificate that holds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.alignment import RealSide, align, real_side
from synalign.errors import ArgumentError
from tests import extremes


def check(found, m):
    """Weights are a distribution, and all that is said of them is finite."""
    assert found.weights.shape == (m,) and np.isfinite(found.weights).all() and (found.weights >= 0.0).all()
    assert found.weights.sum() == pytest.approx(1.0, abs=1e-9)
    for name in ("objective", "gap", "mmd2_uniform", "mmd2", "effective_sample_size", "design_effect", "seconds"):
        assert math.isfinite(getattr(found, name)), name
    assert found.objective >= 0.0 and found.gap >= -1e-12
    assert 1.0 - 1e-9 <= found.effective_sample_size <= m + 1e-6
    if found.held_out is not None:
        assert all(math.isfinite(value) for value in found.held_out) and 0.0 <= found.held_out.p_value <= 1.0


@pytest.mark.parametrize("name", ["bandwidths", "ridge", "coverage", "tolerance"])
@pytest.mark.parametrize("value", [1e-160, 5e-324, 1e300, float("nan"), float("inf"), -1.0, -1e-160, 10**400])
def test_an_extreme_number_is_refused_by_name_or_harmless(name, value):
    synthetic, real = (extremes.rows_of(9, 4, seed, "float64") for seed in (1, 2))
    found = extremes.outcome(lambda: align(synthetic, real, documents=list("aabbccdde"), **{name: value}))
    if found is not None:
        check(found, 9)
    if name == "bandwidths":
        with pytest.raises(ArgumentError, match=r"bandwidths\[0\] == "):
            align(synthetic, real, bandwidths=[value])


@settings(max_examples=150)
@given(
    m=st.integers(1, 12), n=st.integers(1, 12), d=st.integers(1, 5), seed=st.integers(0, 1000),
    layout=extremes.layouts, where=st.sampled_from(["synthetic", "real", "held_out"]),
    which=st.sampled_from(["nothing", "bandwidths", "ridge", "coverage", "tolerance", "real_counts", "initial",
                           "documents", "device"]),
    number=extremes.numbers, counts=extremes.counts, documented=st.booleans(),
)  # fmt: skip
def test_any_argument_is_refused_or_gives_weights(m, n, d, seed, layout, where, which, number, counts, documented):
    given_rows = {name: extremes.rows_of(m if name == "synthetic" else n, d, seed + at, "float32")
                  for at, name in enumerate(("synthetic", "real", "held_out"))}  # fmt: skip
    given_rows[where] = extremes.rows_of(m if where == "synthetic" else n, d, seed + 3, layout)
    arguments = {"documents": [f"d{row % 3}" for row in range(m)]} if documented else {}
    if which == "real_counts":
        arguments[which] = extremes.counts_of(n, seed, counts)
    elif which == "initial" or which == "documents":
        arguments[which] = extremes.counts_of(m, seed, counts)
    elif which != "nothing":
        arguments[which] = number
    found = extremes.outcome(lambda: align(**given_rows, **arguments))
    if found is not None:
        check(found, m)


@settings(max_examples=150)
@given(seed=st.integers(0, 100), which=st.sampled_from(["mean", "energy", "bandwidths"]), number=extremes.numbers)
def test_a_summary_that_cannot_be_one_is_refused(seed, which, number):
    synthetic, real = (extremes.rows_of(6, 3, seed + at, "float64") for at in (0, 1))
    side = real_side(synthetic, real, 1.0)
    value = {"mean": [number] * 6, "energy": number, "bandwidths": (number,)}[which]
    found = extremes.outcome(lambda: align(synthetic, side._replace(**{which: value})))
    if found is not None:
        check(found, 6)


@settings(max_examples=150)
@given(seed=st.integers(0, 100), layout=extremes.layouts, counts=extremes.counts, width=extremes.numbers)
def test_the_real_side_is_refused_or_finite(seed, layout, counts, width):
    synthetic, real = extremes.rows_of(6, 3, seed, "float64"), extremes.rows_of(7, 3, seed + 1, layout)
    counts = extremes.counts_of(7, seed, counts)
    found = extremes.outcome(lambda: real_side(synthetic, real, width, real_counts=counts))
    if found is not None:
        assert isinstance(found, RealSide) and np.isfinite(found.mean).all() and 0.0 <= found.energy <= 1.0 + 1e-12
