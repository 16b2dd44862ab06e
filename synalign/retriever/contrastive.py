"""Multiple-negatives ranking loss with a weight for each pair, for sentence-transformers' trainer and for ours.

The loss of Henderson et al. (*Efficient Natural Language Response Suggestion for Smart Reply*, 2017, arXiv:1705.00652):
a query is to be nearer to its document than to the other documents of the batch. In a trainer of one's own:

    dataset = training_dataset("training_set.parquet")          # anchor, positive, negative_1 ..., label
    loss = WeightedMultipleNegativesRankingLoss(model)
    SentenceTransformerTrainer(model=model, train_dataset=dataset, loss=loss).train()

or, with the library's loss, `SentenceTransformerTrainingArguments(..., batch_sampler=weighted_batches)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from synalign.arrays.checks import MOST_NUMBER, real_number
from synalign.retriever.labels import check_columns, check_hidden, explain, mean_weight_of, total_weight, weights_of


def cos_sim(left: Tensor, right: Tensor) -> Tensor:
    """Return the cosines of (a, d) and (b, d) rows: (a, b)."""
    return nn.functional.normalize(left) @ nn.functional.normalize(right).T


class WeightedMultipleNegativesRankingLoss(nn.Module):
    """`MultipleNegativesRankingLoss` of sentence-transformers with a weight per pair.

    With l_i the library's loss of row i, w_i its weight and b the batch size, the loss of a batch is

        sum_i w_i l_i / sum_i w_i          where `mean_weight` is None
        sum_i w_i l_i / (b mean_weight)    where it is a number

    What agrees with what:

    - Equal weights give the library's loss, to float precision, in either form (in the second with that weight as
      `mean_weight`).
    - The second form, on rows drawn evenly, has the expectation that the plain loss has on rows drawn by weight
      (`WeightedBatchSampler`), exactly, as far as a row's loss depends on that row alone: with hard negatives of its
      own. Give it the mean weight of the training set.
    - In-batch negatives are drawn too. By weight, heavy rows are also met more often as negatives; evenly, they are
      not, and by this the two expectations differ. `weigh_negatives` counts each negative by its weight over the mean;
      then they agree in the limit of large batches. In a test with weights spread by half their mean and batches of 16
      the expectations are 4 % apart without it and 1 % with it.
    - The first form is steadier, and biased: a ratio of two sums. The bias vanishes as batches grow.

    Args:
        model: A sentence-transformers model; None where only `compute_loss_from_embeddings` is called.
        scale: Cosines are multiplied by it: one over the temperature. > 0, at most 1e6.
        mean_weight: From 1e-20 to 1e20: of the whole training set. None: each batch is divided by its own total weight.
        similarity_fct: (a, d) and (b, d) rows to (a, b) similarities.
        weigh_negatives: Whether a negative counts by its row's weight, a row's own hard negatives excepted.

    Inputs:
        Columns `anchor`, `positive` and any number of negatives, and the weights as the column `label`
        (`synalign.retriever.dataset` makes such a dataset of a training set). Labels with scores beside the weight, as
        the distilling losses take them, serve too: the first number of each row is its weight.

    Raises:
        ArgumentError: A number out of range; in a batch: weights are missing, negative or not finite.

    Example:
        Orthogonal documents, so that both rows' losses can be written down: log(1 + e^-1) and log(1 + e^0).

        >>> loss = WeightedMultipleNegativesRankingLoss(None, scale=1.0)
        >>> documents = torch.eye(2)
        >>> queries = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
        >>> round(loss.compute_loss_from_embeddings([queries, documents], torch.tensor([3.0, 1.0])).item(), 4)
        0.4082
    """

    def __init__(
        self,
        model: Any,
        scale: float = 20.0,
        mean_weight: float | None = None,
        similarity_fct: Callable[[Tensor, Tensor], Tensor] = cos_sim,
        *,
        weigh_negatives: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self.scale = real_number("scale", scale, above=0.0, most=MOST_NUMBER)
        self.mean_weight = mean_weight_of(mean_weight)
        self.similarity_fct = similarity_fct
        self.weigh_negatives = weigh_negatives

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor | None) -> Tensor:
        """Return the loss of a batch of tokenised columns; the trainer calls it."""
        embeddings = [self.model(features)["sentence_embedding"] for features in sentence_features]
        return self.compute_loss_from_embeddings(embeddings, labels)

    def compute_loss_from_embeddings(
        self, embeddings: list[Tensor], labels: Tensor | None, false_negatives: Tensor | None = None
    ) -> Tensor:
        """Return the loss of a batch of vectors.

        Args:
            embeddings: (b, d) of queries, of their documents, and of each column of negatives.
            labels: (b,) weights, >= 0; or (b, m) with the weight first.
            false_negatives: (b, b) or (b, b columns) bool: which documents, of the positives or of all columns in turn,
                are no negatives of a query, since they are relevant to it too. None: all others are negatives.

        Returns:
            A scalar. Zero, without gradient, for a batch whose weights are all zero.
        """
        check_columns(embeddings)
        queries = embeddings[0]
        weights = weights_of(labels, queries)
        if false_negatives is not None:
            check_hidden(false_negatives, len(queries), sum(map(len, embeddings[1:])))
        losses = self.row_losses(queries, torch.cat(embeddings[1:]), weights, false_negatives)
        loss = (weights * losses).sum() / total_weight(weights, self.mean_weight)
        explain(embeddings, weights, loss)
        return loss

    def row_losses(
        self,
        queries: Tensor,
        documents: Tensor,
        weights: Tensor,
        false_negatives: Tensor | None = None,
        rows: slice = slice(None),
    ) -> Tensor:
        """Return the losses of some rows of a batch, before they are weighed.

        Args:
            queries: (b, d) of all rows.
            documents: (b m, d) of all rows: their documents, then each column of negatives.
            weights: (b,) of all rows.
            false_negatives: See `compute_loss_from_embeddings`.
            rows: Which rows: those of a part of the batch, where the scores of all would not fit.

        Returns:
            One loss per row asked for.
        """
        own = torch.arange(len(queries), device=queries.device)[rows]
        scores = self.similarity_fct(queries[rows], documents) * self.scale
        positives = scores.gather(1, own[:, None]).squeeze(1)
        if false_negatives is not None:
            hidden = nn.functional.pad(false_negatives[rows], (0, scores.shape[1] - false_negatives.shape[1]))
            scores = scores.masked_fill(hidden, -torch.inf)
        if self.weigh_negatives:
            scores = scores + self._negative_logits(weights, own, len(documents) // len(queries))
        return torch.logsumexp(scores, dim=1) - positives

    def _negative_logits(self, weights: Tensor, own: Tensor, columns: int) -> Tensor:
        """Return log(weight / mean weight) of each negative, to add to logits; zero for a row's own documents."""
        smallest = torch.finfo(weights.dtype).tiny
        mean = self.mean_weight or weights.mean().clamp_min(smallest)
        mine = own[:, None] == torch.arange(len(weights), device=weights.device)
        return (weights / mean).log().expand(len(own), -1).masked_fill(mine, 0.0).repeat(1, columns)

    def get_config_dict(self) -> dict[str, Any]:
        """Return the settings, for the model card that the trainer writes."""
        return {
            "scale": self.scale,
            "mean_weight": self.mean_weight,
            "similarity_fct": getattr(self.similarity_fct, "__name__", str(self.similarity_fct)),
            "weigh_negatives": self.weigh_negatives,
        }
