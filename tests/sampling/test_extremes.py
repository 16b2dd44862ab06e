"""Sampling at and beyond every edge of its arguments: an argument error, or a selection that is one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.errors import ArgumentError
from synalign.sampling import LengthScaleWarning, sample_demonstrations
from synalign.sampling.shares import share_batches
from tests import extremes
from tests.sampling.oracles import coverage_by_hand, with_duplicates

CRITERIA = st.sampled_from(["coverage", "variance"])


def check(selection, n, batches, neighbours, criterion):
    """A selection is of different anchors, of rows that are there, and finite."""
    shown = np.column_stack([selection.anchors, selection.neighbours])
    assert shown.shape == (batches, neighbours + 1) and shown.min() >= 0 and shown.max() < n
    assert len(set(selection.anchors.tolist())) == batches
    for batch in shown:
        assert len(set(batch.tolist())) == neighbours + 1
    if criterion == "coverage":
        assert len(np.unique(shown)) == shown.size
    for values in (selection.variance, selection.uncertainty):
        assert values.shape == (batches,) and np.isfinite(values).all()
        assert (values >= -1e-9).all() and (values <= 1.0 + 1e-9).all()
    assert 0.0 < selection.length_scale < np.inf


@pytest.mark.parametrize("criterion", ["coverage", "variance"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("length_scale", [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e3, 1e6])
def test_no_row_is_repeated_however_short_or_long_the_kernel(criterion, dtype, length_scale):
    """What was reported: at 1e-4 single precision overflowed, and every batch had the anchor 0."""
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((150, 16))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(dtype)
    call = lambda: sample_demonstrations(rows, 8, 4, length_scale=length_scale, criterion=criterion)  # noqa: E731
    check(extremes.outcome(call, LengthScaleWarning), 150, 8, 4, criterion)


@pytest.mark.parametrize("length_scale", [1e-2, 1e-3, 1e-4])
def test_a_short_kernel_still_picks_what_full_evaluation_picks(length_scale):
    """Copies are all that a kernel this short can see; single precision has nothing to say of them."""
    rows = with_duplicates(90, seed=2)
    counts = np.random.default_rng(3).integers(1, 50, size=90)
    anchors, members = coverage_by_hand(rows, 10, 4, 9, length_scale, 1e-2, np.sqrt(counts), rows[:0])
    found = extremes.outcome(
        lambda: sample_demonstrations(rows, 10, 4, length_scale=length_scale, breadth=9, counts=counts),
        LengthScaleWarning,
    )
    assert found.anchors.tolist() == anchors
    # Copies tie but for rounding, which the exponent multiplies by 1 / l^2.
    assert [sorted(batch) for batch in found.neighbours.tolist()] == [sorted(batch) for batch in members]


@settings(max_examples=150)
@given(
    n=st.integers(1, 24), d=st.integers(1, 6), seed=st.integers(0, 1000), layout=extremes.layouts, criterion=CRITERIA,
    batches=st.sampled_from([1, 1, 2, 3]), neighbours=st.sampled_from([0, 1, 2, 3]),
    which=st.sampled_from(["nothing", "length_scale", "noise", "counts", "shown", "shown_noise", "breadth", "batches",
                           "neighbours", "criterion"]),
    number=extremes.numbers, counts=extremes.counts,
)  # fmt: skip
def test_any_argument_is_refused_or_gives_a_selection(
    n, d, seed, layout, criterion, batches, neighbours, which, number, counts
):
    arguments = {"batches": batches, "neighbours": neighbours, "criterion": criterion}
    if which == "counts":
        arguments["counts"] = extremes.counts_of(n, seed, counts)
    elif which == "shown":
        arguments["shown"] = extremes.rows_of(n, d, seed + 1, layout)
        layout = "float32"
    elif which == "shown_noise":
        arguments |= {
            "shown": extremes.rows_of(n, d, seed + 1, "float64"),
            "shown_noise": extremes.counts_of(n, seed, counts),
        }
    elif which != "nothing":
        arguments[which] = number
    rows = extremes.rows_of(n, d, seed, layout)
    found = extremes.outcome(lambda: sample_demonstrations(rows, **arguments), LengthScaleWarning)
    if found is not None:
        check(found, n, int(arguments["batches"]), int(arguments["neighbours"]), arguments["criterion"])


@settings(max_examples=150)
@given(
    labels=st.integers(1, 6), seed=st.integers(0, 100), traffic=extremes.counts, rows=extremes.counts,
    batches=st.sampled_from([0, 1, 5, 50, None, 1.5]), balance=st.sampled_from(["equal", "proportional"]),
)  # fmt: skip
def test_shares_of_any_traffic_are_refused_or_add_up(labels, seed, traffic, rows, batches, balance):
    traffic, rows = (extremes.counts_of(labels, seed, kind) for kind in (traffic, rows))
    found = extremes.outcome(lambda: share_batches(traffic, rows, batches, 2, balance))
    if found is not None:
        count = np.asarray(rows, dtype=float).astype(int)
        most = np.where(count > 0, np.maximum(count // 2, 1), 0)
        assert (found <= most).all() and found.sum() == min(batches, most.sum())


def test_a_masked_row_is_no_data():
    rows = np.ma.masked_array(np.eye(3), mask=[[True, False, False]] + [[False] * 3] * 2)
    with pytest.raises(ArgumentError, match="masked"):
        sample_demonstrations(rows, 1, 1)


def test_a_huge_row_is_named_by_its_norm_and_not_as_infinite():
    rows = np.eye(3)
    rows[1] *= 1e200
    with pytest.raises(ArgumentError, match=r"norm of embeddings\[1\]"):
        sample_demonstrations(rows, 1, 1)
