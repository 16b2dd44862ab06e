"""That arms differ in their weights and in nothing else, seen by a trainer that only takes notes."""

import logging
from typing import Any, NamedTuple

import numpy as np
import pytest

from synalign import progress
from synalign.evaluation import figures, trial
from synalign.evaluation.arms import ARMS, Pool
from synalign.evaluation.ladder import Cell, Ladder
from synalign.evaluation.material import Judged, Material
from synalign.retriever.collection import Collection, Pairs
from synalign.retriever.measures import MEASURES
from synalign.retriever.recipe import Recipe

DOCUMENTS = 30
RECIPE = Recipe("adapter", steps=3)


class Notes(NamedTuple):
    pairs: Pairs
    validation: Pairs
    recipe: Recipe


class Ranker:
    """Puts document (query + shift) mod 30 first, and the others after it."""

    def __init__(self, shift: int) -> None:
        self.step, self.shift = 1 + shift, shift

    def rank(self, queries: np.ndarray, depth: int) -> np.ndarray:
        return (queries[:, None] + self.shift + np.arange(min(depth, DOCUMENTS))) % DOCUMENTS


def judged(places: list[int], segments: list[str]) -> Judged:
    """Queries whose relevant document has their own number; those below 4 are known."""
    ids, relevant = [f"q{place}" for place in places], [{place} for place in places]
    cold = np.array([place >= 4 for place in places], dtype=bool)
    return Judged(ids, np.array(places, dtype=np.int64), relevant, np.array(segments, dtype=np.str_), cold)


@pytest.fixture
def material() -> Material:
    vectors = np.zeros((30, 0), dtype=np.float32)
    real = Pairs(np.arange(4), np.arange(4), np.ones(4))
    written = Pairs(np.arange(20, 25), np.array([5, 6, 7, 7, 8]), np.ones(5))
    weights = {"equal": np.full(4, 0.25), "equal_mass": np.array([0.5, 0.125, 0.125, 0.25]),
               "aligned": np.array([0.5, 0.5, 0.0, 0.0])}  # fmt: skip
    pool = Pool(np.array([True, True, False, True, True]), weights)  # type: ignore[arg-type]
    texts = [str(place) for place in range(30)]
    return Material(
        Collection(texts, texts, vectors, vectors), real, written, pool,
        {"validation": judged([10, 11], ["head", "tail"]), "test": judged([2, 12, 13], ["head", "tail", "tail"])},
    )  # fmt: skip


def done(material: Material, shift: Any = lambda notes: 0) -> tuple[trial.Trial, list[Notes]]:
    notes: list[Notes] = []

    def train(collection: Collection, pairs: Pairs, validation: Pairs, recipe: Recipe) -> Any:
        notes.append(Notes(pairs, validation, recipe))
        return Ranker(shift(notes[-1]))

    return run(trial.Trainings(material, RECIPE, range(7, 9), train), 2.0), notes


def run(trainings: trial.Trainings, mass: float) -> trial.Trial:
    with progress.progress("evaluate", 12, "trainings") as advance:
        return trainings.trial(mass, advance)


def test_every_arm_has_all_real_pairs_the_same_mass_and_the_same_recipe(material: Material) -> None:
    _, notes = done(material)
    assert len(notes) == len(ARMS) * 2
    for place, note in enumerate(notes):
        arm = ARMS[place % len(ARMS)]
        assert note.recipe == RECIPE._replace(seed=7 + place // len(ARMS))
        assert note.validation.query.tolist() == note.validation.document.tolist() == [10, 11]
        assert note.pairs.query[:4].tolist() == [0, 1, 2, 3]
        assert note.pairs.weight[:4].tolist() == [1.0] * 4
        assert note.pairs.weight[4:].sum() == pytest.approx(0.0 if arm == "control" else 8.0)
    rows = {arm: dict(zip(note.pairs.query[4:].tolist(), note.pairs.weight[4:].tolist(), strict=True))
            for arm, note in zip(ARMS, notes, strict=False)}  # fmt: skip
    assert rows["unweighted"] == pytest.approx({20: 1.6, 21: 1.6, 22: 1.6, 23: 1.6, 24: 1.6})
    assert rows["equal"] == pytest.approx({20: 2.0, 21: 2.0, 23: 2.0, 24: 2.0})
    assert rows["equal_mass"] == pytest.approx({20: 4.0, 21: 1.0, 23: 1.0, 24: 2.0})
    assert rows["aligned"] == pytest.approx({20: 4.0, 21: 4.0})
    assert sorted(rows["random_subset"].values()) == pytest.approx([4.0, 4.0])
    assert notes[4].pairs.document[4:].tolist() == [5, 6]


def test_scores_are_by_arm_and_seed_and_their_figures_by_hand(material: Material) -> None:
    """A shift of one puts a query's document last of 30: found, but not in ten."""

    def shift(note: Notes) -> int:
        return int(len(note.pairs.query) == 4 and note.recipe.seed == 8)

    found, _ = done(material, shift)
    assert found.scores("test")["control"].tolist() == [[1.0] * 3, [0.0] * 3]
    assert found.scores("test", "recall_at_100")["control"].tolist() == [[1.0] * 3] * 2
    assert found.scores("validation")["aligned"].tolist() == [[1.0] * 2] * 2
    scores = figures.resampled(found, 3)
    assert scores is not None
    test = figures.on_test(found, scores, "aligned")
    assert [test["control"][name] for name in MEASURES] == [0.5, 0.5, 0.5, 1.0]
    assert test["treatment"] == test["aligned"]
    assert test["treatment_minus_control"]["difference"] == 0.5
    assert test["aligned_minus_equal"]["difference"] == 0.0
    # Three queries are too few for an interval, whatever came out.
    assert not any("lower" in key for content in test.values() for key in content)
    segments = figures.by_segment(found, material.judged["test"], "aligned")
    assert {name: content["queries"] for name, content in segments.items()} == {
        "head": 1, "tail": 2, "cold_document": 2, "known_document": 1,
    }  # fmt: skip
    assert segments["tail"]["control"] == segments["tail"]["difference"] == 0.5
    assert figures.on_validation(found)["control"]["step"] == 1.5
    assert figures.resampled(found, 0) is None


def test_progress_is_said_before_every_training(
    material: Material, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    with caplog.at_level(logging.INFO, "synalign"):
        done(material)
    assert caplog.messages[0] == "evaluate: 0 of 12 trainings, now control, seed 1 of 2"
    assert any(
        line.startswith("evaluate: 9 of 12 trainings, now equal_mass at mass 2, seed 2 of 2, ")
        for line in caplog.messages
    )
    assert caplog.messages[-1].startswith("evaluate: 12 of 12 trainings, ")


def test_without_queries_of_a_split_there_are_no_scores_of_it(material: Material) -> None:
    nobody = material._replace(judged={**material.judged, "validation": judged([], [])})
    found, notes = done(nobody)
    assert found.scores("validation")["aligned"].shape == (2, 0)
    assert len(notes[0].validation.query) == 0


def climbed(
    material: Material, masses: tuple[float, ...], better: Any = lambda pairs: False
) -> tuple[Ladder, trial.Trial, list[Notes]]:
    """A ladder and the trial after it; who is not better finds a document of half of the queries only."""
    notes: list[Notes] = []

    def train(collection: Collection, pairs: Pairs, validation: Pairs, recipe: Recipe) -> Any:
        notes.append(Notes(pairs, validation, recipe))
        return Ranker(0 if better(pairs) else 1)

    trainings = trial.Trainings(material, RECIPE, range(7, 9), train)
    with progress.progress("evaluate", None, "trainings") as advance:
        ladder = trainings.climb(masses, advance)
        found = trainings.trial(ladder.champion.cell.mass or 2.0, advance)
        assert advance.total == len(notes)
    return ladder, found, notes


def test_the_ladder_trains_at_every_mass_and_the_trial_trains_nothing_twice(material: Material) -> None:
    ladder, found, notes = climbed(material, (0.0, 1.0, 2.0), lambda pairs: pairs.weight[4:].sum() > 7.9)
    assert ladder.champion.cell == Cell(2.0, "equal")
    assert [entry.cell.mass for entry in ladder.entries[:7]] == [0.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0]
    for entry, note in zip(ladder.entries[:7], notes, strict=False):
        assert note.pairs.weight[4:].sum() == pytest.approx(4.0 * entry.cell.mass)
        assert note.recipe.seed == 7
    # Seven arms once; the simplest and the three of mass 2 again; then what the trial lacks: two arms, two seeds.
    assert len(notes) == 7 + 4 + 4
    assert {(outcome.arm, outcome.seed) for outcome in found.outcomes} == {
        (arm, seed) for arm in ARMS for seed in (7, 8)
    }
    assert (found.scores("validation")["equal"] == ladder.scores[ladder.champion.cell]).all()


def test_where_real_pairs_win_the_arms_are_those_of_the_configured_mass(material: Material) -> None:
    ladder, found, notes = climbed(material, (0.0, 1.0))
    assert ladder.champion.cell == Cell(0.0, "none")
    assert len(notes) == 4 * 2 + 5 * 2
    assert all(note.pairs.weight[4:].sum() == pytest.approx(8.0) for note in notes[8:])
    assert list(found.scores("test")) == list(ARMS)


@pytest.mark.parametrize(("harms", "used"), [(True, False), (False, True)])
def test_a_teacher_that_harms_on_real_pairs_teaches_no_arm(material: Material, harms: bool, used: bool) -> None:
    """A trainer that is better or worse with negatives; what was trained the rejected way is in no outcome."""
    beside = material._replace(
        real=material.real._replace(negatives=np.full((4, 1), 9)),
        written=material.written._replace(negatives=np.full((5, 1), 9)),
    )
    notes: list[Notes] = []

    def train(collection: Collection, pairs: Pairs, validation: Pairs, recipe: Recipe) -> Any:
        notes.append(Notes(pairs, validation, recipe))
        return Ranker(1 if (pairs.negatives is not None) == harms else 0)

    trainings = trial.Trainings(beside, RECIPE._replace(teacher="encoder"), range(7, 9), train)
    with progress.progress("evaluate", None, "trainings") as advance:
        found = trainings.settle(advance)
        done = trainings.trial(2.0, advance, "equal")
        assert advance.total == len(notes)
    assert found.used is used is trainings.taught
    assert {outcome.arm for outcome in done.outcomes} == {*ARMS, *(["pairs_only"] if used else [])}
    assert {outcome.step for outcome in done.outcomes if outcome.arm != "pairs_only"} == {1}
    later = [note.recipe.teacher for note in notes[4:] if note.pairs.negatives is not None]
    assert set(later) == ({"encoder"} if used else set())
    # The controls are those of the way that was kept.
    assert len(notes) == 4 + len(ARMS[1:]) * 2 + (2 if used else 0)
