"""One trial: every arm trained with every seed, and judged on the same queries; and the trainings of the ladder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from synalign.evaluation.arms import ARMS, CONTROL, PAIRS_ONLY, arm_of, arms
from synalign.evaluation.ladder import climb
from synalign.evaluation.macro_f1 import true_labels
from synalign.evaluation.measured import ACCURACY, RETRIEVAL, Measured
from synalign.evaluation.teaching import Teaching, weigh
from synalign.retriever.measures import DEPTH, MEASURES, measure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.evaluation.ladder import Cell, Ladder
    from synalign.evaluation.material import Judged, Material
    from synalign.progress import Advance
    from synalign.retriever.classifier import Classifier
    from synalign.retriever.collection import Collection, Pairs
    from synalign.retriever.recipe import Recipe
    from synalign.retriever.train import Trained

    Train = Callable[[Collection, Pairs, Pairs, Recipe], Trained | Classifier]


_ORDER = (*ARMS, PAIRS_ONLY)


class Labels(NamedTuple):
    """Predicted and true labels of the texts of one split, (q,) int64 places.

    Attributes:
        predicted: The most probable label of each.
        true: The label that each counts for, see `synalign.evaluation.macro_f1.true_labels`.
    """

    predicted: NDArray[np.int64]
    true: NDArray[np.int64]


class Outcome(NamedTuple):
    """One arm trained with one seed.

    Attributes:
        arm: Its name.
        seed: Of the training.
        step: The checkpoint that was kept.
        scores: By split and measure, (q,) float64.
        labels: By split, of a classifier; None of a retriever.
    """

    arm: str
    seed: int
    step: int
    scores: dict[str, dict[str, NDArray[np.float64]]]
    labels: dict[str, Labels] | None = None


class Trial:
    """The outcomes of all arms and seeds, every arm with the same seeds and queries.

    Args:
        outcomes: In any order.
        measured: What they are measured by.
    """

    def __init__(self, outcomes: list[Outcome], measured: Measured = RETRIEVAL) -> None:
        self.outcomes = outcomes
        self.measured = measured

    @property
    def names(self) -> list[str]:
        """Names of all measures that each query has."""
        return list(dict.fromkeys([self.measured.name, *MEASURES]))

    def scores(self, split: str, name: str = "") -> dict[str, NDArray[np.float64]]:
        """Return one measure of the queries of one split: by arm, (s, q) float64; unnamed, the one that chooses."""
        return self._by_arm(lambda outcome: outcome.scores[split][name or self.measured.name])

    def labels(self, split: str) -> tuple[dict[str, NDArray[np.int64]], dict[str, NDArray[np.int64]]] | None:
        """Return predicted and true labels of the texts of one split, each by arm (s, q); None of retrievers."""
        if any(outcome.labels is None for outcome in self.outcomes):
            return None

        def part(outcome: Outcome) -> Labels:
            assert outcome.labels is not None
            return outcome.labels[split]

        predicted = self._by_arm(lambda outcome: part(outcome).predicted)
        return predicted, self._by_arm(lambda outcome: part(outcome).true)

    def _by_arm(self, part: Callable[[Outcome], NDArray[Any]]) -> dict[str, NDArray[Any]]:
        found: dict[str, list[NDArray[Any]]] = {}
        for outcome in sorted(self.outcomes, key=lambda outcome: (_ORDER.index(outcome.arm), outcome.seed)):
            found.setdefault(outcome.arm, []).append(part(outcome))
        return {arm: np.stack(rows) for arm, rows in found.items()}


class Trainings:
    """Trains arms, each with a mass and a seed once, and keeps what came of it.

    Args:
        material: What to train and to judge on.
        recipe: The same for all but for the seed.
        seeds: Of batches, and of the random subset.
        train: `synalign.retriever.train.train`, or `synalign.retriever.classifier.classify`.
        measured: What they are measured by.
    """

    def __init__(
        self, material: Material, recipe: Recipe, seeds: range, train: Train, measured: Measured = RETRIEVAL
    ) -> None:
        self.seeds, self._measured = seeds, measured
        self._material, self._recipe, self._train = material, recipe, train
        self._done: dict[tuple[str, float, int], Outcome] = {}
        self._count = 0
        self._treatment = CONTROL

    @property
    def taught(self) -> bool:
        """Tell whether pairs have more than themselves to learn from: hard negatives, or a teacher."""
        return self._recipe.teacher != "none" or self._material.real.negatives is not None

    def settle(self, advance: Advance) -> Teaching:
        """Train on real pairs with negatives and teacher and without, and keep the way that validation queries allow.

        It holds for all arms that are trained from then on; what was trained the other way is forgotten.
        """
        taught, alone = (self._on_validation(arm, advance) for arm in (CONTROL, PAIRS_ONLY))
        found = weigh(taught, alone, self._measured)
        if not found.used:
            material = self._material
            self._material = material._replace(real=material.real.alone(), written=material.written.alone())
            self._recipe = self._recipe.alone()
            controls = [self._done[PAIRS_ONLY, 0.0, seed] for seed in self.seeds]
            self._done = {(CONTROL, 0.0, each.seed): each._replace(arm=CONTROL) for each in controls}
        return found

    def _on_validation(self, arm: str, advance: Advance) -> NDArray[np.float64]:
        outcomes = [self._outcome(arm, 0.0, seed, advance) for seed in self.seeds]
        return np.stack([outcome.scores["validation"][self._measured.name] for outcome in outcomes])

    def climb(self, masses: Sequence[float], advance: Advance) -> Ladder:
        """Choose among masses and schemes on validation queries."""

        def score(cell: Cell, seed: int) -> NDArray[np.float64]:
            return self._outcome(arm_of(cell.scheme), cell.mass, seed, advance).scores["validation"][
                self._measured.name
            ]

        return climb(masses, self.seeds, score, self._measured)

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
        advance.total = self._count + sum(key not in self._done for key in wanted)
        outcomes = [self._outcome(*key, advance) for key in wanted]
        advance.note = ""
        advance.reach(self._count)
        return Trial(outcomes, self._measured)

    def _outcome(self, arm: str, mass: float, seed: int, advance: Advance) -> Outcome:
        key = arm, mass, seed
        if key not in self._done:
            at = f" at mass {mass:g}" if mass else ""
            advance.note = f"now {arm}{at}, seed {self.seeds.index(seed) + 1} of {len(self.seeds)}"
            advance.reach(self._count)
            self._done[key] = self._trained(arm, mass, seed)
            self._count += 1
        return self._done[key]

    def _trained(self, arm: str, mass: float, seed: int) -> Outcome:
        material = self._material
        weights = arms(material.pool, mass * len(material.real.query), seed)
        pairs = material.real.joined(material.written, weights[self._treatment if arm == PAIRS_ONLY else arm])
        recipe = self._recipe._replace(seed=seed)
        if arm == PAIRS_ONLY:
            pairs, recipe = pairs.alone(), recipe.alone()
        trained = self._train(material.collection, pairs, material.judged["validation"].pairs, recipe)
        rankings = {split: trained.rank(judged.places, DEPTH) for split, judged in material.judged.items()}
        scores = {split: measure(ranking, material.judged[split].relevant) for split, ranking in rankings.items()}
        if self._measured.name != ACCURACY:
            return Outcome(arm, seed, trained.step, scores)
        labels = {split: _labels(ranking, material.judged[split]) for split, ranking in rankings.items()}
        for split, (predicted, true) in labels.items():
            scores[split][ACCURACY] = (predicted == true).astype(np.float64)
        return Outcome(arm, seed, trained.step, scores, labels)


def _labels(ranking: NDArray[np.int64], judged: Judged) -> Labels:
    predicted = ranking[:, 0]
    return Labels(predicted, true_labels(predicted, judged.relevant))
