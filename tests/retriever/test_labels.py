"""Labels of a batch: weights first, scores behind them, and errors for what is neither."""

import pytest
import torch

from synalign.errors import ArgumentError
from synalign.retriever.labels import mean_weight_of, scores_of, total_weight, weights_of

QUERIES = torch.ones(2, 3)


def test_weights_come_alone_or_with_scores_behind_them() -> None:
    alone = weights_of(torch.tensor([0.5, 2.0]), QUERIES)
    beside = weights_of(torch.tensor([[0.5, 9.0, float("nan")], [2.0, 8.0, 1.0]]), QUERIES)
    assert alone.tolist() == beside.tolist() == [0.5, 2.0]
    assert weights_of(torch.tensor([1, 2]), QUERIES.half()).dtype == torch.float16


def test_scores_are_those_behind_the_weight() -> None:
    columns = [QUERIES] * 4
    labels = torch.tensor([[1.0, 9.0, 2.0, float("nan")], [1.0, 8.0, 1.0, 0.0]], dtype=torch.float64)
    scores = scores_of(labels, columns)
    assert scores.dtype == torch.float32
    assert torch.isnan(scores).tolist() == [[False, False, True], [False, False, False]]
    assert scores[1].tolist() == [8.0, 1.0, 0.0]


@pytest.mark.parametrize(
    "labels", [None, torch.ones(2), torch.ones(2, 3), torch.ones(3, 4), torch.full((2, 4), float("inf"))]
)
def test_labels_that_are_no_scores_are_refused(labels: torch.Tensor | None) -> None:
    with pytest.raises(ArgumentError, match="labels"):
        scores_of(labels, [QUERIES] * 4)


def test_distilling_without_negatives_is_refused() -> None:
    with pytest.raises(ArgumentError, match="must be anchors, positives and negatives"):
        scores_of(torch.ones(2, 2), [QUERIES] * 2)


def test_what_a_batch_is_divided_by_is_never_zero() -> None:
    assert total_weight(torch.tensor([1.0, 2.0]), None).item() == 3.0
    assert total_weight(torch.tensor([1.0, 2.0]), 0.5).item() == 1.0
    assert total_weight(torch.zeros(2), None).item() > 0.0
    for wrong in (0.0, float("nan"), 1e21):
        with pytest.raises(ArgumentError, match="mean_weight"):
            mean_weight_of(wrong)
