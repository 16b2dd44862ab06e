"""One trial: every arm trained with every seed, and judged on the same queries; and the trainings of the ladder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from synalign.evaluation.arms import ARMS, CONTROL, PAIRS_ONLY, arm_of, arms
from synalign.evaluation.ladder import climb
from synalign.retriever.measures import DEPTH, MEASURES, measure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.evaluation.ladder import Cell, Ladder
    from synalign.evaluation.material import Judged, Material
    from synalign.progress import Advance
    from synalign.retriever.collection import Collection, Pairs
    from synalign.retriever.recipe import Recipe
    from synalign.retriever.train import Trained

    Train = Callable[[Collection, Pairs, Pairs, Recipe], Trained]


_ORDER = (*ARMS, PAIRS_ONLY)


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
        for outcome in sorted(self.outcomes, key=lambda outcome: (_ORDER.index(outcome.arm), outcome.seed)):
            found.setdefault(outcome.arm, []).append(outcome.scores[split][name])
        return {arm: np.stack(rows) for arm, rows in found.items()}


class Trainings:
    """Trains arms, each with a mass and a seed once, and keeps what came of it.

    Args:
        material: What to train and to judge on.
        recipe: The same for all but for the seed.
        seeds: Of batches, and of the random subset.
        train: `synalign.retriever.train.train`.
    """

    def __init__(self, material: Material, recipe: Recipe, seeds: range, train: Train) -> None:
        self.seeds = seeds
        self._material, self._recipe, self._train = material, recipe, train
        self._done: dict[tuple[str, float, int], Outcome] = {}
        self._treatment = CONTROL

    @property
    def taught(self) -> bool:
        """Whether pairs have more than themselves to learn from: hard negatives, or a teacher."""
        return self._recipe.teacher != "none" or self._material.real.negatives is not None

    def climb(self, masses: Sequence[float], advance: Advance) -> Ladder:
        """Choose among masses and schemes on validation queries."""

        def score(cell: Cell, seed: int) -> NDArray[np.float64]:
            return self._outcome(arm_of(cell.scheme), cell.mass, seed, advance).scores["validation"][MEASURES[0]]

        return climb(masses, self.seeds, score)

    def trial(self, mass: float, advance: Advance, treatment: str = CONTROL) -> Trial:
        """Return the outcomes of every arm at one mass with every seed; what is trained already is not trained again.

        Args:
            mass: > 0, total weight of an arm's written pairs over that of the real ones.
            advance: Counts trainings; its total is set here.
            treatment: The arm that is trained on its pairs alone too, where they have negatives or a teacher.
        """
        self._treatment = treatment
        every = [*ARMS, PAIRS_ONLY] if self.taught else [*ARMS]
        wanted = [(arm, 0.0 if arm == CONTROL else mass, seed) for seed in self.seeds for arm in every]
        advance.total = len(self._done) + sum(key not in self._done for key in wanted)
        outcomes = [self._outcome(*key, advance) for key in wanted]
        advance.note = ""
        advance.reach(len(self._done))
        return Trial(outcomes)

    def _outcome(self, arm: str, mass: float, seed: int, advance: Advance) -> Outcome:
        key = arm, mass, seed
        if key not in self._done:
            at = f" at mass {mass:g}" if mass else ""
            advance.note = f"now {arm}{at}, seed {self.seeds.index(seed) + 1} of {len(self.seeds)}"
            advance.reach(len(self._done))
            self._done[key] = self._trained(arm, mass, seed)
        return self._done[key]

    def _trained(self, arm: str, mass: float, seed: int) -> Outcome:
        material = self._material
        weights = arms(material.pool, mass * len(material.real.query), seed)
        pairs = material.real.joined(material.written, weights[self._treatment if arm == PAIRS_ONLY else arm])
        recipe = self._recipe._replace(seed=seed)
        if arm == PAIRS_ONLY:
            pairs, recipe = pairs.alone(), recipe.alone()
        trained = self._train(material.collection, pairs, material.judged["validation"].pairs, recipe)
        scores = {split: _judge(trained, judged) for split, judged in material.judged.items()}
        return Outcome(arm, seed, trained.step, scores)


def _judge(trained: Trained, judged: Judged) -> dict[str, NDArray[np.float64]]:
    if not judged.ids:
        return {name: np.zeros(0) for name in MEASURES}
    return measure(trained.rank(judged.places, DEPTH), judged.relevant)
