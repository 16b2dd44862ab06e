"""The interface between the training loop and a retriever that learns."""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Side = Literal["queries", "documents"]


class Learner(nn.Module):
    """A retriever with parameters. Vectors need not be unit: the loss and the ranking take cosines.

    Attributes:
        rows_at_once: Rows whose vectors are computed together when nothing is learned from them.
    """

    rows_at_once = 1024

    @abstractmethod
    def queries(self, places: Tensor) -> Tensor:
        """Vectors of queries, (b,) places to (b, d) float32, with gradients."""

    @abstractmethod
    def documents(self, places: Tensor) -> Tensor:
        """Vectors of documents, (b,) places to (b, d) float32, with gradients where documents are learned."""

    @abstractmethod
    def optimiser(self, learning_rate: float) -> torch.optim.Optimizer:
        """Return the optimiser of the parameters."""

    def sizes(self, side: Side, places: Tensor) -> Tensor:
        """(b,) how long each text is, where texts of like length are better embedded together."""
        return torch.zeros(len(places))

    def vectors(self, side: Side, places: Tensor) -> NDArray[np.float32]:
        """Return unit rows to rank with, (b, d) float32; a zero row for a text without a known token."""
        embed = self.queries if side == "queries" else self.documents
        order = torch.argsort(self.sizes(side, places), stable=True)
        found: Tensor | None = None
        self.eval()
        with torch.no_grad():
            for rows in order.split(self.rows_at_once):
                block = nn.functional.normalize(embed(places[rows]))
                if found is None:
                    found = torch.empty(len(places), block.shape[1])
                found[rows] = block
        return np.zeros((0, 0), np.float32) if found is None else found.numpy()


class Prepared(Protocol):
    """A collection prepared for one kind of retriever: shared by arms and seeds, never changed by training."""

    def learner(self) -> Learner:
        """Return a retriever that is not trained yet."""
        ...
