"""The weighted contrastive loss for batches larger than memory: GradCache, as sentence-transformers has it.

Gao et al., *Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup*, 2021, arXiv:2101.06983: vectors
of the whole batch are computed in parts without gradients; the loss gives each vector its gradient; the parts are
computed again, and the gradients handed on. Twice the forward passes, the memory of one part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from sentence_transformers.sentence_transformer.losses import CachedMultipleNegativesRankingLoss
from torch import Tensor

from synalign.arrays.checks import whole_number
from synalign.retriever.contrastive import WeightedMultipleNegativesRankingLoss, cos_sim
from synalign.retriever.labels import check_columns, explain, total_weight, weights_of


class CachedWeightedMultipleNegativesRankingLoss(CachedMultipleNegativesRankingLoss):
    """`WeightedMultipleNegativesRankingLoss` with the memory of `mini_batch_size` rows, whatever the batch size.

    Loss and gradient are those of the loss that it is named after, to float precision. The large batch is
    `per_device_train_batch_size`: gradient accumulation does not replace it, since negatives come from the batch.

    Args:
        model: A sentence-transformers model; not one of `StaticEmbedding`, which needs no such thing.
        scale: Cosines are multiplied by it.
        mean_weight: See `WeightedMultipleNegativesRankingLoss`.
        similarity_fct: (a, d) and (b, d) rows to (a, b) similarities.
        weigh_negatives: Whether a negative counts by its row's weight.
        mini_batch_size: Rows that are embedded together, and rows of scores held together.
        mini_batch_num_tokens: Tokens that are embedded together, instead of rows; None: `mini_batch_size` rules.
        show_progress_bar: Whether each batch shows how far it is.

    Raises:
        ArgumentError: A number out of range; in a batch: weights are missing, negative or not finite.
        ValueError: The model's inputs cannot be split.
    """

    def __init__(
        self,
        model: Any,
        scale: float = 20.0,
        mean_weight: float | None = None,
        similarity_fct: Callable[[Tensor, Tensor], Tensor] = cos_sim,
        *,
        weigh_negatives: bool = False,
        mini_batch_size: int = 32,
        mini_batch_num_tokens: int | None = None,
        show_progress_bar: bool = False,
    ) -> None:
        weighted = WeightedMultipleNegativesRankingLoss(
            None, scale, mean_weight, similarity_fct, weigh_negatives=weigh_negatives
        )
        super().__init__(
            model,
            scale=weighted.scale,
            similarity_fct=similarity_fct,
            mini_batch_size=whole_number("mini_batch_size", mini_batch_size, 1),
            mini_batch_num_tokens=mini_batch_num_tokens,
            show_progress_bar=show_progress_bar,
        )
        # The library's class reads and sets `scale` and `similarity_fct` there.
        self.loss = weighted

    def calculate_loss(
        self, reps: list[list[Tensor]], labels: Tensor | None = None, *, with_backward: bool = False
    ) -> Tensor:
        """Return the loss of a batch from the vectors of its parts; the library's forward pass calls it.

        Args:
            reps: Vectors by column and part.
            labels: (b,) weights.
            with_backward: Whether to propagate it back to the vectors, some rows of scores after others.
        """
        embeddings = [torch.cat(column) for column in reps]
        check_columns(embeddings)
        queries, documents = embeddings[0], torch.cat(embeddings[1:])
        weights = weights_of(labels, queries)
        total = total_weight(weights, self.loss.mean_weight)
        loss = torch.zeros((), dtype=queries.dtype, device=queries.device)
        for begin in range(0, len(queries), self.mini_batch_size):
            rows = slice(begin, begin + self.mini_batch_size)
            losses = self.loss.row_losses(queries, documents, weights, rows=rows)
            part = (weights[rows] * losses).sum() / total
            if with_backward:
                part.backward()
                part = part.detach()
            loss = loss + part
        explain(embeddings, weights, loss)
        return loss

    def get_config_dict(self) -> dict[str, Any]:
        """Return the settings, for the model card that the trainer writes."""
        return {
            **self.loss.get_config_dict(),
            "mini_batch_size": self.mini_batch_size,
            "mini_batch_num_tokens": self.mini_batch_num_tokens,
        }
