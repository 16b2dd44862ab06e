"""Which loss a training takes: what the settings say, else what the set and the teacher allow."""

from collections.abc import Callable
from typing import Any

import pytest

from synalign.config import Configuration, Training
from synalign.errors import InputError
from synalign.retriever.contrastive import WeightedMultipleNegativesRankingLoss
from synalign.retriever.distillation import WeightedListwiseDistillationLoss
from synalign.training.loss import chosen, has_scores, lesson, loss_of
from synalign.training.retriever import retriever
from tests.training.world import world

Make = Callable[..., Configuration]
CROSS = {"kind": "cross_encoder", "model": "m"}
SERVER = {"kind": "rerank", "model": "m", "endpoint": "http://127.0.0.1:9/v1"}


@pytest.mark.parametrize(
    ("settings", "teacher", "scored", "expected"),
    [
        ({}, CROSS, True, "distillation"),
        ({}, SERVER, True, "distillation"),
        ({}, CROSS, False, "contrastive"),
        ({"mini_batch_size": 8}, CROSS, True, "contrastive"),
        # The encoder's own cosines teach nothing to a model that begins as the encoder.
        ({}, {"kind": "encoder"}, True, "contrastive"),
        ({"loss": "distillation"}, {"kind": "encoder"}, True, "distillation"),
        ({"loss": "contrastive"}, CROSS, True, "contrastive"),
    ],
)
def test_the_loss_follows_settings_teacher_and_set(
    configuration: Make, settings: dict[str, Any], teacher: dict[str, Any], scored: bool, expected: str
) -> None:
    assert chosen(Training(**settings), configuration(teacher=teacher), scored) == expected


@pytest.mark.parametrize(
    ("teacher", "expected"),
    [
        (CROSS, 1.0),
        (SERVER, 1.0),
        ({}, 0.05),
        ({"score_temperature": 0.3}, 0.3),
        ({**SERVER, "score_temperature": 2.0}, 2.0),
    ],
)
def test_logits_and_cosines_have_their_own_temperatures(
    configuration: Make, teacher: dict[str, Any], expected: float
) -> None:
    run = world(configuration(teacher=teacher), negatives=2, scored=True)
    assert lesson(run, Training(loss="distillation")).temperature == expected


def test_columns_are_those_that_the_loss_takes(configuration: Make) -> None:
    run = world(configuration(), negatives=2, scored=True)
    assert has_scores(run)
    assert lesson(run, Training()).dataset.column_names == ["anchor", "positive", "label"]
    with_one = lesson(run, Training(hard_negatives=1))
    assert with_one.dataset.column_names == ["anchor", "positive", "negative_1", "label"]
    taught = lesson(run, Training(loss="distillation"))
    assert taught.dataset[0]["label"] == [1.0, 5.0, -5.0, -5.0]
    assert taught.mean_weight == with_one.mean_weight == 1.0


def test_a_set_without_scores_cannot_be_distilled(configuration: Make) -> None:
    run = world(configuration())
    assert not has_scores(run)
    with pytest.raises(InputError, match="nothing to distil"):
        lesson(run, Training(loss="distillation"))


def test_parts_are_for_models_that_have_something_to_cache(
    configuration: Make, make_model: Callable[[str], str]
) -> None:
    # Its import takes ten seconds, which other tests do without.
    from synalign.retriever.cached import CachedWeightedMultipleNegativesRankingLoss

    learnt = lesson(world(configuration()), Training())
    for kind, size, expected in (
        ("mean", None, WeightedMultipleNegativesRankingLoss),
        ("mean", 4, CachedWeightedMultipleNegativesRankingLoss),
        ("static", 4, WeightedMultipleNegativesRankingLoss),
    ):
        model = retriever(make_model(kind), 32, "cpu")
        assert type(loss_of(learnt, model, Training(mini_batch_size=size))) is expected
    taught = learnt._replace(loss="distillation")
    assert type(loss_of(taught, model, Training(loss="distillation"))) is WeightedListwiseDistillationLoss
