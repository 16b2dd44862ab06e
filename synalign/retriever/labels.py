"""The labels of a batch: a weight for each pair, and the teacher's scores behind it; and checks of a batch of vectors.

sentence-transformers' trainer makes one tensor of the column `label`. Here it is (b,) weights, or (b, 2 + n): the
weight, the score of the positive, and the score of each negative. A score that is not there is NaN.
"""

from __future__ import annotations

import torch
from torch import Tensor

from synalign.arrays.checks import real_number
from synalign.errors import ArgumentError

MOST_WEIGHT = 1e20
"""Largest mean weight; its inverse is the smallest."""


def mean_weight_of(value: float | None) -> float | None:
    """Check a mean weight, if there is one: a number that single precision can divide by."""
    if value is None:
        return None
    return real_number("mean_weight", value, above=0.0, least=1.0 / MOST_WEIGHT, most=MOST_WEIGHT)


def total_weight(weights: Tensor, mean_weight: float | None) -> Tensor:
    """Return what a batch's weighted sum of losses is divided by; never zero."""
    total = weights.sum() if mean_weight is None else len(weights) * torch.tensor(mean_weight)
    return total.clamp_min(torch.finfo(total.dtype).tiny)


def weights_of(labels: Tensor | None, queries: Tensor) -> Tensor:
    """Return a batch's weights in the precision of the vectors.

    Raises:
        ArgumentError: Weights are missing, negative or not finite.
    """
    if labels is None:
        raise ArgumentError(
            "labels", None, "must be the weights of the batch",
            remedy="name the dataset's column of weights `label`",
        )  # fmt: skip
    if labels.ndim == 2 and labels.shape[1] > 1:
        labels = labels[:, 0]
    if labels.shape != (len(queries),):
        raise ArgumentError("labels.shape", tuple(labels.shape), f"must be ({len(queries)},), one weight per pair")
    if labels.is_complex() or not (torch.isfinite(labels) & (labels >= 0)).all():
        raise ArgumentError("labels", labels.tolist(), "must be finite and >= 0")
    return labels.to(device=queries.device, dtype=queries.dtype)


def scores_of(labels: Tensor | None, embeddings: list[Tensor]) -> Tensor:
    """Return the teacher's scores of a batch, (b, 1 + n): of the positive, then of each negative.

    Raises:
        ArgumentError: There is no negative, there are not as many scores as documents, or one is infinite.
    """
    if len(embeddings) < 3:
        raise ArgumentError(
            "embeddings", f"{len(embeddings)} columns", "must be anchors, positives and negatives",
            remedy="train on a set that has hard negatives, or with WeightedMultipleNegativesRankingLoss",
        )  # fmt: skip
    shape = (len(embeddings[0]), len(embeddings))
    if labels is None or tuple(labels.shape) != shape:
        raise ArgumentError(
            "labels.shape", None if labels is None else tuple(labels.shape),
            f"must be {shape}: weight, score of the positive, score of each negative",
            remedy="make the dataset with training_dataset(..., scores=True)",
        )  # fmt: skip
    scores = labels[:, 1:].detach().to(device=embeddings[0].device, dtype=embeddings[0].dtype)
    if torch.isinf(scores).any():
        raise ArgumentError("labels", "an infinite score", "must be finite, or NaN for a score that is not there")
    return scores


def check_columns(embeddings: list[Tensor]) -> None:
    """Refuse too few columns of vectors, and columns that do not fit together.

    Raises:
        ArgumentError: They are so.
    """
    if len(embeddings) < 2:
        raise ArgumentError("embeddings", f"{len(embeddings)} columns", "must be anchors and positives at least")
    shape = tuple(embeddings[0].shape)
    for place, column in enumerate(embeddings):
        if column.ndim != 2 or tuple(column.shape) != shape or 0 in shape:
            raise ArgumentError(
                f"embeddings[{place}].shape", tuple(column.shape), f"must be (b, d) like embeddings[0], {shape}"
            )


def check_hidden(false_negatives: Tensor, rows: int, documents: int) -> None:
    """Refuse a mask of another shape, or one that hides a query's own document.

    Raises:
        ArgumentError: It is so.
    """
    if tuple(false_negatives.shape) not in {(rows, rows), (rows, documents)} or false_negatives.dtype != torch.bool:
        raise ArgumentError(
            "false_negatives",
            f"{tuple(false_negatives.shape)} {false_negatives.dtype}",
            f"must be ({rows}, {rows}) bool" + (f", or ({rows}, {documents})" if documents > rows else ""),
        )
    if false_negatives.diagonal().any():
        raise ArgumentError("false_negatives", "True on the diagonal", "must not hide a query's own document")


def explain(embeddings: list[Tensor], weights: Tensor, loss: Tensor) -> None:
    """Say why a loss is not finite; where a scaler of mixed precision is at work, that deals with overflow itself.

    Raises:
        ArgumentError: A vector is not finite, or the weights are too large for their precision.
    """
    if torch.is_autocast_enabled(loss.device.type) or torch.isfinite(loss):
        return
    for place, column in enumerate(embeddings):
        wrong = torch.nonzero(~torch.isfinite(column).all(dim=1)).flatten().tolist()
        if wrong:
            raise ArgumentError(f"embeddings[{place}][{wrong[0]}]", "a row with NaN or infinity", "must be finite")
    raise ArgumentError(
        "loss",
        loss.item(),
        "must be finite",
        remedy=f"weights reach {weights.max().item():g}: divide them by their mean",
    )
