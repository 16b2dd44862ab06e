"""Batches by weight: what is drawn how often, and that no document meets itself."""

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from synalign.errors import ArgumentError
from synalign.retriever.dataset import training_dataset
from synalign.retriever.sampler import WeightedBatchSampler, weighted_batches
from tests.retriever.library_training import trained, training_set

LIGHT = np.array([3.0, 1.0, 2.0, 2.0, 4.0, 0.0, 1.0, 3.0, 2.0, 2.0])
OWNERS = list("aabbcdefgh")


def shares(sampler: WeightedBatchSampler, rows: int) -> np.ndarray:
    """How often each row is in a batch."""
    drawn = Counter(itertools.chain.from_iterable(sampler))
    return np.array([drawn[row] for row in range(rows)]) / len(sampler)


def test_rows_are_drawn_in_proportion_to_their_weights() -> None:
    sampler = WeightedBatchSampler(LIGHT, OWNERS, batch_size=4, batches=8_000)
    expected = 4 * LIGHT / LIGHT.sum()
    # Five standard errors of a share at one half.
    assert np.abs(shares(sampler, 10) - expected).max() < 5 * 0.5 / 8_000**0.5
    assert sampler.residual.tolist() == [1, 1, 1, 1, 1, 0, 1, 1, 1, 1]


def test_a_document_too_heavy_for_its_batches_leaves_the_rest_to_the_loss() -> None:
    weights = np.array([60.0, 20.0, 4.0, 4.0, 4.0, 4.0, 4.0])
    owners = list("aabcdef")
    sampler = WeightedBatchSampler(weights, owners, batch_size=3, batches=8_000)
    drawn = shares(sampler, 7)
    assert drawn[:2].sum() == pytest.approx(1.0), "the heavy document is in every batch, once"
    assert np.abs(sampler.residual * drawn - 3 * weights / weights.sum()).max() < 0.05
    assert sampler.residual[0] > 1 > sampler.residual[2] > 0


def test_no_two_rows_of_a_batch_share_a_document() -> None:
    random = np.random.default_rng(1)
    owners = random.integers(0, 30, 400)
    for batch in WeightedBatchSampler(random.exponential(size=400), owners, batch_size=16, batches=300):
        assert len(batch) == len({owners[row] for row in batch}) == 16


def test_a_batch_is_as_large_as_there_are_documents() -> None:
    sampler = WeightedBatchSampler([1.0, 2.0, 3.0, 0.0], list("aabc"), batch_size=96, batches=50)
    assert sampler.batch_size == 2
    assert all(len(batch) == 2 and 2 in batch and 3 not in batch for batch in sampler)


def test_an_epoch_repeats_and_the_next_differs() -> None:
    sampler = WeightedBatchSampler(LIGHT, OWNERS, batch_size=4, seed=7)
    first = list(sampler)
    assert list(sampler) == first
    assert list(WeightedBatchSampler(LIGHT, OWNERS, batch_size=4, seed=7)) == first
    sampler.set_epoch(1)
    assert list(sampler) != first
    assert len(first) == len(sampler) == 3


def test_weights_of_any_magnitude() -> None:
    for scale in (1e-300, 1e300):
        sampler = WeightedBatchSampler(LIGHT * scale / 100, OWNERS, batch_size=4, batches=200)
        assert all(len(batch) == 4 and 5 not in batch for batch in sampler)


@pytest.mark.parametrize(
    ("weights", "documents", "said"),
    [
        ([1.0, -1.0], None, "weights[1]"),
        ([1.0, np.nan], None, "weights[1]"),
        ([0.0, 0.0], None, "sum of weights"),
        ([], None, "sum of weights"),
        ([[1.0]], None, "weights.shape"),
        ([1.0, 1.0], ["a"], "documents"),
        ([1.0, 1.0], ["a", "a"], "two at least"),
        ([1.0, 0.0], ["a", "b"], "two at least"),
    ],
)
def test_unusable_weights_are_refused(weights: list[float], documents: list[str] | None, said: str) -> None:
    with pytest.raises(ArgumentError) as refused:
        WeightedBatchSampler(weights, documents, batch_size=4)
    assert said in str(refused.value)


def test_the_sampler_works_in_the_librarys_trainer(static_model: str, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    dataset = training_dataset(training_set([1.0] * 4 + [0.0] * 4))
    model = SentenceTransformer(static_model, device="cpu")
    before = next(model.parameters()).detach().numpy().copy()
    after = trained(
        static_model, tmp_path, MultipleNegativesRankingLoss, dataset, batch_sampler=weighted_batches, weight_decay=0.0
    )
    moved = set(np.flatnonzero((after != before).any(1)).tolist())
    drawn = {row["anchor"] + " " + row["positive"] for row in dataset.select(range(4))}
    tokens = {token for text in drawn for token in model.tokenizer.encode(text, add_special_tokens=False).ids}
    assert moved == tokens, "rows of weight zero are never drawn, all others are"
