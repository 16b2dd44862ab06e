"""Losses that teach a retriever a teacher's scores, with a weight for each pair.

The teacher, such as a cross-encoder, has scored a query's document and its hard negatives. In a trainer of one's own:

    dataset = training_dataset("training_set.parquet", scores=True)     # label: weight and scores
    loss = WeightedListwiseDistillationLoss(model)
    SentenceTransformerTrainer(model=model, train_dataset=dataset, loss=loss).train()
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from synalign.arrays.checks import MOST_NUMBER, real_number
from synalign.retriever.contrastive import WeightedMultipleNegativesRankingLoss
from synalign.retriever.divergence import divergences
from synalign.retriever.labels import (
    check_columns,
    explain,
    mean_weight_of,
    scores_of,
    total_weight,
    weights_of,
)


def pairwise_dot(left: Tensor, right: Tensor) -> Tensor:
    """Return the dot products of (b, d) rows with the (b, d) rows beside them: (b,)."""
    return (left * right).sum(dim=-1)


class WeightedDistillation(nn.Module):
    """The base of both losses: a weighted mean of what a row's scores cost, and a share of the contrastive loss.

    A row without scores (NaN) has no distilling part: it counts in the contrastive part alone.

    Args:
        model: A sentence-transformers model; None where only `compute_loss_from_embeddings` is called.
        similarity_fct: (b, d) and (b, d) rows to (b,) similarities: the student's scores.
        contrastive: What `WeightedMultipleNegativesRankingLoss` on the same batch is multiplied by, >= 0; 0 leaves it
            out.
        scale: The contrastive part's: cosines are multiplied by it.
        mean_weight: From 1e-20 to 1e20: of the whole training set. None: each batch is divided by its own total weight.

    Raises:
        ArgumentError: A number out of range; in a batch: labels that are no weights and scores.
    """

    def __init__(
        self,
        model: Any,
        similarity_fct: Callable[[Tensor, Tensor], Tensor],
        contrastive: float,
        scale: float,
        mean_weight: float | None,
    ) -> None:
        super().__init__()
        self.model = model
        self.similarity_fct = similarity_fct
        self.contrastive = real_number("contrastive", contrastive, least=0.0, most=MOST_NUMBER)
        self.scale = real_number("scale", scale, above=0.0, most=MOST_NUMBER)
        self.mean_weight = mean_weight_of(mean_weight)
        # Made with None: it would register the model a second time, and checkpoints would hold it twice.
        self._contrastive = WeightedMultipleNegativesRankingLoss(None, scale, mean_weight)

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None) -> Tensor:
        """Return the loss of a batch of tokenised columns; the trainer calls it."""
        embeddings = [self.model(features)["sentence_embedding"] for features in sentence_features]
        return self.compute_loss_from_embeddings(embeddings, labels)

    def compute_loss_from_embeddings(self, embeddings: list[Tensor], labels: Tensor | None) -> Tensor:
        """Return the loss of a batch of vectors.

        Args:
            embeddings: (b, d) of queries, of their documents, and of each column of negatives.
            labels: (b, 2 + n): weight, score of the positive, score of each negative; NaN for a score that is not
                there.

        Returns:
            A scalar.
        """
        check_columns(embeddings)
        teacher = scores_of(labels, embeddings)
        weights = weights_of(labels, embeddings[0])
        student = torch.stack([self.similarity_fct(embeddings[0], column) for column in embeddings[1:]], dim=1)
        losses = self.row_losses(student, teacher)
        loss = (weights * losses).sum() / total_weight(weights, self.mean_weight)
        if self.contrastive:
            loss = loss + self.contrastive * self._contrastive.compute_loss_from_embeddings(embeddings, labels)
        explain(embeddings, weights, loss)
        return loss

    @abstractmethod
    def row_losses(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return (b,) what each row's scores cost, 0 where the teacher gave none.

        Args:
            student: (b, 1 + n) similarities, of the positive first.
            teacher: (b, 1 + n) scores, NaN where there is none.
        """

    def get_config_dict(self) -> dict[str, Any]:
        """Return the settings, for the model card that the trainer writes."""
        return {
            "similarity_fct": getattr(self.similarity_fct, "__name__", str(self.similarity_fct)),
            "contrastive": self.contrastive,
            "scale": self.scale,
            "mean_weight": self.mean_weight,
        }


class WeightedListwiseDistillationLoss(WeightedDistillation):
    """KL divergence from a teacher's softmax over a row's documents to the student's, weighted, plus contrastive loss.

    With p_i the softmax of row i's teacher scores over `teacher_temperature`, q_i that of the student's similarities
    over T = `student_temperature`, and w_i its weight, the loss of a batch is

        distillation T^2 sum_i w_i KL(p_i || q_i) / sum_i w_i  +  contrastive * WeightedMultipleNegativesRankingLoss

    With equal weights, `contrastive=0` and `distillation=1` it is the library's `DistillKLDivLoss`, T^2 included (Lin,
    Yang and Lin, *Distilling Dense Representations for Ranking using Tightly-Coupled Teachers*, 2020, arXiv:2010.11386;
    the temperature is Hinton, Vinyals and Dean's, arXiv:1503.02531). T^2 keeps gradients comparable where T >= 1, and
    makes them small below: similarities of unit vectors differ by 2 at most, so that they need T near 0.05, and then
    `distillation=1 / T**2` undoes it. Logits of cross-encoders spread over ten or more: `teacher_temperature` 1 to 5.

    Args:
        model: A sentence-transformers model; None where only `compute_loss_from_embeddings` is called.
        similarity_fct: (b, d) and (b, d) rows to (b,) similarities: the student's scores.
        temperature: Of both sides, > 0.
        student_temperature: The student's own; None: `temperature`.
        teacher_temperature: The teacher's own; None: `temperature`.
        contrastive: See `WeightedDistillation`, which has the other arguments too.
        scale: The contrastive part's.
        mean_weight: Of the whole training set.
        distillation: What the distilling part is multiplied by, >= 0.

    Inputs:
        Columns `anchor`, `positive`, `negative_1` and on, and as the column `label` a list: the weight, the score of
        the positive, the score of each negative.

    Example:
        The student has the teacher's distribution, up to a constant: nothing is left to learn.

        >>> loss = WeightedListwiseDistillationLoss(None, contrastive=0.0)
        >>> columns = [torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 5.0]])]
        >>> round(loss.compute_loss_from_embeddings(columns, torch.tensor([[0.5, 8.0, 7.0]])).item(), 4)
        0.0
    """

    def __init__(
        self,
        model: Any,
        similarity_fct: Callable[[Tensor, Tensor], Tensor] = pairwise_dot,
        temperature: float = 1.0,
        student_temperature: float | None = None,
        teacher_temperature: float | None = None,
        contrastive: float = 0.3,
        scale: float = 20.0,
        mean_weight: float | None = None,
        *,
        distillation: float = 1.0,
    ) -> None:
        super().__init__(model, similarity_fct, contrastive, scale, mean_weight)
        temperature = _temperature("temperature", temperature)
        student = temperature if student_temperature is None else student_temperature
        teacher = temperature if teacher_temperature is None else teacher_temperature
        self.student_temperature = _temperature("student_temperature", student)
        self.teacher_temperature = _temperature("teacher_temperature", teacher)
        self.distillation = real_number("distillation", distillation, least=0.0, most=MOST_NUMBER)

    def row_losses(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return (b,) divergences, times T^2 and `distillation`; 0 for a row that lacks a score."""
        unknown = torch.isnan(teacher).any(dim=1, keepdim=True).expand_as(teacher)
        rows = divergences(student / self.student_temperature, teacher.nan_to_num() / self.teacher_temperature, unknown)
        return self.distillation * self.student_temperature**2 * rows

    def get_config_dict(self) -> dict[str, Any]:
        """Return the settings, for the model card that the trainer writes."""
        return {
            **super().get_config_dict(),
            "student_temperature": self.student_temperature,
            "teacher_temperature": self.teacher_temperature,
            "distillation": self.distillation,
        }


class WeightedMarginMSELoss(WeightedDistillation):
    """Squared difference of the teacher's margins and the student's, weighted.

    A margin is the score of the positive less that of a negative. With m_ij the teacher's and s_ij the student's margin
    of row i and its negative j, and w_i the row's weight, the loss of a batch is

        sum_i w_i mean_j (s_ij - m_ij)^2 / sum_i w_i  +  contrastive * WeightedMultipleNegativesRankingLoss

    With equal weights and `contrastive=0`, the default, it is the library's `MarginMSELoss` (Hofstätter et al.,
    *Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge Distillation*, 2020, arXiv:2010.02666).
    Margins are compared as they are: a student of unit vectors, whose margins are 2 at most, needs a teacher's scores
    on that scale, or a `similarity_fct` that multiplies.

    Args:
        model: A sentence-transformers model; None where only `compute_loss_from_embeddings` is called.
        similarity_fct: (b, d) and (b, d) rows to (b,) similarities: the student's scores.
        contrastive: See `WeightedDistillation`, which has the other arguments too.
        scale: The contrastive part's.
        mean_weight: Of the whole training set.

    Inputs:
        As `WeightedListwiseDistillationLoss`.

    Example:
        Margins 1 and 3: one row of one negative, so 2 squared.

        >>> columns = [torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 0.0]]), torch.tensor([[1.0, 5.0]])]
        >>> loss = WeightedMarginMSELoss(None)
        >>> loss.compute_loss_from_embeddings(columns, torch.tensor([[0.5, 8.0, 5.0]])).item()
        4.0
    """

    def __init__(
        self,
        model: Any,
        similarity_fct: Callable[[Tensor, Tensor], Tensor] = pairwise_dot,
        contrastive: float = 0.0,
        scale: float = 20.0,
        mean_weight: float | None = None,
    ) -> None:
        super().__init__(model, similarity_fct, contrastive, scale, mean_weight)

    def row_losses(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return (b,) mean squared differences over the negatives; 0 for a row that lacks a score."""
        known = ~torch.isnan(teacher).any(dim=1)
        margins = teacher.nan_to_num()[:, :1] - teacher.nan_to_num()[:, 1:]
        squares = (student[:, :1] - student[:, 1:] - margins).square().mean(dim=1)
        return torch.where(known, squares, 0.0)


def _temperature(name: str, value: float) -> float:
    return real_number(name, value, above=0.0, most=MOST_NUMBER)
