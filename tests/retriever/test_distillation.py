"""Losses with a teacher: equal to the library's with equal weights, and a weighted mean of rows with others."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from synalign.errors import ArgumentError
from synalign.retriever.contrastive import WeightedMultipleNegativesRankingLoss
from synalign.retriever.dataset import training_dataset
from synalign.retriever.distillation import WeightedListwiseDistillationLoss, WeightedMarginMSELoss
from tests.retriever.library_training import trained, with_negatives
from tests.retriever.test_contrastive import made

NAN = float("nan")


def scores(rows: int, documents: int) -> torch.Tensor:
    return 4.0 * torch.randn(rows, documents, generator=torch.Generator().manual_seed(9))


def labels(weights: float | torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    column = torch.as_tensor(weights).expand(len(teacher))
    return torch.cat([column[:, None], teacher], dim=1)


@pytest.mark.slow
@pytest.mark.parametrize("documents", [2, 3, 6])
@pytest.mark.parametrize(
    "temperatures",
    [{}, {"temperature": 3.0}, {"student_temperature": 0.5}, {"teacher_temperature": 4.0},
     {"temperature": 2.0, "student_temperature": 0.1, "teacher_temperature": 5.0}],
)  # fmt: skip
def test_equal_weights_give_the_librarys_divergence(documents: int, temperatures: dict[str, float]) -> None:
    from sentence_transformers.sentence_transformer.losses import DistillKLDivLoss

    results = []
    for weight in (None, 0.03, 7.0):
        batch = [column.requires_grad_() for column in made(9, documents + 1)]
        teacher = scores(9, documents)
        if weight is None:
            value = DistillKLDivLoss(None, **temperatures).compute_loss_from_embeddings(batch, teacher)
        else:
            ours = WeightedListwiseDistillationLoss(None, contrastive=0.0, **temperatures)
            value = ours.compute_loss_from_embeddings(batch, labels(weight, teacher))
        value.backward()
        results.append((value.item(), torch.cat([column.grad for column in batch])))
    for value, gradient in results[1:]:
        assert value == pytest.approx(results[0][0], rel=1e-5)
        torch.testing.assert_close(gradient, results[0][1], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("documents", [2, 3, 6])
def test_equal_weights_give_the_librarys_margins(documents: int) -> None:
    from sentence_transformers.sentence_transformer.losses import MarginMSELoss

    batch, teacher = made(9, documents + 1), scores(9, documents)
    expected = MarginMSELoss(None).compute_loss_from_embeddings(batch, teacher).item()
    for settings, weight in (({}, 1.0), ({}, 0.2), ({"mean_weight": 0.2}, 0.2)):
        ours = WeightedMarginMSELoss(None, **settings).compute_loss_from_embeddings(batch, labels(weight, teacher))
        assert ours.item() == pytest.approx(expected, rel=1e-5)


def divergence(student: list[float], teacher: list[float]) -> float:
    """KL of two softmaxes, in plain Python."""
    p, q = ([math.exp(x) / sum(map(math.exp, side)) for x in side] for side in (teacher, student))
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def test_rows_count_by_their_weights() -> None:
    batch, teacher = made(4, 4), scores(4, 3)
    weights = torch.tensor([3.0, 0.0, 1.0, 0.5])
    rows = [
        divergence([float(batch[0][row] @ column[row]) for column in batch[1:]], teacher[row].tolist())
        for row in range(4)
    ]
    expected = sum(weight * row for weight, row in zip(weights.tolist(), rows, strict=True))
    for settings, divisor in (({}, 4.5), ({"mean_weight": 2.0}, 8.0)):
        loss = WeightedListwiseDistillationLoss(None, contrastive=0.0, **settings)
        found = loss.compute_loss_from_embeddings(batch, labels(weights, teacher)).item()
        assert found == pytest.approx(expected / divisor, rel=1e-4)


@pytest.mark.parametrize("make", [WeightedListwiseDistillationLoss, WeightedMarginMSELoss])
def test_the_contrastive_part_is_the_contrastive_loss(make: type[torch.nn.Module]) -> None:
    batch, weights = made(5, 4), torch.tensor([3.0, 0.2, 1.0, 0.5, 0.0])
    marked = labels(weights, scores(5, 3))
    alone = make(None, contrastive=0.0).compute_loss_from_embeddings(batch, marked).item()
    both = make(None, contrastive=0.3, scale=7.0).compute_loss_from_embeddings(batch, marked).item()
    contrastive = WeightedMultipleNegativesRankingLoss(None, 7.0).compute_loss_from_embeddings(batch, weights).item()
    assert both == pytest.approx(alone + 0.3 * contrastive, rel=1e-5)


@pytest.mark.parametrize("make", [WeightedListwiseDistillationLoss, WeightedMarginMSELoss])
def test_a_row_without_scores_teaches_by_contrast_alone(make: type[torch.nn.Module]) -> None:
    batch, teacher = [column.requires_grad_() for column in made(3, 4)], scores(3, 3)
    teacher[1, 2] = NAN
    value = make(None, contrastive=0.0).compute_loss_from_embeddings(batch, labels(1.0, teacher))
    value.backward()
    assert not batch[0].grad[1].any()
    assert batch[0].grad[0].any()
    rest = [column[[0, 2]] for column in batch]
    others = make(None, contrastive=0.0, mean_weight=1.0).compute_loss_from_embeddings(
        rest, labels(1.0, teacher[[0, 2]])
    )
    assert value.item() == pytest.approx(others.item() * 2 / 3, rel=1e-5)


def test_the_share_of_distillation_undoes_the_square_of_the_temperature() -> None:
    batch, marked = made(4, 3), labels(1.0, scores(4, 2))
    scaled = [10.0 * batch[0], *batch[1:]]
    cold = WeightedListwiseDistillationLoss(None, student_temperature=0.1, contrastive=0.0, distillation=100.0)
    warm = WeightedListwiseDistillationLoss(None, contrastive=0.0)
    assert cold.compute_loss_from_embeddings(batch, marked).item() == pytest.approx(
        warm.compute_loss_from_embeddings(scaled, marked).item(), rel=1e-4
    )


def test_unusable_settings_and_batches_are_refused() -> None:
    for settings in (
        {"temperature": 0.0}, {"student_temperature": 0.0}, {"teacher_temperature": -1.0}, {"contrastive": -0.1},
        {"scale": NAN}, {"mean_weight": 0.0}, {"distillation": float("inf")},
    ):  # fmt: skip
        with pytest.raises(ArgumentError):
            WeightedListwiseDistillationLoss(None, **settings)
    loss = WeightedListwiseDistillationLoss(None)
    with pytest.raises(ArgumentError, match="anchors, positives and negatives"):
        loss.compute_loss_from_embeddings(made(3), torch.ones(3, 2))
    with pytest.raises(ArgumentError, match=r"training_dataset\(\.\.\., scores=True\)"):
        loss.compute_loss_from_embeddings(made(3, 4), torch.ones(3))
    broken = made(3, 4)
    broken[2][1, 0] = NAN
    with pytest.raises(ArgumentError, match=r"embeddings\[2\]\[1\]"):
        loss.compute_loss_from_embeddings(broken, labels(1.0, scores(3, 3)))


def test_distils_in_the_librarys_trainer(static_model: str, tmp_path: Path) -> None:
    from sentence_transformers.sentence_transformer.losses import DistillKLDivLoss, MarginMSELoss

    even, skewed = (training_dataset(with_negatives(weights), scores=True) for weights in ([0.5] * 8, [8] + [0.1] * 7))
    assert even.column_names == ["anchor", "positive", "negative_1", "negative_2", "label"]
    theirs_labels = [row[1:] for row in even["label"]]
    plain = even.remove_columns("label").add_column("label", theirs_labels)
    pairs = (
        (DistillKLDivLoss, lambda model: WeightedListwiseDistillationLoss(model, contrastive=0.0)),
        (MarginMSELoss, WeightedMarginMSELoss),
    )
    for library, ours in pairs:
        theirs = trained(static_model, tmp_path, library, plain)
        np.testing.assert_allclose(trained(static_model, tmp_path, ours, even), theirs, atol=1e-4)
        assert np.abs(trained(static_model, tmp_path, ours, skewed) - theirs).max() > 1e-3
    both = trained(static_model, tmp_path, WeightedListwiseDistillationLoss, even)
    assert np.isfinite(both).all()
