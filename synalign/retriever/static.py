"""The kind `static`: averaged token vectors. A weak retriever that learns fast, on which effects of data show.

A text's vector is the weighted mean of its tokens' vectors, with the weight a / (a + p) for a token of frequency p
(Arora, Liang and Ma, *A Simple but Tough-to-Beat Baseline for Sentence Embeddings*, ICLR 2017; without their removal of
the common component). The vectors start as the encoder's input embeddings and all are learned, shared by queries and
documents. The encoder's prompts play no part: in a mean they would move every text by the same vector.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import embedding, embedding_bag

from synalign.config import Encoder
from synalign.retriever.collection import Collection
from synalign.retriever.learner import Learner
from synalign.retriever.whole_model import load, token_numbers, token_vectors

RARE = 1e-3
"""The a of a / (a + p): tokens more frequent than this count less and less."""


class Bags(NamedTuple):
    """Texts as bags of tokens, end to end.

    Attributes:
        tokens: (t,) int64 tokens of all texts.
        starts: (n + 1,) int64 where each text begins, and where the last ends.
    """

    tokens: Tensor
    starts: Tensor

    def take(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens of some texts, and where each of these begins."""
        starts, sizes = self.starts[places], self.starts[places + 1] - self.starts[places]
        offsets = torch.cumsum(sizes, 0) - sizes
        within = torch.arange(int(sizes.sum())) - torch.repeat_interleave(offsets, sizes)
        return self.tokens[torch.repeat_interleave(starts, sizes) + within], offsets


class PreparedStatic:
    """A collection's tokens, and the vectors of those that occur in it.

    Raises:
        SetupError: The encoder is missing, or has no token vectors.
    """

    def __init__(self, collection: Collection, encoder: Encoder) -> None:
        model = load(encoder)
        queries = token_numbers(model, collection.queries, encoder.max_tokens)
        documents = token_numbers(model, collection.documents, encoder.max_tokens)
        # Only tokens that occur are kept: a checkpoint is smaller, and a step touches less.
        found, renamed = np.unique(np.concatenate([*queries, *documents]), return_inverse=True)
        middle = sum(map(len, queries))
        self.queries = _bags(queries, renamed[:middle])
        self.documents = _bags(documents, renamed[middle:])
        self.weights = _frequency_weights(self.documents.tokens, len(found))
        self.vectors = token_vectors(model)[torch.from_numpy(found)]

    def learner(self) -> Static:
        """Return a learner that begins with the encoder's own token vectors."""
        return Static(self)


class Static(Learner):
    """Token vectors that are learned. A text without tokens has the zero vector, as near to anything as to all else."""

    def __init__(self, prepared: PreparedStatic) -> None:
        super().__init__()
        self._prepared = prepared
        self.table = nn.Parameter(prepared.vectors.clone())

    def queries(self, places: Tensor) -> Tensor:
        """Weighted sums of queries' tokens."""
        return self._sums(self._prepared.queries, places)

    def documents(self, places: Tensor) -> Tensor:
        """Weighted sums of documents' tokens."""
        return self._sums(self._prepared.documents, places)

    def optimiser(self, learning_rate: float) -> torch.optim.Optimizer:
        """Adam on the vectors of the batch's tokens only (Kingma and Ba, ICLR 2015, arXiv:1412.6980)."""
        return torch.optim.SparseAdam(list(self.parameters()), lr=learning_rate)

    def _sums(self, bags: Bags, places: Tensor) -> Tensor:
        tokens, offsets = bags.take(places)
        # Through the batch's distinct tokens: the gradient has a row for each of them, not for each occurrence.
        distinct, numbers = torch.unique(tokens, return_inverse=True)
        vectors = embedding(distinct, self.table, sparse=True)
        # The mean's divisor does not change a cosine: the weighted sum will do.
        return embedding_bag(numbers, vectors, offsets, mode="sum", per_sample_weights=self._prepared.weights[tokens])


def _bags(lists: list[NDArray[np.int64]], tokens: NDArray[np.int64]) -> Bags:
    def ends() -> Iterator[int]:
        yield 0
        yield from map(len, lists)

    starts = np.cumsum(np.fromiter(ends(), np.int64, len(lists) + 1))
    return Bags(torch.from_numpy(tokens.astype(np.int64)), torch.from_numpy(starts))


def _frequency_weights(tokens: Tensor, size: int) -> Tensor:
    """Return a / (a + p) of each token, p being its share of the documents' tokens."""
    counts = torch.bincount(tokens, minlength=size).float()
    return RARE / (RARE + counts / counts.sum().clamp_min(1.0))
