"""The weighted loss: equal to the library's where it should be, unbiased where it says so, at home in its trainer."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from synalign.errors import ArgumentError
from synalign.retriever.contrastive import WeightedMultipleNegativesRankingLoss
from synalign.retriever.dataset import training_dataset
from synalign.retriever.sampler import WeightedBatchSampler
from tests.retriever.library_training import trained, training_set


def made(rows: int, columns: int = 2, seed: int = 0) -> list[torch.Tensor]:
    """Columns of a batch of vectors: anchors, their documents somewhere near, negatives."""
    random = torch.Generator().manual_seed(seed)
    anchors = torch.randn(rows, 6, generator=random)
    return [anchors, *(anchors + 0.8 * torch.randn(rows, 6, generator=random) for _ in range(columns - 1))]


def value(loss: torch.nn.Module, columns: list[torch.Tensor], weights: list[float] | torch.Tensor) -> float:
    return loss.compute_loss_from_embeddings(columns, torch.as_tensor(weights)).item()


@pytest.mark.slow
@pytest.mark.parametrize("columns", [2, 3, 4])
@pytest.mark.parametrize("weigh_negatives", [False, True])
def test_equal_weights_give_the_librarys_loss(columns: int, weigh_negatives: bool) -> None:
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    batch = made(12, columns)
    expected = MultipleNegativesRankingLoss(None).compute_loss_from_embeddings(batch, torch.empty(0)).item()
    for mean_weight, weight in ((None, 1.0), (None, 0.03), (0.7, 0.7)):
        ours = WeightedMultipleNegativesRankingLoss(None, mean_weight=mean_weight, weigh_negatives=weigh_negatives)
        assert value(ours, batch, [weight] * 12) == pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
def test_gradients_equal_the_librarys_too() -> None:
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    gradients = []
    for loss in (MultipleNegativesRankingLoss(None), WeightedMultipleNegativesRankingLoss(None)):
        batch = [column.requires_grad_() for column in made(9)]
        loss.compute_loss_from_embeddings(batch, torch.full((9,), 2.5)).backward()
        gradients.append(torch.cat([column.grad for column in batch]))
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-7)


def test_a_whole_weight_is_that_many_copies_and_zero_is_absence() -> None:
    """With hard negatives of their own and nothing else in the batch, rows can be counted out by hand."""
    loss = WeightedMultipleNegativesRankingLoss(None, mean_weight=1.0)
    alone = [value(loss, [column[row : row + 1] for column in made(3, 4)], [1.0]) for row in range(3)]
    weighted = [
        value(loss, [column[row : row + 1] for column in made(3, 4)], [float(weight)])
        for row, weight in enumerate((2, 0, 1))
    ]
    assert sum(weighted) == pytest.approx(2 * alone[0] + alone[2], rel=1e-6)


def test_even_draws_weighed_expect_what_draws_by_weight_expect() -> None:
    """All batches of three rows out of five, written out, each with its chance: no sampling error at all.

    Rows are drawn with replacement here, so that chances are products; negatives are explicit, one per row.
    """
    anchors, positives, negatives = made(5, 3)
    weights = torch.tensor([5.0, 1.0, 0.5, 3.0, 0.0])
    chances = weights / weights.sum()
    plain = WeightedMultipleNegativesRankingLoss(None, mean_weight=1.0)
    weighed = WeightedMultipleNegativesRankingLoss(None, mean_weight=weights.mean().item())
    expected = {"by weight": 0.0, "evenly": 0.0}
    for rows in itertools.product(range(5), repeat=3):
        # Each row meets its own negatives only: three batches of one.
        parts = [[column[row : row + 1] for column in (anchors, positives, negatives)] for row in rows]
        expected["by weight"] += float(chances[list(rows)].prod()) * sum(value(plain, p, [1.0]) for p in parts) / 3
        even = [value(weighed, part, weights[row : row + 1]) for row, part in zip(rows, parts, strict=True)]
        expected["evenly"] += sum(even) / 3 / 5**3
    assert expected["evenly"] == pytest.approx(expected["by weight"], rel=1e-5)


def in_batch_expectations(rows: int) -> dict[str, float]:
    """Mean losses over many batches of the real sampler, with in-batch negatives."""
    columns = made(2000, seed=2)
    # Heavy rows ask in one corner of the space, so that it matters from where negatives come.
    weights = torch.exp(0.5 * columns[0][:, 0])
    mean = weights.mean().item()
    drawn = {
        "by weight": WeightedBatchSampler(weights.double().numpy(), None, rows, batches=800),
        "evenly": WeightedBatchSampler(np.ones(2000), None, rows, batches=800, seed=1),
    }
    losses = {
        "by weight": ("by weight", WeightedMultipleNegativesRankingLoss(None, scale=5.0, mean_weight=1.0)),
        "negatives as drawn": ("evenly", WeightedMultipleNegativesRankingLoss(None, scale=5.0, mean_weight=mean)),
        "negatives weighed": (
            "evenly",
            WeightedMultipleNegativesRankingLoss(None, scale=5.0, mean_weight=mean, weigh_negatives=True),
        ),
    }
    return {
        name: float(
            np.mean(
                [
                    value(
                        loss,
                        [column[batch] for column in columns],
                        weights[batch] if draw == "evenly" else torch.from_numpy(drawn[draw].residual[batch]),
                    )
                    for batch in drawn[draw]
                ]
            )
        )
        for name, (draw, loss) in losses.items()
    }


def test_loss_and_sampler_agree_with_in_batch_negatives_when_these_are_weighed() -> None:
    found = in_batch_expectations(16)
    assert abs(found["negatives weighed"] - found["by weight"]) < 0.02 * found["by weight"]
    assert abs(found["negatives as drawn"] - found["by weight"]) > 0.03 * found["by weight"], "else nothing is shown"


def test_known_false_negatives_are_left_out() -> None:
    batch = made(4)
    hidden = torch.zeros(4, 4, dtype=torch.bool)
    hidden[0, 1] = True
    loss = WeightedMultipleNegativesRankingLoss(None)
    scores = 20 * torch.nn.functional.cosine_similarity(batch[0][0], batch[1])
    expected = float(torch.logsumexp(scores[[0, 2, 3]], 0) - scores[0])
    only_first = torch.tensor([1.0, 0.0, 0.0, 0.0])
    assert loss.compute_loss_from_embeddings(batch, only_first, hidden).item() == pytest.approx(expected, rel=1e-5)


def test_a_batch_without_weight_moves_nothing() -> None:
    batch = [column.requires_grad_() for column in made(5)]
    for weigh_negatives in (False, True):
        loss = WeightedMultipleNegativesRankingLoss(None, weigh_negatives=weigh_negatives)
        result = loss.compute_loss_from_embeddings(batch, torch.zeros(5))
        result.backward()
        assert result.item() == 0.0
        assert not batch[0].grad.any()


@pytest.mark.parametrize(
    "labels", [None, torch.ones(4), torch.tensor([1.0, -1.0, 1.0]), torch.tensor([1.0, float("nan"), 1.0])]
)
def test_unusable_weights_are_refused(labels: torch.Tensor | None) -> None:
    with pytest.raises(ArgumentError, match="labels"):
        WeightedMultipleNegativesRankingLoss(None).compute_loss_from_embeddings(made(3), labels)


def test_unusable_settings_are_refused() -> None:
    for settings in ({"scale": 0.0}, {"mean_weight": 0.0}, {"mean_weight": float("inf")}):
        with pytest.raises(ArgumentError):
            WeightedMultipleNegativesRankingLoss(None, **settings)


def test_works_in_the_librarys_trainer(static_model: str, tmp_path: Path) -> None:
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    even, skewed = training_dataset(training_set([0.5] * 8)), training_dataset(training_set([8.0] + [0.1] * 7))
    assert even.column_names == ["anchor", "positive", "label"]
    theirs = trained(static_model, tmp_path, MultipleNegativesRankingLoss, even.remove_columns("label"))
    ours = trained(static_model, tmp_path, WeightedMultipleNegativesRankingLoss, even)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    weighed = trained(static_model, tmp_path, WeightedMultipleNegativesRankingLoss, skewed)
    assert np.abs(weighed - theirs).max() > 1e-3
