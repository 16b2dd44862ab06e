"""The objective of the training loop: a weighted contrastive loss, and what a teacher makes of the same documents.

For a batch of b pairs with their hard negatives there are c documents, of which the i-th is the i-th pair's own. With
s_ij the cosine of query i and document j, t_ij the teacher's score, T and U the temperatures and w_i the weights, the
loss is

    sum_i w_i ( KL(softmax(t_i / U) || softmax(s_i / T)) + a * contrastive_i ) / b

Listwise distillation is what makes synthetic pairs worth their training on good encoders, where contrastive losses
alone often lower them (Tamber et al., 2025, arXiv:2505.19274).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from synalign.retriever.contrastive import WeightedMultipleNegativesRankingLoss, cos_sim
from synalign.retriever.divergence import divergences

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.retriever.collection import Collection, Pairs
    from synalign.retriever.learner import Learner
    from synalign.retriever.recipe import Recipe

SCALE = 20.0
"""One over the temperature of the student, as the contrastive loss has it."""


class Documents(NamedTuple):
    """The documents of a batch.

    Attributes:
        places: (c,) int64, in the collection; the first b are the pairs' own, then the first negative of each, then
            the second.
        hidden: (b, c) bool, which are no negatives of a query: documents that are right for it, its own excepted, and
            places where a pair has no negative.
    """

    places: NDArray[np.int64]
    hidden: NDArray[np.bool_]


class Objective:
    """The loss of a batch of rows.

    Args:
        pairs: All train pairs; their negatives are used where they have some.
        weights: (p,) what each row's loss counts.
        recipe: How; `recipe.teacher` says who teaches.
        collection: Its vectors teach where the teacher is the encoder.
    """

    def __init__(self, pairs: Pairs, weights: NDArray[np.float64], recipe: Recipe, collection: Collection) -> None:
        self._pairs, self._recipe, self._collection = pairs, recipe, collection
        self._weights = torch.from_numpy(weights).float()
        # What the draw could not give a row, because its document was in every batch already, its weight has.
        self._contrastive = WeightedMultipleNegativesRankingLoss(None, scale=SCALE, mean_weight=1.0)
        self._also = {query: found for query, found in pairs.relevant().items() if len(found) > 1}

    def __call__(self, learner: Learner, rows: NDArray[np.int64]) -> Tensor:
        """Return the loss of some rows, with gradients."""
        documents = self.documents(rows)
        queries = torch.from_numpy(self._pairs.query[rows])
        vectors = learner.queries(queries)
        found = learner.documents(torch.from_numpy(documents.places))
        weights, hidden = self._weights[torch.from_numpy(rows)], torch.from_numpy(documents.hidden)
        columns = [vectors, *found.split(len(rows))]
        contrastive = self._contrastive.compute_loss_from_embeddings(columns, weights, hidden)
        if self._recipe.teacher == "none":
            return contrastive
        student = cos_sim(vectors, found) * SCALE
        taught = weights * divergences(student, *self._taught(rows, documents))
        return taught.mean() + self._recipe.contrastive * contrastive

    def documents(self, rows: NDArray[np.int64]) -> Documents:
        """Return the documents of some rows, and which are no negatives of which."""
        own = self._pairs.document[rows]
        negatives = self._pairs.negatives
        if negatives is None:
            places, missing = own, np.zeros(len(own), dtype=bool)
        else:
            columns = negatives[rows].T.ravel()
            missing = np.concatenate([np.zeros(len(rows), dtype=bool), columns < 0])
            # Something has to stand there; it is hidden from everybody.
            places = np.concatenate([own, np.where(columns < 0, np.tile(own, negatives.shape[1]), columns)])
        hidden = (places[None, :] == own[:, None]) | missing[None, :]
        for row, query in enumerate(self._pairs.query[rows].tolist()):
            if query in self._also:
                hidden[row] |= np.isin(places, list(self._also[query]))
        hidden[np.arange(len(rows)), np.arange(len(rows))] = False
        return Documents(places, hidden)

    def _taught(self, rows: NDArray[np.int64], documents: Documents) -> tuple[Tensor, Tensor]:
        """Return the teacher's logits, (b, c) float32, and which documents it says nothing of, (b, c) bool."""
        if self._recipe.teacher == "encoder":
            # Documents that are right for a query are no negatives, and the teacher knows how near they are.
            queries = self._collection.query_vectors[self._pairs.query[rows]]
            logits = queries @ self._collection.document_vectors[documents.places].T * SCALE
            missing = np.zeros(documents.hidden.shape, dtype=bool)
            if self._pairs.negatives is not None:
                missing[:, len(rows) :] = (self._pairs.negatives[rows] < 0).T.ravel()[None, :]
            return torch.from_numpy(logits), torch.from_numpy(missing)
        scores = self._pairs.scores
        assert scores is not None  # `check_pairs` saw to it
        logits = np.zeros(documents.hidden.shape, dtype=np.float32)
        unknown = np.ones(documents.hidden.shape, dtype=bool)
        every = np.arange(len(rows))
        for column in range(scores.shape[1]):
            there = np.isfinite(scores[rows, column])
            logits[every[there], (column * len(rows) + every)[there]] = scores[rows, column][there]
            unknown[every[there], (column * len(rows) + every)[there]] = False
        return torch.from_numpy(logits / self._recipe.temperature), torch.from_numpy(unknown)
