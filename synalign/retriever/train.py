"""Training of one arm: batches by weight, checkpoints judged on real validation queries, the best one kept.

One loop for every kind of retriever. An arm is nothing but weights of pairs: what differs between two arms is what
their weights did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synalign.errors import ArgumentError
from synalign.retriever.adapter import PreparedAdapter
from synalign.retriever.collection import Collection, Pairs, check_pairs
from synalign.retriever.full import PreparedFull
from synalign.retriever.learner import Learner, Prepared
from synalign.retriever.measures import measure
from synalign.retriever.objective import Objective
from synalign.retriever.ranking import rank
from synalign.retriever.recipe import Recipe
from synalign.retriever.sampler import WeightedBatchSampler
from synalign.retriever.static import PreparedStatic

__all__ = ["Recipe", "Trained", "prepare", "train"]

# What a checkpoint is kept for.
_MEASURE, _DEPTH = "ndcg_at_10", 10


class Trained:
    """A trained retriever, at the checkpoint that was kept.

    Attributes:
        step: Of the checkpoint; 0 is the retriever before training.
        validation: Mean nDCG@10 of the validation queries, by checkpoint; empty where there are none.
    """

    def __init__(self, learner: Learner, collection: Collection, recipe: Recipe) -> None:
        self.step = 0
        self.validation: dict[int, float] = {}
        self._learner, self._collection, self._recipe = learner, collection, recipe
        self._vectors: NDArray[np.float32] | None = None

    def rank(self, queries: NDArray[np.int64], depth: int) -> NDArray[np.int64]:
        """Return the best documents of some queries, by exact search over the whole collection.

        Args:
            queries: (q,) places of queries.
            depth: How many documents to find.

        Returns:
            (q, min(depth, c)) places of documents, best first; of equal ones, the earlier one first.
        """
        if not len(queries):
            return np.empty((0, min(depth, len(self._collection.documents))), dtype=np.int64)
        with _as_if_alone(self._recipe.threads, self._recipe.seed):
            if self._vectors is None:
                self._vectors = self._document_vectors()
            vectors = self._learner.vectors("queries", torch.tensor(queries, dtype=torch.int64))
        return rank(vectors, self._vectors, depth)

    def vectors(self, queries: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the vectors of some queries, (q, d) float32 unit rows."""
        with _as_if_alone(self._recipe.threads, self._recipe.seed):
            return self._learner.vectors("queries", torch.tensor(queries, dtype=torch.int64))

    def judge(self, queries: NDArray[np.int64], relevant: list[set[int]]) -> float:
        """Return the mean nDCG@10 of some queries; before training it is that of every arm and seed.

        Args:
            queries: (q,) places of queries.
            relevant: (q,) places of each one's relevant documents.
        """

        def judged() -> float:
            return float(measure(self.rank(queries, _DEPTH), relevant, [_MEASURE])[_MEASURE].mean())

        if self.step:
            return judged()
        asked = (queries.tobytes(), tuple(map(tuple, map(sorted, relevant))))
        return float(self._untrained(("validation before training", asked), judged))

    def at(self, step: int) -> None:
        """Say that the parameters are now those of a checkpoint."""
        self.step, self._vectors = step, None

    def _document_vectors(self) -> NDArray[np.float32]:
        """Vectors of all documents; before training they are those of every arm and seed."""
        every = torch.arange(len(self._collection.documents))
        if self.step:
            return self._learner.vectors("documents", every)
        vectors: NDArray[np.float32] = self._untrained(
            ("documents before training",), lambda: self._learner.vectors("documents", every)
        )
        return vectors

    def _untrained(self, name: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        """Return what is the same for all that is not trained yet, made once and kept with the collection."""
        key = (*name, *_key(self._recipe))
        if key not in self._collection.prepared:
            self._collection.prepared[key] = make()
        return self._collection.prepared[key]


def train(collection: Collection, pairs: Pairs, validation: Pairs, recipe: Recipe) -> Trained:
    """Train one retriever on weighted pairs.

    The same arguments give the same rankings, bit for bit, in any process on one kind of machine; torch's random state
    and number of threads are left as they were.

    Args:
        collection: What there is to ask and to rank.
        pairs: To train on; drawn by weight, so only ratios of weights matter.
        validation: Real pairs that choose the checkpoint: before training, half way or at the end, by mean nDCG@10 over
            queries, the earliest of equals. Empty: the end is kept.
        recipe: How.

    Returns:
        The retriever, ready to rank.

    Raises:
        ArgumentError: Pairs, weights or the recipe are unusable, or the loss left the finite numbers.
        SetupError: The encoder is missing or does not suit the kind.
    """
    recipe.check()
    check_pairs("pairs", pairs, collection)
    check_pairs("validation", validation, collection)
    if recipe.teacher == "scores" and pairs.scores is None:
        raise ArgumentError("pairs.scores", None, "must be there where they teach")
    judged = validation.relevant()
    queries = np.fromiter(judged, np.int64, len(judged))
    with _as_if_alone(recipe.threads, recipe.seed):
        learner = prepare(collection, recipe).learner()
        trained = Trained(learner, collection, recipe)
        best, kept = 0, _parameters(learner)
        for step in _training(learner, collection, pairs, recipe):
            trained.at(step)
            if judged:
                trained.validation[step] = trained.judge(queries, list(judged.values()))
            if not judged or trained.validation[step] > trained.validation[best]:
                best, kept = step, _parameters(learner)
        if best != recipe.steps:
            learner.load_state_dict(kept)
            trained.at(best)
    return trained


def prepare(collection: Collection, recipe: Recipe) -> Prepared:
    """Return what all arms and seeds share; it is made once and kept with the collection.

    Raises:
        ArgumentError: An adapter has no vectors to work on.
        SetupError: The encoder is missing or does not suit the kind.
    """
    key = _key(recipe)
    if key not in collection.prepared:
        if recipe.retriever == "adapter":
            collection.prepared[key] = PreparedAdapter(collection)
        elif recipe.retriever == "static":
            collection.prepared[key] = PreparedStatic(collection, recipe.encoder)
        else:
            collection.prepared[key] = PreparedFull(collection, recipe.encoder)
    prepared: Prepared = collection.prepared[key]
    return prepared


def _key(recipe: Recipe) -> tuple[str, str]:
    return recipe.retriever, "" if recipe.retriever == "adapter" else recipe.encoder.model_dump_json()


def _training(learner: Learner, collection: Collection, pairs: Pairs, recipe: Recipe) -> Iterator[int]:
    """Train, and stop at every checkpoint to give its step."""
    batches = WeightedBatchSampler(
        pairs.weight, pairs.document, recipe.batch_size, batches=recipe.steps, seed=recipe.seed
    )
    objective = Objective(pairs, batches.residual, recipe, collection)
    optimiser = learner.optimiser(recipe.rate)
    yield 0
    for step, batch in enumerate(batches, start=1):
        learner.train()
        optimiser.zero_grad()
        try:
            value = objective(learner, np.array(batch))
        except ArgumentError as error:
            # Vectors that were finite at the start are so no more.
            raise ArgumentError(
                "learning_rate", recipe.rate, f"ended the training at step {step}: {error}", remedy="lower it tenfold"
            ) from error
        value.backward()
        optimiser.step()
        if step in recipe.checkpoints:
            yield step


def _parameters(learner: Learner) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in learner.state_dict().items()}


@contextmanager
def _as_if_alone(threads: int, seed: int) -> Iterator[None]:
    """Torch with its own random state and number of threads, both given back."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)
