"""Macro-F1 of classifiers, with paired intervals over other texts and other trainings.

Macro-F1 is the mean of F1 = 2 tp / (2 tp + fp + fn) over the labels that the judged texts have. It is not a mean over
texts, so that each resample of texts and trainings (as in `synalign.evaluation.comparison`) gets a macro-F1 of its own,
over the labels that it has texts of.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from synalign.errors import ArgumentError
from synalign.evaluation.comparison import ENTRIES, RESAMPLES, Interval, blocks, draws

if TYPE_CHECKING:
    from numpy.typing import NDArray


def true_labels(predicted: NDArray[np.int64], relevant: list[set[int]]) -> NDArray[np.int64]:
    """Return the label that each text counts for: the predicted one where it is right, otherwise the text's first.

    A text with several labels, as when two people labelled it differently, is right with any of them.

    >>> true_labels(np.array([2, 5]), [{1, 2}, {1, 2}]).tolist()
    [2, 1]
    """
    places = zip(predicted.tolist(), relevant, strict=True)
    return np.array([place if place in labels else min(labels) for place, labels in places], dtype=np.int64)


class MacroF1:
    """Arms' predictions of the same texts by the same trainings, and their macro-F1 in many resamples of both.

    Args:
        predicted: arm to (s, q) int64 predicted labels, s >= 1, q >= 1.
        true: arm to (s, q) int64 true labels.
        resamples: How many.
        seed: Of the resamples.

    Raises:
        ArgumentError: No arm, arms that do not fit together, or no text.

    Examples:
        >>> both = {"control": np.array([[0, 0, 1, 1]]), "aligned": np.array([[0, 0, 0, 1]])}
        >>> found = MacroF1(both, dict.fromkeys(both, np.array([[0, 0, 0, 1]])))
        >>> found.values["aligned"], round(found.values["control"], 4)
        (1.0, 0.7333)
    """

    def __init__(
        self,
        predicted: dict[str, NDArray[np.int64]],
        true: dict[str, NDArray[np.int64]],
        resamples: int = RESAMPLES,
        seed: int = 0,
    ) -> None:
        shapes = {np.shape(rows) for rows in (*predicted.values(), *true.values())}
        if predicted.keys() != true.keys() or len(shapes) != 1 or len(shape := shapes.pop()) != 2 or 0 in shape:
            raise ArgumentError(
                "predicted", [np.shape(rows) for rows in predicted.values()],
                "must have one shape (seeds, texts) for all arms, the true labels', with no side of 0",
            )  # fmt: skip
        self._arms = {
            arm: [_Counts(*both) for both in zip(rows, true[arm], strict=True)] for arm, rows in predicted.items()
        }
        seeds, texts = shape
        self.values = {
            arm: float(np.mean([one.of(np.ones((1, texts))) for one in self._arms[arm]])) for arm in self._arms
        }
        self._resampled = self._means(seeds, texts, resamples, np.random.default_rng(seed))

    def mean(self, arm: str, confidence: float = 0.95) -> Interval:
        """Return an arm's macro-F1 with its interval."""
        return self._interval(self.values[arm], self._resampled[arm], confidence)

    def difference(self, arm: str, other: str, confidence: float = 0.95) -> Interval:
        """Return an arm's macro-F1 minus another's, with its interval."""
        apart = self._resampled[arm] - self._resampled[other]
        return self._interval(self.values[arm] - self.values[other], apart, confidence)

    def _interval(self, value: float, resampled: NDArray[np.float64], confidence: float) -> Interval:
        tail = (1.0 - confidence) / 2.0
        lower, upper = np.quantile(resampled, [tail, 1.0 - tail])
        return Interval(value, float(lower), float(upper))

    def _means(
        self, seeds: int, texts: int, resamples: int, rng: np.random.Generator
    ) -> dict[str, NDArray[np.float64]]:
        """Return macro-F1 by arm, (resamples,), of texts and seeds drawn with replacement, the same for all arms."""
        found = {arm: np.empty(resamples) for arm in self._arms}
        for rows in blocks(resamples, max(1, ENTRIES // texts)):
            drawn, by_seed = draws(rows, texts, rng), draws(rows, seeds, rng)
            for arm, counts in self._arms.items():
                scores = np.stack([one.of(drawn) for one in counts], axis=1)
                found[arm][rows] = (scores * by_seed).sum(axis=1) / seeds
        return found


class _Counts:
    """One training's predictions, as tables of texts by labels."""

    def __init__(self, predicted: NDArray[np.int64], true: NDArray[np.int64]) -> None:
        _, places = np.unique(np.concatenate([predicted, true]), return_inverse=True)
        guess, truth = places[: len(predicted)], places[len(predicted) :]
        labels = int(places.max()) + 1
        self._right = _table(truth, labels, (guess == truth).astype(np.float64))
        self._true = _table(truth, labels, np.ones(len(truth)))
        self._both = _table(guess, labels, np.ones(len(truth))) + self._true

    def of(self, drawn: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return macro-F1, (r,), of texts drawn so often each, (r, q)."""
        # 2 tp + fp + fn is how often a label was predicted, and how often it was true.
        right, both, true = (drawn @ table for table in (self._right, self._both, self._true))
        there = true > 0.0
        scores = np.divide(2.0 * right, both, out=np.zeros_like(right), where=there)
        means: NDArray[np.float64] = scores.sum(axis=1) / there.sum(axis=1)
        return means


def _table(labels: NDArray[np.int64], count: int, values: NDArray[np.float64]) -> sparse.csr_array:
    return sparse.csr_array((values, (np.arange(len(labels)), labels)), shape=(len(labels), count))
