"""The training recipe: everything that must be equal in every arm, so that only weights differ."""

from __future__ import annotations

from typing import Literal, NamedTuple

from synalign.arrays.checks import real_number, whole_number
from synalign.config import Encoder
from synalign.errors import ArgumentError

Kind = Literal["adapter", "static", "full"]

Teacher = Literal["none", "encoder", "scores"]

LEARNING_RATES: dict[Kind, float] = {"adapter": 2e-4, "static": 3e-3, "full": 5e-5}
"""A learning rate for each kind, for batches of about a hundred and some hundred steps."""

CONTRASTIVE = 0.3
"""Share of the contrastive loss where there is a teacher."""


class Recipe(NamedTuple):
    """One training.

    Attributes:
        retriever: `adapter` (a linear map on the queries' vectors), `static` (averaged token vectors) or `full` (the
            whole encoder).
        steps: Batches.
        batch_size: Pairs per batch; fewer where there are not as many documents.
        learning_rate: None: `LEARNING_RATES`.
        seed: Of batches and dropout.
        threads: Of torch. The same number gives the same bits.
        encoder: The model that `static` and `full` start from.
        teacher: Who teaches which documents are nearer: nobody; the encoder as published, by the collection's vectors,
            on all documents of a batch; or the pairs' scores, on the documents that have some.
        temperature: Of the teacher's scores; unused for the encoder, whose cosines have the student's.
        contrastive: Share of the contrastive loss beside what a teacher teaches.
    """

    retriever: Kind
    steps: int = 100
    batch_size: int = 96
    learning_rate: float | None = None
    seed: int = 0
    threads: int = 1
    encoder: Encoder = Encoder()
    teacher: Teacher = "none"
    temperature: float = 1.0
    contrastive: float = CONTRASTIVE

    def alone(self) -> Recipe:
        """Return the recipe of pairs alone, without a teacher."""
        return self._replace(teacher="none")

    @property
    def rate(self) -> float:
        """The learning rate in force."""
        return LEARNING_RATES[self.retriever] if self.learning_rate is None else self.learning_rate

    @property
    def checkpoints(self) -> tuple[int, ...]:
        """After which steps validation queries are asked: before training, half way, at the end.

        >>> Recipe("static", steps=200).checkpoints, Recipe("static", steps=1).checkpoints
        ((0, 100, 200), (0, 1))
        """
        return tuple(sorted({0, self.steps // 2, self.steps}))

    def check(self) -> None:
        """Refuse a recipe that cannot be followed.

        Raises:
            ArgumentError: An unknown kind, or a number out of range.
        """
        if self.retriever not in LEARNING_RATES:
            raise ArgumentError("retriever", self.retriever, f"must be one of {', '.join(LEARNING_RATES)}")
        whole_number("steps", self.steps, 1)
        whole_number("batch_size", self.batch_size, 2)
        whole_number("seed", self.seed, 0)
        whole_number("threads", self.threads, 1)
        real_number("learning_rate", self.rate, above=0.0)
        if self.teacher not in ("none", "encoder", "scores"):
            raise ArgumentError("teacher", self.teacher, "must be none, encoder or scores")
        real_number("temperature", self.temperature, above=0.0)
        real_number("contrastive", self.contrastive, least=0.0)
