"""The losses are where trainers import them from."""

from synalign.retriever import contrastive, distillation, loss


def test_every_loss_is_importable_from_one_place() -> None:
    assert loss.WeightedMultipleNegativesRankingLoss is contrastive.WeightedMultipleNegativesRankingLoss
    assert loss.WeightedListwiseDistillationLoss is distillation.WeightedListwiseDistillationLoss
    assert loss.WeightedMarginMSELoss is distillation.WeightedMarginMSELoss
    assert set(loss.__all__) <= set(vars(loss))
