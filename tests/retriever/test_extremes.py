"""The loss and the sampler at and beyond every edge of their arguments."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.errors import ArgumentError
from synalign.retriever.loss import WeightedMultipleNegativesRankingLoss
from synalign.retriever.sampler import WeightedBatchSampler, weighted_batches
from tests import extremes


@settings(max_examples=150)
@given(
    n=st.integers(1, 9), seed=st.integers(0, 100), weights=extremes.counts,
    documents=st.sampled_from(["none", "own", "shared", "one", "unhashable", "text", "short", "generator"]),
    size=st.sampled_from([0, 1, 2, 3, 10**6, 1.5, None]), number=extremes.numbers,
)  # fmt: skip
def test_any_weights_are_refused_or_drawn(n, seed, weights, documents, size, number):
    weights = extremes.counts_of(n, seed, weights)
    given_documents = {
        "none": None, "own": list(range(n)), "shared": [row // 2 for row in range(n)], "one": ["a"] * n,
        "unhashable": [[]] * n, "text": "a" * n, "short": ["a", "b"], "generator": (row for row in range(n)),
    }[documents]  # fmt: skip
    sampler = extremes.outcome(lambda: WeightedBatchSampler(weights, given_documents, size, batches=3, seed=seed))
    if sampler is None:
        return
    assert np.isfinite(sampler.residual).all() and (sampler.residual >= 0.0).all()
    drawn = extremes.outcome(lambda: list(sampler))
    assert len(drawn) == 3
    for batch in drawn:
        assert all(0 <= row < n and np.asarray(weights, dtype=float)[row] > 0 for row in batch)
        names = [row if given_documents is None else given_documents[row] for row in batch]
        assert len(set(names)) == len(names)


def test_a_dataset_with_weights_that_are_none_is_refused():
    for weights in ([None, 1.0], ["a", "b"], [float("nan"), 1.0]):
        with pytest.raises(ArgumentError, match=r"label|weights"):
            weighted_batches({"label": weights, "positive": ["a", "b"]}, 2, False)


@settings(max_examples=150)
@given(
    rows=st.integers(1, 5), seed=st.integers(0, 100), scale=extremes.numbers, mean=extremes.numbers,
    weight=st.sampled_from([0.0, 1.0, 1e-38, 1e30, 3e38, float("nan"), float("inf"), -1.0]),
    vectors=st.sampled_from(["good", "nan", "inf", "zero", "shapes", "one", "empty"]), negatives=st.booleans(),
    hidden=st.sampled_from(["none", "some", "own", "shape"]),
)  # fmt: skip
def test_any_batch_is_refused_or_has_a_finite_loss(rows, seed, scale, mean, weight, vectors, negatives, hidden):
    torch.manual_seed(seed)
    columns = [torch.randn(rows, 4) for _ in range(3)]
    if vectors in ("nan", "inf"):
        columns[1][0, 0] = float(vectors)
    elif vectors == "zero":
        columns[0][0] = 0.0
    elif vectors == "shapes":
        columns[1] = columns[1][:, :2]
    elif vectors in ("one", "empty"):
        columns = columns[:1] if vectors == "one" else [column[:0] for column in columns]
    labels = torch.ones(len(columns[0]))
    labels[:1] = weight
    mask = {
        "none": None, "own": torch.eye(rows, dtype=torch.bool), "shape": torch.zeros(rows + 1, rows, dtype=torch.bool),
        "some": torch.ones(rows, rows, dtype=torch.bool).triu(1),
    }[hidden]  # fmt: skip

    def loss():
        made = WeightedMultipleNegativesRankingLoss(None, scale, mean, weigh_negatives=negatives)
        return made.compute_loss_from_embeddings(columns, labels, mask)

    found = extremes.outcome(loss)
    assert found is None or (found.ndim == 0 and torch.isfinite(found))
