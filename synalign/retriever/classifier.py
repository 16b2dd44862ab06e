"""A classifier trained on weighted texts: a logistic regression on vectors, for `task: classification`.

It has the interface of a trained retriever: labels are the documents of a collection, and a text's ranking of labels is
that of their probabilities. Its first place is the predicted label.

`adapter` reads the encoder's vectors as they are; `static` and `full` fine-tune token vectors or the whole encoder on
texts with their labels first, as SetFit does (Tunstall et al., "Efficient Few-Shot Learning Without Prompts", 2022), by
the loss of retrievers. The regression has one minimum, so a seed changes only what is drawn before it: batches of a
fine-tuning, or the random subset of an arm.
"""

from __future__ import annotations

import hashlib
import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from synalign.errors import ArgumentError
from synalign.retriever.collection import Collection, Pairs, check_pairs
from synalign.retriever.train import train

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.retriever.recipe import Recipe

STRENGTHS = (1, 10, 100, 1000)
"""C, the inverse of the ridge, that validation texts choose among."""

STRENGTH = 10
"""C where no validation text can choose."""

_ITERATIONS = 1000


class Classifier(NamedTuple):
    """A trained classifier.

    Attributes:
        step: C of the regression, in the place of a retriever's checkpoint.
        labels: (l,) places of the labels that it can predict, ascending: those of at least one train text.
        coefficients: (l, d) float64.
        intercepts: (l,) float64.
        vectors: (q, d) of all texts of the collection.
    """

    step: int
    labels: NDArray[np.int64]
    coefficients: NDArray[np.float64]
    intercepts: NDArray[np.float64]
    vectors: NDArray[np.float32]

    def rank(self, queries: NDArray[np.int64], depth: int) -> NDArray[np.int64]:
        """Return the most probable labels of some texts, best first; of equal ones, the earlier one first.

        Args:
            queries: (q,) places of texts.
            depth: How many labels to find.

        Returns:
            (q, min(depth, l)) places of labels.
        """
        scores = self.vectors[queries] @ self.coefficients.T + self.intercepts
        return self.labels[np.argsort(-scores, axis=1, kind="stable")[:, :depth]]


def classify(collection: Collection, pairs: Pairs, validation: Pairs, recipe: Recipe) -> Classifier:
    """Train one classifier on weighted texts.

    The same arguments give the same classifier. Only ratios of weights matter: they are scaled to sum to their
    effective sample size, so that an arm of more mass is not for that an arm of less ridge.

    Args:
        collection: Texts as queries, labels as documents.
        pairs: Texts with their labels, to train on.
        validation: Real texts with their labels, which choose C by accuracy, the smallest of equals; empty: `STRENGTH`.
        recipe: How the vectors are fine-tuned; `adapter`: not at all.

    Raises:
        ArgumentError: Pairs, weights or the recipe are unusable, or all texts that have a weight have one label.
        SetupError: The encoder is missing or does not suit the kind.
    """
    recipe.check()
    check_pairs("pairs", pairs, collection)
    check_pairs("validation", validation, collection)
    labels = np.unique(pairs.document[pairs.weight > 0.0])
    if len(labels) < 2:
        raise ArgumentError("pairs.document", labels, "must have two labels of a weight above 0")
    if recipe.retriever != "adapter":
        tuned = train(collection, pairs, validation, recipe).vectors(np.arange(len(collection.queries)))
        return _best(tuned, pairs, validation, recipe)
    # Arms that differ by the seed alone are one training.
    parts = (pairs.query, pairs.document, pairs.weight, validation.query, validation.document)
    key = "classifier", hashlib.sha256(b"\x1f".join(part.tobytes() for part in parts)).hexdigest()
    if key not in collection.prepared:
        collection.prepared[key] = _best(collection.query_vectors, pairs, validation, recipe)
    found: Classifier = collection.prepared[key]
    return found


def _best(vectors: NDArray[np.float32], pairs: Pairs, validation: Pairs, recipe: Recipe) -> Classifier:
    relevant = validation.relevant()
    judged = np.fromiter(relevant, np.int64, len(relevant))
    strengths = STRENGTHS if relevant else (STRENGTH,)
    with threadpool_limits(recipe.threads):
        found = [_fitted(vectors, pairs, strength) for strength in strengths]
        right = [sum(map(_is_in, one.rank(judged, 1)[:, 0].tolist(), relevant.values())) for one in found]
    return found[int(np.argmax(right))]


def _is_in(place: int, relevant: set[int]) -> bool:
    return place in relevant


def _fitted(vectors: NDArray[np.float32], pairs: Pairs, strength: int) -> Classifier:
    rows = pairs.weight > 0.0
    texts, labels, weights = pairs.query[rows], pairs.document[rows], pairs.weight[rows]
    model = LogisticRegression(C=strength, max_iter=_ITERATIONS)
    with warnings.catch_warnings():
        # After so many iterations what is left to gain is far below what a text more or less changes; and few texts per
        # label look to scikit-learn as if labels were numbers to regress on.
        warnings.simplefilter("ignore", UserWarning)
        model.fit(vectors[texts].astype(np.float64), labels, weights * (weights.sum() / np.square(weights).sum()))
    coefficients, intercepts = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        # Of two labels scikit-learn keeps the log-odds of the second.
        coefficients, intercepts = (np.concatenate([0.0 * part, part]) for part in (coefficients, intercepts))
    return Classifier(strength, model.classes_, coefficients, intercepts, vectors)
