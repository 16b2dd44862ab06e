"""The losses that take a weight for each pair, in one place to import them from.

| loss | columns | `label` |
|---|---|---|
| `WeightedMultipleNegativesRankingLoss` | anchor, positive, any negatives | weight |
| `WeightedListwiseDistillationLoss` | anchor, positive, one negative or more | weight and scores |
| `WeightedMarginMSELoss` | anchor, positive, one negative or more | weight and scores |

`CachedWeightedMultipleNegativesRankingLoss`, for batches that do not fit into memory, is in
`synalign.retriever.cached`: it needs sentence-transformers where it is imported. `synalign.retriever.dataset` makes the
columns.
"""

from synalign.retriever.contrastive import WeightedMultipleNegativesRankingLoss
from synalign.retriever.distillation import WeightedListwiseDistillationLoss, WeightedMarginMSELoss
from synalign.retriever.labels import MOST_WEIGHT

__all__ = [
    "MOST_WEIGHT",
    "WeightedListwiseDistillationLoss",
    "WeightedMarginMSELoss",
    "WeightedMultipleNegativesRankingLoss",
]
