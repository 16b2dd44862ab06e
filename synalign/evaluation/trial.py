"""One trial: every arm trained with every seed, and judged on the same queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from synalign.evaluation.arms import ARMS, arms
from synalign.progress import progress
from synalign.retriever.collection import Pairs
from synalign.retriever.measures import DEPTH, MEASURES, measure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.evaluation.material import Judged, Material
    from synalign.retriever.collection import Collection
    from synalign.retriever.recipe import Recipe
    from synalign.retriever.train import Trained

    Train = Callable[[Collection, Pairs, Pairs, Recipe], Trained]


class Outcome(NamedTuple):
    """One arm trained with one seed.

    Attributes:
        arm: Its name.
        seed: Of the training.
        step: The checkpoint that was kept.
        scores: By split and measure, (q,) float64.
    """

    arm: str
    seed: int
    step: int
    scores: dict[str, dict[str, NDArray[np.float64]]]


class Trial:
    """The outcomes of all arms and seeds, every arm with the same seeds and queries.

    Args:
        outcomes: In any order.
    """

    def __init__(self, outcomes: list[Outcome]) -> None:
        self.outcomes = outcomes

    def scores(self, split: str, name: str = MEASURES[0]) -> dict[str, NDArray[np.float64]]:
        """Return one measure of the queries of one split: by arm, (s, q) float64."""
        found: dict[str, list[NDArray[np.float64]]] = {}
        for outcome in sorted(self.outcomes, key=lambda outcome: (ARMS.index(outcome.arm), outcome.seed)):
            found.setdefault(outcome.arm, []).append(outcome.scores[split][name])
        return {arm: np.stack(rows) for arm, rows in found.items()}


def run(material: Material, recipe: Recipe, mass: float, seeds: range, train: Train) -> Trial:
    """Train and judge every arm with every seed.

    Args:
        material: What to train and to judge on.
        recipe: The same for all but for the seed.
        mass: Total weight of an arm's written pairs over that of the real ones.
        seeds: Of batches, and of the random subset.
        train: `synalign.retriever.train.train`.
    """
    outcomes: list[Outcome] = []
    with progress("evaluate", len(ARMS) * len(seeds), "trainings") as advance:
        for arm, seed, pairs in _trainings(material, mass, seeds):
            advance.note = f"now {arm}, seed {seeds.index(seed) + 1} of {len(seeds)}"
            advance(1 if outcomes else 0)
            trained = train(material.collection, pairs, material.judged["validation"].pairs, recipe._replace(seed=seed))
            scores = {split: _judge(trained, judged) for split, judged in material.judged.items()}
            outcomes.append(Outcome(arm, seed, trained.step, scores))
        advance.note = ""
        advance()
    return Trial(outcomes)


def _trainings(material: Material, mass: float, seeds: range) -> Iterator[tuple[str, int, Pairs]]:
    for seed in seeds:
        for arm, weights in arms(material.pool, mass * len(material.real.query), seed).items():
            yield arm, seed, _with(material.real, material.written, weights)


def _with(real: Pairs, written: Pairs, weights: NDArray[np.float64]) -> Pairs:
    """Join real pairs and the written pairs that have a weight."""
    rows = weights > 0.0
    return Pairs(
        np.concatenate([real.query, written.query[rows]]),
        np.concatenate([real.document, written.document[rows]]),
        np.concatenate([real.weight, weights[rows]]),
    )


def _judge(trained: Trained, judged: Judged) -> dict[str, NDArray[np.float64]]:
    if not judged.ids:
        return {name: np.zeros(0) for name in MEASURES}
    return measure(trained.rank(judged.places, DEPTH), judged.relevant)
