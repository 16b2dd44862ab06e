"""The kind `full`: the whole encoder is fine-tuned, the same one for queries and documents. Minutes to hours.

Queries and documents have the encoder's prompts before them, in training as in ranking.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from synalign.config import Encoder
from synalign.embedding.encoder import prompts
from synalign.embedding.prompts import Prompts
from synalign.embedding.prompts import Side as Task
from synalign.retriever.collection import Collection
from synalign.retriever.learner import Learner, Side
from synalign.retriever.whole_model import load


class PreparedFull:
    """A collection's texts, and the encoder as published.

    Raises:
        SetupError: The encoder is missing.
    """

    def __init__(self, collection: Collection, encoder: Encoder) -> None:
        self._model = load(encoder)
        self._prompts = prompts(encoder)
        self._texts: dict[Side, list[str]] = {"queries": collection.queries, "documents": collection.documents}

    def learner(self) -> Full:
        """Return a copy of the encoder, to be trained."""
        return Full(copy.deepcopy(self._model), self._texts, self._prompts)


class Full(Learner):
    """A sentence-transformers model that is fine-tuned.

    Args:
        model: The `SentenceTransformer`; training changes it.
        texts: All queries and all documents.
        prompts: What is put before each of them.
    """

    rows_at_once = 32

    def __init__(self, model: Any, texts: dict[Side, list[str]], prompts: Prompts) -> None:
        super().__init__()
        self.model = model
        self._texts = texts
        self._prompts = prompts

    def queries(self, places: Tensor) -> Tensor:
        """Embeddings of queries."""
        return self._embed("queries", places)

    def documents(self, places: Tensor) -> Tensor:
        """Embeddings of documents."""
        return self._embed("documents", places)

    def sizes(self, side: Side, places: Tensor) -> Tensor:
        """Characters: short texts padded to long ones would take as long."""
        return torch.tensor([len(self._texts[side][place]) for place in places.tolist()])

    def optimiser(self, learning_rate: float) -> torch.optim.Optimizer:
        """AdamW (Loshchilov and Hutter, ICLR 2019, arXiv:1711.05101)."""
        return torch.optim.AdamW(self.parameters(), lr=learning_rate)

    def _embed(self, side: Side, places: Tensor) -> Tensor:
        texts = [self._texts[side][place] for place in places.tolist()]
        task: Task = "query" if side == "queries" else "document"
        # As `encode_query` and `encode_document` do, but with gradients.
        features = self.model.preprocess(texts, prompt=self._prompts.of(task), task=task)
        vectors: Tensor = self.model(features, task=task)["sentence_embedding"]
        return vectors
