"""Training on a made language: it learns, what it learns follows the weights, and it repeats to the bit."""

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch

from synalign.config import Encoder
from synalign.errors import ArgumentError
from synalign.retriever.collection import Collection, Pairs
from synalign.retriever.measures import measure
from synalign.retriever.recipe import Kind, Recipe
from synalign.retriever.train import Trained, prepare, train

NONE = Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
THINGS = np.arange(24)


def ndcg(trained: Trained, queries: np.ndarray = THINGS) -> float:
    return float(measure(trained.rank(queries, 10), [{int(query)} for query in queries])["ndcg_at_10"].mean())


@pytest.mark.parametrize("kind", ["adapter", "static", "full"])
def test_learns(
    kind: Kind, make_collection: Callable[[], Collection], every_pair: Pairs, recipe: Callable[..., Recipe]
) -> None:
    trained = train(make_collection(), every_pair, every_pair, recipe(kind))
    assert sorted(trained.validation) == [0, 15, 30]
    assert trained.validation[trained.step] > trained.validation[0] + 0.15
    assert ndcg(trained) == pytest.approx(trained.validation[trained.step], abs=1e-12)


@pytest.mark.parametrize("kind", ["adapter", "static", "full"])
def test_the_best_checkpoint_is_kept_zero_shot_included(
    kind: Kind, make_collection: Callable[[], Collection], every_pair: Pairs, recipe: Callable[..., Recipe]
) -> None:
    """Trained on wrong pairs, a retriever that knew something unlearns it: the one before training stays."""
    made = make_collection()
    # Documents that share words and vectors with their queries: known before training.
    documents = [f"{query} is {document}" for query, document in zip(made.queries, made.documents, strict=True)]
    collection = Collection(made.queries, documents, made.document_vectors, made.document_vectors)
    wrong = Pairs(THINGS, np.roll(THINGS, 5), np.ones(24))
    trained = train(collection, wrong, every_pair, recipe(kind))
    assert trained.step == 0
    assert trained.validation[30] < trained.validation[0]
    assert ndcg(trained) == trained.validation[0]
    untrained = train(collection, wrong, NONE, recipe(kind))
    assert (untrained.step, untrained.validation) == (30, {})


def test_an_arm_is_nothing_but_weights(
    make_collection: Callable[[], Collection], every_pair: Pairs, recipe: Callable[..., Recipe]
) -> None:
    collection = make_collection()
    half = every_pair._replace(weight=np.where(THINGS < 12, 1.0, 0.0))
    only = Pairs(*(part[:12] for part in every_pair[:3]))
    scaled = half._replace(weight=half.weight * 7.0)
    first, second, third = (train(collection, pairs, NONE, recipe("static")) for pairs in (half, only, scaled))
    rankings = [trained.rank(THINGS, 24).tobytes() for trained in (first, second, third)]
    assert rankings[0] == rankings[2], "only ratios of weights matter"
    assert ndcg(first, THINGS[:12]) > ndcg(first, THINGS[12:]) + 0.1
    assert ndcg(second, THINGS[:12]) > ndcg(second, THINGS[12:]) + 0.1


@pytest.mark.parametrize("kind", ["adapter", "static", "full"])
def test_repeats_to_the_bit_and_leaves_nothing_changed(
    kind: Kind, make_collection: Callable[[], Collection], every_pair: Pairs, recipe: Callable[..., Recipe]
) -> None:
    torch.manual_seed(123)
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    shared = make_collection()
    first = train(shared, every_pair, every_pair, recipe(kind, steps=6))
    other = train(shared, every_pair, every_pair, recipe(kind, steps=6, seed=1))
    torch.manual_seed(99)
    again = train(make_collection(), every_pair, every_pair, recipe(kind, steps=6))
    assert first.validation == again.validation != other.validation
    assert np.array_equal(first.rank(THINGS, 24), again.rank(THINGS, 24))
    torch.manual_seed(123)
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.get_num_threads() == threads


PROGRAM = """
import numpy as np
from synalign.retriever.collection import Collection, Pairs
from synalign.retriever.train import Recipe, train
vectors = np.random.default_rng(0).normal(size=(80, 16)).astype(np.float32)
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
pairs = Pairs(np.arange(40), np.arange(40), np.arange(40.0))
collection = Collection([""] * 40, [""] * 40, vectors[:40], vectors[40:])
trained = train(collection, pairs, pairs, Recipe("adapter", 9, 16, 1e-2))
result = (trained.step, trained.validation, trained.rank(np.arange(40), 40).tolist())
"""


@pytest.mark.slow
def test_another_process_gives_the_same() -> None:
    here: dict[str, object] = {}
    exec(PROGRAM, here)
    there = subprocess.run(
        [sys.executable, "-c", PROGRAM + "print(result)"], capture_output=True, text=True, check=True
    )
    assert there.stdout.strip() == str(here["result"])


def test_several_documents_of_a_query_are_not_each_others_negatives(
    make_collection: Callable[[], Collection], recipe: Callable[..., Recipe]
) -> None:
    """One query with all documents relevant: there is nothing to be nearer to than anything else, so nothing moves."""
    collection = make_collection()
    pairs = Pairs(np.zeros(24, np.int64), THINGS, np.ones(24))
    before = train(collection, pairs, pairs, recipe("adapter"))
    after = train(collection, pairs, NONE, recipe("adapter"))
    assert before.validation[0] == before.validation[30] == 1.0
    assert np.array_equal(after.rank(THINGS, 24), before.rank(THINGS, 24))


def test_arms_and_seeds_share_what_is_prepared(
    make_collection: Callable[[], Collection], every_pair: Pairs, recipe: Callable[..., Recipe], static_model: str
) -> None:
    collection = make_collection()
    prepared = prepare(collection, recipe("static"))
    train(collection, every_pair, NONE, recipe("static", seed=5, steps=1))
    assert prepare(collection, recipe("static", seed=9)) is prepared
    other = recipe("static", encoder=Encoder(model=static_model, max_tokens=8))
    assert prepare(collection, other) is not prepared


def test_what_validation_says_before_training_is_asked_once_for_the_same_queries(
    make_collection: Callable[[], Collection],
    every_pair: Pairs,
    recipe: Callable[..., Recipe],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def counted(ranking: np.ndarray, *rest: object) -> dict[str, np.ndarray]:
        asked.append(len(ranking))
        return measure(ranking, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("synalign.retriever.train.measure", counted)
    shared, some = make_collection(), Pairs(*(part[:7] for part in every_pair[:3]))
    for validation, seed in ((every_pair, 0), (every_pair, 1), (some, 1)):
        found = train(shared, every_pair, validation, recipe("adapter", steps=2)._replace(seed=seed))
        alone = train(make_collection(), every_pair, validation, recipe("adapter", steps=2)._replace(seed=seed))
        assert found.validation == alone.validation
    # Before training, half way and at the end; of trainings on the shared collection the second knows the first.
    assert asked == [24] * 3 + [24] * 3 + [24] * 2 + [24] * 3 + [7] * 3 + [7] * 3


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        (Pairs(np.array([0, 24]), np.array([0, 1]), np.ones(2)), r"pairs.query\[1\]"),
        (Pairs(np.array([0, 1]), np.array([0, -1]), np.ones(2)), r"pairs.document\[1\]"),
        (Pairs(np.array([0, 1]), np.array([0, 1]), np.array([1.0, np.nan])), r"pairs.weight\[1\]"),
        (Pairs(np.array([0, 1]), np.array([0, 1]), np.ones(3)), "pairs.weight.shape"),
        (Pairs(np.array([0, 1]), np.array([3, 3]), np.ones(2)), "two at least"),
        (NONE, "sum of weights"),
    ],
)
def test_unusable_pairs_are_refused(
    pairs: Pairs, said: str, make_collection: Callable[[], Collection], recipe: Callable[..., Recipe]
) -> None:
    with pytest.raises(ArgumentError, match=said):
        train(make_collection(), pairs, NONE, recipe("static"))
