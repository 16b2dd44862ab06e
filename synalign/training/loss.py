"""Which loss a training takes, and the columns that it is given."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from synalign.retriever.dataset import training_dataset

if TYPE_CHECKING:
    from datasets import Dataset
    from torch import nn

    from synalign.config import Configuration, Training
    from synalign.run import Run

log = logging.getLogger("synalign")

Loss = Literal["contrastive", "distillation"]

_TEMPERATURE = 0.05
"""Of cosines in a softmax, the student's always: similarities of unit vectors differ by 2 at most."""


class Lesson(NamedTuple):
    """What a model learns from.

    Attributes:
        loss: Which loss.
        dataset: Columns `anchor`, `positive`, `negative_1` and on, `label`.
        temperature: Of the teacher's scores; unused by the contrastive loss.
    """

    loss: Loss
    dataset: Dataset
    temperature: float

    @property
    def mean_weight(self) -> float:
        """The mean weight of the rows."""
        labels = self.dataset["label"]
        return float(np.mean([label[0] if isinstance(label, list) else label for label in labels]))


def lesson(run: Run, settings: Training) -> Lesson:
    """Read the rows to train on, with what the loss needs beside them.

    Raises:
        InputError: The set has no row to train on, or no scores to distil.
        RunError: The run has no finished training set.
        SetupError: The package `datasets` is missing.
    """
    folder, configuration = run.table_folder("training_set"), run.configuration
    loss = chosen(settings, configuration, has_scores(run))
    if loss == "distillation":
        return Lesson(loss, training_dataset(folder, scores=True), configuration.teacher.temperature)
    return Lesson(loss, training_dataset(folder, negatives=settings.hard_negatives), _TEMPERATURE)


def chosen(settings: Training, configuration: Configuration, scored: bool) -> Loss:
    """Return the loss that the settings mean.

    The scores of `teacher.kind: encoder` are those of the model that training begins with: they teach it nothing.

    Args:
        settings: Of the training.
        configuration: Of the run that made the set.
        scored: Whether the set has scores.
    """
    if settings.loss != "auto":
        return settings.loss
    taught = scored and configuration.teacher.scores_anew
    return "distillation" if taught and settings.mini_batch_size is None else "contrastive"


def has_scores(run: Run) -> bool:
    """Return whether the training set has scores of negatives; only the files' footers are read."""
    for place in run.files("training_set"):
        with place.open_input() as file:
            if "negative_score_1" in pq.read_schema(file).names:
                return True
    return False


def loss_of(lesson: Lesson, model: Any, settings: Training) -> nn.Module:
    """Return the loss for sentence-transformers' trainer.

    Raises:
        ArgumentError: A number out of range.
    """
    from synalign.retriever.cached import CachedWeightedMultipleNegativesRankingLoss
    from synalign.retriever.contrastive import WeightedMultipleNegativesRankingLoss
    from synalign.retriever.distillation import WeightedListwiseDistillationLoss

    if lesson.loss == "distillation":
        return WeightedListwiseDistillationLoss(
            model,
            student_temperature=_TEMPERATURE,
            teacher_temperature=lesson.temperature,
            distillation=_TEMPERATURE**-2,
            mean_weight=lesson.mean_weight,
        )
    if settings.mini_batch_size is not None and not is_static(model):
        return CachedWeightedMultipleNegativesRankingLoss(
            model, mean_weight=lesson.mean_weight, mini_batch_size=settings.mini_batch_size
        )
    if settings.mini_batch_size is not None:
        log.info("train: training.mini_batch_size is left out: static token vectors have next to nothing to cache")
    return WeightedMultipleNegativesRankingLoss(model, mean_weight=lesson.mean_weight)


def is_static(model: Any) -> bool:
    """Return whether a model is a bag of token vectors."""
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    return isinstance(model[0], StaticEmbedding)
