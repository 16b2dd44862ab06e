"""Batches drawn by weight, in which no two rows share a document.

Two rows with one document would be each other's negatives. So documents are drawn, without replacement and with
probabilities in proportion to their rows' weights (systematic sampling of a shuffled list: Madow, *On the Theory of
Systematic Sampling II*, Annals of Mathematical Statistics 20, 1949), and for each document one of its rows.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import BatchSampler

from synalign.arrays.checks import in_reach, real_numbers, whole_number
from synalign.errors import ArgumentError


class WeightedBatchSampler(BatchSampler):
    """Draws batches of rows, each row in proportion to its weight.

    A row is expected in a batch exactly b w_i / sum(w) times, as long as no document has more than 1/b of the weight,
    b being the batch size. A document can be in a batch only once, so that heavier ones come short; `residual` is what
    is left to weigh them by in the loss. It is 1 elsewhere, and with it the mean loss over batches is the mean over
    rows by weight in every case.

    Args:
        weights: (n,) >= 0, not all zero. Rows of weight zero are never drawn.
        documents: (n,) the document of each row, any hashable values. None: all rows have their own.
        batch_size: Rows per batch; fewer where there are not as many documents.
        batches: How many per epoch. None: as many as hold n rows.
        seed: Of the draws. Every epoch (`set_epoch`) has other ones.

    Attributes:
        batch_size: Rows of every batch.
        residual: (n,) float64.

    Raises:
        ArgumentError: Weights or documents are unusable, or there are fewer than two documents to tell apart.

    Example:
        >>> sampler = WeightedBatchSampler([1.0, 1.0, 2.0, 0.0], ["a", "a", "b", "c"], batch_size=2, batches=3)
        >>> [sorted(batch)[1] for batch in sampler], sampler.residual.tolist()
        ([2, 2, 2], [1.0, 1.0, 1.0, 0.0])
    """

    def __init__(
        self,
        weights: Sequence[float] | NDArray[np.float64],
        documents: Sequence[Hashable] | NDArray[Any] | None,
        batch_size: int,
        *,
        batches: int | None = None,
        seed: int = 0,
    ) -> None:
        mass = _checked(weights)
        numbers = _numbers(documents, len(mass))
        self._rows = np.flatnonzero(mass > 0.0)
        # Rows of a document stand together, so that one list of cumulative weights serves all documents.
        self._rows = self._rows[np.argsort(numbers[self._rows], kind="stable")]
        _, first = np.unique(numbers[self._rows], return_index=True)
        if len(first) < 2:
            raise ArgumentError(
                "documents", f"{len(first)} of them with weight", "must be two at least",
                remedy="a batch needs a document that is not the right one",
            )  # fmt: skip
        self._reach = np.cumsum(mass[self._rows])
        self._ends = np.append(first[1:], len(self._rows))
        self._starts = first
        self._below = np.concatenate([[0.0], self._reach[self._ends[:-1] - 1]])
        self._mass = self._reach[self._ends - 1] - self._below
        self.batch_size = min(whole_number("batch_size", batch_size, 2), len(first))
        self._chances = _chances(self._mass, self.batch_size)
        self.residual = np.zeros(len(mass))
        # A document too light for its weight to count beside the others' is never drawn.
        expected = self._mass.sum() * self._chances
        left = np.divide(self.batch_size * self._mass, expected, out=np.ones(len(expected)), where=expected > 0.0)
        left[np.abs(left - 1.0) < 1e-9] = 1.0
        self.residual[self._rows] = np.repeat(left, self._ends - self._starts)
        self._batches = -(-len(mass) // self.batch_size) if batches is None else whole_number("batches", batches, 1)
        self._seed, self._epoch = whole_number("seed", seed, 0), 0

    def __len__(self) -> int:
        return self._batches

    def set_epoch(self, epoch: int) -> None:
        """Draw the batches of this epoch; called by trainers."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        random = np.random.default_rng([self._seed, self._epoch])
        for _ in range(self._batches):
            drawn = self._draw(random)
            # A point anywhere in a document's stretch of cumulative weight falls on one of its rows.
            points = self._below[drawn] + random.random(len(drawn)) * self._mass[drawn]
            rows = np.searchsorted(self._reach, points, side="right")
            yield self._rows[np.clip(rows, self._starts[drawn], self._ends[drawn] - 1)].tolist()

    def _draw(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Documents of one batch: those that equally spaced points hit, on a line of stretches in random order."""
        order = random.permutation(len(self._chances))
        reach = np.cumsum(self._chances[order])
        hit = np.searchsorted(reach, random.random() + np.arange(self.batch_size), side="right")
        drawn: NDArray[np.int64] = order[np.unique(np.minimum(hit, len(order) - 1))]
        return drawn


def weighted_batches(
    dataset: Any,
    batch_size: int,
    drop_last: bool,
    valid_label_columns: list[str] | None = None,
    generator: Any = None,
    seed: int = 0,
) -> WeightedBatchSampler:
    """Make the sampler of sentence-transformers' trainer: pass this function as `batch_sampler`.

    Weights are the column `label`, documents the column `positive`. The loss is then the library's own, which ignores
    labels: weighing the loss as well would count weights twice.
    """
    return WeightedBatchSampler(
        real_numbers("label", dataset["label"], "must be (n,) numbers"),
        list(dataset["positive"]),
        batch_size,
        seed=seed,
    )


def _checked(weights: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    mass = real_numbers("weights", weights, "must be (n,) numbers")
    if mass.ndim != 1:
        raise ArgumentError("weights.shape", mass.shape, "must be (n,)")
    wrong = np.flatnonzero(~(np.isfinite(mass) & (mass >= 0.0)))
    if wrong.size:
        raise ArgumentError(f"weights[{wrong[0]}]", float(mass[wrong[0]]), "must be finite and >= 0")
    if not mass.any():
        raise ArgumentError("sum of weights", 0.0, "must be > 0")
    return in_reach(mass)


def _numbers(documents: Sequence[Hashable] | NDArray[Any] | None, rows: int) -> NDArray[np.int64]:
    """Documents numbered in order of appearance."""
    if documents is None:
        return np.arange(rows, dtype=np.int64)
    values = documents.tolist() if isinstance(documents, np.ndarray) else documents
    if isinstance(values, str | bytes) or not isinstance(values, Collection):
        raise ArgumentError("documents", type(documents).__name__, f"must be {rows} values, one per weight")
    if len(values) != rows:
        raise ArgumentError("documents", f"{len(values)} of them", f"must be {rows}, one per weight")
    seen: dict[Hashable, int] = {}
    try:
        return np.fromiter((seen.setdefault(value, len(seen)) for value in values), np.int64, rows)
    except TypeError as error:
        raise ArgumentError(
            "documents", type(documents).__name__, "must be hashable values, such as strings"
        ) from error


def _chances(mass: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return how often each document is in a batch: in proportion to its mass, at most 1, `size` in total."""
    order = np.argsort(-mass, kind="stable")
    tail = np.cumsum(mass[order][::-1])[::-1]
    certain = 0
    # The heaviest that would be drawn more than once are certain; the others share the rest of the batch.
    while certain < size and (size - certain) * mass[order[certain]] >= tail[certain]:
        certain += 1
    chances = np.ones(len(mass))
    if certain < len(mass):
        others = order[certain:]
        # Nothing is left to share where the others have no weight beside those that are certain.
        chances[others] = (size - certain) * mass[others] / tail[certain] if tail[certain] > 0.0 else 0.0
    return chances
