"""The objective, against the same written out for one row at a time."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from synalign.errors import ArgumentError
from synalign.retriever.collection import Collection, Pairs
from synalign.retriever.learner import Learner
from synalign.retriever.objective import Objective
from synalign.retriever.recipe import Recipe
from synalign.retriever.train import prepare, train

Make = Callable[[], Collection]
SETTINGS: dict[str, Any] = {"batch_size": 4, "steps": 2}


class Fixed(Learner):
    """A retriever whose vectors are given."""

    def __init__(self, queries: np.ndarray, documents: np.ndarray) -> None:
        super().__init__()
        self.all = {"q": torch.from_numpy(queries), "d": torch.from_numpy(documents)}

    def queries(self, places: torch.Tensor) -> torch.Tensor:
        return self.all["q"][places]

    def documents(self, places: torch.Tensor) -> torch.Tensor:
        return self.all["d"][places]

    def optimiser(self, learning_rate: float) -> torch.optim.Optimizer:
        raise NotImplementedError


def unit(count: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, 8))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max())
    return np.asarray(raised / raised.sum())


PAIRS = Pairs(
    np.array([0, 1, 2, 2]), np.array([0, 1, 2, 3]), np.ones(4),
    # Pair 1 has the document of pair 0 as a negative, pair 2 but one; 2 and 3 are of one query.
    np.array([[5, 6], [0, 7], [8, -1], [9, 5]]),
    np.array([[0.9, 0.2, 0.1], [0.8, 0.3, 0.2], [0.7, 0.6, np.nan], [0.9, 0.5, 0.4]]),
)  # fmt: skip
WEIGHTS = np.array([1.0, 0.5, 2.0, 1.0])


def expected(teacher: str, contrastive: float, student: tuple[np.ndarray, np.ndarray], world: Collection) -> float:
    """Sum up rows by the formulas of the module."""
    queries, documents = student
    places = [*PAIRS.document.tolist()]
    assert PAIRS.negatives is not None and PAIRS.scores is not None
    there = [True] * 4
    for column in range(2):
        for row in range(4):
            there.append(PAIRS.negatives[row, column] >= 0)
            places.append(max(0, int(PAIRS.negatives[row, column])))
    right = {0: {0}, 1: {1}, 2: {2, 3}}
    total = 0.0
    for row in range(4):
        query = int(PAIRS.query[row])
        logits = 20.0 * (documents[places] @ queries[query])
        others = [
            place for place in range(12)
            if there[place] and (place == row or places[place] not in right[query])
        ]  # fmt: skip
        loss = np.log(np.exp(logits[others]).sum()) - logits[row]
        value = loss if teacher == "none" else contrastive * loss
        if teacher == "encoder":
            known = [place for place in range(12) if there[place]]
            taught = softmax(20.0 * (world.document_vectors[[places[k] for k in known]] @ world.query_vectors[query]))
        else:
            known = [place for place in (row, 4 + row, 8 + row) if there[place]]
            taught = softmax(PAIRS.scores[row][: len(known)] / 0.5)
        if teacher != "none":
            value += float((taught * (np.log(taught) - np.log(softmax(logits[known])))).sum())
        total += WEIGHTS[row] * value
    return total / 4


@pytest.mark.parametrize("teacher", ["none", "encoder", "scores"])
@pytest.mark.parametrize("contrastive", [0.0, 0.3])
def test_the_loss_is_that_of_the_formulas(teacher: Any, contrastive: float) -> None:
    world = Collection(["q"] * 3, ["d"] * 10, unit(3, 0), unit(10, 1))
    student = unit(3, 2), unit(10, 3)
    recipe = Recipe("adapter", teacher=teacher, temperature=0.5, contrastive=contrastive)
    objective = Objective(PAIRS, WEIGHTS, recipe, world)
    found = objective(Fixed(*student), np.arange(4)).item()
    assert found == pytest.approx(expected(teacher, contrastive, student, world), rel=1e-4)


def test_documents_that_are_right_for_a_query_are_no_negatives_of_it() -> None:
    world = Collection(["q"] * 3, ["d"] * 10, unit(3, 0), unit(10, 1))
    found = Objective(PAIRS, WEIGHTS, Recipe("adapter"), world).documents(np.arange(4))
    assert found.places.tolist() == [0, 1, 2, 3, 5, 0, 8, 9, 6, 7, 2, 5]
    assert np.argwhere(found.hidden).tolist() == [
        [0, 5], [0, 10], [1, 10], [2, 3], [2, 10], [3, 2], [3, 10],
    ]  # fmt: skip


def test_a_taught_retriever_ranks_as_its_teacher_does(make_collection: Make, every_pair: Pairs) -> None:
    """The teacher knows nothing of the pairs: whoever learns from it alone un-learns them."""
    world = make_collection()
    rotated = Collection(world.queries, world.documents, world.document_vectors, world.document_vectors)
    recipe = Recipe("adapter", steps=60, batch_size=12, learning_rate=3e-2, contrastive=0.0)
    # The adapter starts from vectors that find nothing; taught by vectors that find everything it would find all.
    student = prepare(world, recipe).learner()
    objective = Objective(every_pair, np.ones(24), recipe._replace(teacher="encoder"), rotated)
    optimiser = student.optimiser(3e-2)
    before = objective(student, np.arange(24)).item()
    for _ in range(60):
        optimiser.zero_grad()
        objective(student, np.arange(24)).backward()
        optimiser.step()
    assert objective(student, np.arange(24)).item() < before / 4


@pytest.mark.parametrize(
    ("negatives", "scores", "said"),
    [
        (np.zeros((23, 2), dtype=np.int64), None, r"pairs\.negatives"),
        (np.full((24, 1), 24), None, r"pairs\.negatives\[0, 0\]"),
        (np.full((24, 1), -2), None, r"pairs\.negatives\[0, 0\]"),
        (np.arange(24)[:, None], None, "not the pair's own document"),
        (np.full((24, 1), 0.5), None, "whole numbers"),
        (np.roll(np.arange(24), 1)[:, None], np.ones((24, 3)), r"pairs\.scores\.shape"),
    ],
)
def test_negatives_and_scores_that_fit_no_pair_are_refused(
    make_collection: Make, every_pair: Pairs, negatives: np.ndarray, scores: np.ndarray | None, said: str
) -> None:
    pairs = every_pair._replace(negatives=negatives, scores=scores)
    with pytest.raises(ArgumentError, match=said):
        train(make_collection(), pairs, every_pair, Recipe("adapter", **SETTINGS))


def test_scores_must_be_there_where_they_teach(make_collection: Make, every_pair: Pairs) -> None:
    with pytest.raises(ArgumentError, match=r"pairs\.scores"):
        train(make_collection(), every_pair, every_pair, Recipe("adapter", teacher="scores", **SETTINGS))
    with pytest.raises(ArgumentError, match="teacher"):
        train(make_collection(), every_pair, every_pair, Recipe("adapter", teacher="nobody", **SETTINGS))  # type: ignore[arg-type]
