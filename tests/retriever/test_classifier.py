"""A classifier against scikit-learn's own, and cases that can be decided by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from synalign.config import Encoder
from synalign.errors import ArgumentError
from synalign.retriever.classifier import STRENGTH, STRENGTHS, classify
from synalign.retriever.collection import Collection, Pairs
from synalign.retriever.recipe import Kind, Recipe

RECIPE = Recipe("adapter")
NOBODY = Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def world(vectors: np.ndarray, labels: int) -> Collection:
    rows = unit(np.asarray(vectors, dtype=np.float64))
    texts = [f"text {row}" for row in range(len(rows))]
    names = [f"label {row}" for row in range(labels)]
    return Collection(texts, names, rows, np.zeros((labels, rows.shape[1]), np.float32))


def clouds(labels: int = 4, texts: int = 60, noise: float = 0.8) -> tuple[Collection, Pairs]:
    """Texts around a middle for each label."""
    rng = np.random.default_rng(1)
    places = np.arange(texts) % labels
    vectors = rng.normal(size=(labels, 6))[places] + noise * rng.normal(size=(texts, 6))
    return world(vectors, labels), Pairs(np.arange(texts), places, np.ones(texts))


def some(pairs: Pairs, rows: Any) -> Pairs:
    return Pairs(pairs.query[rows], pairs.document[rows], pairs.weight[rows])


@pytest.mark.parametrize("labels", [2, 4])
def test_it_ranks_labels_as_scikit_learn_does(labels: int) -> None:
    collection, pairs = clouds(labels)
    train = some(pairs, slice(0, 40))
    found = classify(collection, train, NOBODY, RECIPE)
    theirs = LogisticRegression(C=STRENGTH, max_iter=1000)
    theirs.fit(collection.query_vectors[:40].astype(float), train.document)
    judged = np.arange(40, 60)
    expected = np.argsort(-theirs.predict_proba(collection.query_vectors[judged].astype(float)), axis=1)
    assert found.step == STRENGTH
    assert found.rank(judged, 100).tolist() == expected.tolist()
    assert found.rank(judged, 1)[:, 0].tolist() == theirs.predict(collection.query_vectors[judged]).tolist()


def test_weights_are_those_of_scikit_learn_and_only_their_ratios_matter() -> None:
    collection, pairs = clouds()
    weights = np.random.default_rng(3).uniform(0.1, 4.0, 60)
    found, doubled = (
        classify(collection, pairs._replace(weight=factor * weights), NOBODY, RECIPE) for factor in (1.0, 2.0)
    )
    theirs = LogisticRegression(C=STRENGTH, max_iter=1000)
    theirs.fit(collection.query_vectors.astype(float), pairs.document, weights * weights.sum() / (weights @ weights))
    assert found.coefficients == pytest.approx(theirs.coef_, abs=1e-6)
    assert doubled.coefficients == pytest.approx(found.coefficients, abs=1e-6)


@pytest.mark.parametrize(("weights", "expected"), [([1.0, 3.0], 1), ([3.0, 1.0], 0)])
def test_weights_decide_what_texts_alone_do_not(weights: list[float], expected: int) -> None:
    """The same text with two labels: the heavier one is predicted."""
    collection = world(np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]), 2)
    pairs = Pairs(np.array([0, 1]), np.array([0, 1]), np.array(weights))
    assert classify(collection, pairs, NOBODY, RECIPE).rank(np.array([2]), 1).tolist() == [[expected]]


def test_validation_texts_choose_the_ridge_and_the_strongest_wins_a_tie() -> None:
    collection, pairs = clouds(noise=1.6)
    train, validation = some(pairs, slice(0, 40)), some(pairs, slice(40, 60))
    found = classify(collection, train, validation, RECIPE)
    scores = []
    for strength in STRENGTHS:
        theirs = LogisticRegression(C=strength, max_iter=1000)
        theirs.fit(collection.query_vectors[:40].astype(float), train.document)
        scores.append(theirs.score(collection.query_vectors[40:], validation.document))
    assert found.step == STRENGTHS[int(np.argmax(scores))]
    collection, pairs = clouds(noise=0.0)
    assert classify(collection, some(pairs, slice(0, 40)), some(pairs, slice(40, 60)), RECIPE).step == STRENGTHS[0]


def test_a_seed_changes_nothing_and_the_same_texts_are_trained_on_once() -> None:
    collection, pairs = clouds()
    first, second = (classify(collection, pairs, NOBODY, RECIPE._replace(seed=seed)) for seed in (0, 7))
    assert first is second
    assert classify(collection, some(pairs, slice(0, 30)), NOBODY, RECIPE) is not first


def test_a_label_without_a_train_text_is_never_predicted_nor_ranked() -> None:
    collection, pairs = clouds()
    weights = np.where(pairs.document == 2, 0.0, 1.0)
    found = classify(collection, pairs._replace(weight=weights), some(pairs, slice(40, 60)), RECIPE)
    assert found.labels.tolist() == [0, 1, 3]
    assert set(found.rank(np.arange(60), 10).ravel().tolist()) == {0, 1, 3}


def test_no_text_to_judge_gives_no_ranking() -> None:
    collection, pairs = clouds()
    assert classify(collection, pairs, NOBODY, RECIPE).rank(np.empty(0, np.int64), 3).shape == (0, 3)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"document": np.zeros(60, np.int64)}, "must have two labels"),
        ({"weight": np.zeros(60)}, "must have two labels"),
        ({"weight": np.where(np.arange(60) == 3, np.nan, 1.0)}, r"weight\[3\]"),
        ({"weight": np.where(np.arange(60) == 3, -1.0, 1.0)}, r"weight\[3\]"),
        ({"document": np.full(60, 9)}, r"must be in 0\.\.3"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(changed: dict[str, np.ndarray], said: str) -> None:
    collection, pairs = clouds()
    with pytest.raises(ArgumentError, match=said):
        classify(collection, pairs._replace(**changed), NOBODY, RECIPE)


@pytest.mark.parametrize(("kind", "model"), [("static", "static_model"), ("full", "bert_model")])
def test_an_encoder_is_fine_tuned_first_on_any_language(kind: Kind, model: str, request: pytest.FixtureRequest) -> None:
    said = {
        "Karte": ["wo ist meine Karte", "meine Karte fehlt"],
        "卡": ["我的卡在哪里", "卡丢了"],
        "pin": ["pin lost", "new pin"],
    }
    texts, labels = [text for both in said.values() for text in both], list(said)
    # Duplicates and a text without a known word are texts like others.
    texts += ["pin lost", ""]
    empty = np.zeros((len(texts), 0), np.float32)
    collection = Collection(texts, labels, empty, np.zeros((3, 0), np.float32))
    pairs = Pairs(np.arange(8), np.array([0, 0, 1, 1, 2, 2, 2, 2]), np.ones(8))
    recipe = Recipe(kind, steps=4, batch_size=3, encoder=Encoder(model=request.getfixturevalue(model)))
    first, second = (classify(collection, pairs, NOBODY, recipe) for _ in range(2))
    assert first.rank(np.arange(7), 1)[:, 0].tolist() == [0, 0, 1, 1, 2, 2, 2]
    assert np.array_equal(first.coefficients, second.coefficients)
