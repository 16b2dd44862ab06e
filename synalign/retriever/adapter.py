"""The kind `adapter`: a linear map on the queries' vectors. Documents, and so an index of them, stay as they are."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from synalign.errors import ArgumentError
from synalign.retriever.collection import Collection
from synalign.retriever.learner import Learner


class PreparedAdapter:
    """The frozen vectors of a collection.

    Raises:
        ArgumentError: The collection has no vectors.
    """

    def __init__(self, collection: Collection) -> None:
        if not collection.query_vectors.shape[1]:
            raise ArgumentError(
                "query_vectors.shape", collection.query_vectors.shape, "must have the encoder's columns",
                remedy="embed queries and documents first",
            )  # fmt: skip
        self._queries = torch.from_numpy(collection.query_vectors)
        self._documents = torch.from_numpy(collection.document_vectors)

    def learner(self) -> Adapter:
        """Return a new map: the identity, until it is trained."""
        return Adapter(self._queries, self._documents)


class Adapter(Learner):
    """Takes a query's vector x to x + D x. D is zero at first, and weight decay pulls towards zero: to no change.

    Args:
        query_vectors: (q, d) float32 unit rows.
        document_vectors: (c, d) float32 unit rows.
    """

    def __init__(self, query_vectors: Tensor, document_vectors: Tensor) -> None:
        super().__init__()
        # Not buffers: they are shared, and a checkpoint is only what was learned.
        self._queries, self._documents = query_vectors, document_vectors
        self.change = nn.Parameter(torch.zeros(query_vectors.shape[1], query_vectors.shape[1]))

    def queries(self, places: Tensor) -> Tensor:
        """Return the mapped vectors of some queries."""
        vectors = self._queries[places]
        return vectors + vectors @ self.change.T

    def documents(self, places: Tensor) -> Tensor:
        """Vectors as the encoder gave them."""
        return self._documents[places]

    def optimiser(self, learning_rate: float) -> torch.optim.Optimizer:
        """AdamW (Loshchilov and Hutter, ICLR 2019, arXiv:1711.05101)."""
        return torch.optim.AdamW(self.parameters(), lr=learning_rate)
