"""The cached loss: the same number and the same gradient as without a cache, in parts of any size."""

from pathlib import Path

import numpy as np
import pytest
import torch

from synalign.errors import ArgumentError
from synalign.retriever.contrastive import WeightedMultipleNegativesRankingLoss
from synalign.retriever.dataset import training_dataset
from tests.retriever.library_training import trained, training_set

TEXTS = (
    [f"find {word}" for word in ("bat", "cell", "ding", "foom", "gat", "hell", "bing")],
    [f"about {word} and nothing else at all" for word in ("tab", "llec", "gnid", "moof", "tag", "lleh", "gnib")],
    [f"not {word}" for word in ("a", "b", "c", "d", "e", "f", "g")],
)
WEIGHTS = torch.tensor([3.0, 0.1, 0.0, 1.0, 0.5, 2.0, 0.25])


def gradient(model: object, loss: torch.nn.Module) -> tuple[float, torch.Tensor]:
    """Loss and gradient of a batch of three columns."""
    model.zero_grad()
    value = loss([model.preprocess(texts) for texts in TEXTS], WEIGHTS)
    value.backward()
    return value.item(), torch.cat([part.grad.flatten() for part in model.parameters() if part.grad is not None])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("settings", [{}, {"mean_weight": 0.7}, {"weigh_negatives": True, "mean_weight": 0.7}])
def test_loss_and_gradient_equal_those_without_a_cache(bert_model: str, size: int, settings: dict[str, object]) -> None:
    from sentence_transformers import SentenceTransformer

    from synalign.retriever.cached import CachedWeightedMultipleNegativesRankingLoss

    # Dropout would draw other numbers for parts than for a whole.
    model = SentenceTransformer(bert_model, device="cpu").eval()
    plain = gradient(model, WeightedMultipleNegativesRankingLoss(model, **settings))
    cached = gradient(model, CachedWeightedMultipleNegativesRankingLoss(model, mini_batch_size=size, **settings))
    assert cached[0] == pytest.approx(plain[0], rel=1e-5)
    torch.testing.assert_close(cached[1], plain[1], rtol=1e-3, atol=1e-5)


def test_equal_weights_train_as_the_librarys_cached_loss(bert_model: str, tmp_path: Path) -> None:
    from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss

    from synalign.retriever.cached import CachedWeightedMultipleNegativesRankingLoss

    even, skewed = training_dataset(training_set([0.5] * 8)), training_dataset(training_set([8.0] + [0.1] * 7))
    theirs = trained(bert_model, tmp_path, lambda model: CachedMultipleNegativesRankingLoss(model, mini_batch_size=2),
                     even.remove_columns("label"), rate=1e-3)  # fmt: skip
    make = lambda model: CachedWeightedMultipleNegativesRankingLoss(model, mini_batch_size=2)  # noqa: E731
    np.testing.assert_allclose(trained(bert_model, tmp_path, make, even, rate=1e-3), theirs, atol=1e-4)
    assert np.abs(trained(bert_model, tmp_path, make, skewed, rate=1e-3) - theirs).max() > 1e-4


def test_what_it_cannot_work_with_is_refused(bert_model: str, static_model: str) -> None:
    from sentence_transformers import SentenceTransformer

    from synalign.retriever.cached import CachedWeightedMultipleNegativesRankingLoss

    model = SentenceTransformer(bert_model, device="cpu")
    for settings in ({"mini_batch_size": 0}, {"scale": -1.0}, {"mean_weight": 0.0}):
        with pytest.raises(ArgumentError):
            CachedWeightedMultipleNegativesRankingLoss(model, **settings)
    with pytest.raises(ArgumentError, match="labels"):
        CachedWeightedMultipleNegativesRankingLoss(model)([model.preprocess(texts) for texts in TEXTS], None)
    with pytest.raises(ValueError, match="StaticEmbedding"):
        CachedWeightedMultipleNegativesRankingLoss(SentenceTransformer(static_model, device="cpu"))
