"""Which written queries are kept, with which weights, and what a set must pass before it serves."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from synalign.config.closed import Closed
from synalign.config.judge import Judge
from synalign.config.schemes import ALIGNED, SchemeSetting


def _distinct_and_sorted(masses: tuple[float, ...]) -> tuple[float, ...]:
    # Sorted, so that the same choice is the same setting: its fingerprint decides what is reused.
    found = tuple(sorted(mass + 0.0 for mass in masses))
    if len(set(found)) < len(found):
        raise ValueError("must hold no number twice")
    return found


Masses = Annotated[
    tuple[Annotated[float, Field(strict=True, ge=0.0, le=100.0)], ...], AfterValidator(_distinct_and_sorted)
]
"""Distinct masses, ascending."""


class Screening(Closed):
    """Which candidates are kept."""

    near_duplicate_cosine: float = Field(0.95, gt=0.0, le=1.0, description="At or above it two queries are the same.")
    round_trip_depth: int = Field(
        10,
        ge=1,
        le=1000,
        description="The document must be in the top this many. Of labels at most one in 25 counts: the top 3 of 77.",
    )
    copied_words: int = Field(
        10,
        ge=2,
        le=1000,
        description="A query that shares this many words in a row with its document is a copy. At 10, 3 in 2,000 real "
        "CLAP NQ queries would be (names of songs and laws), and 3 % of questions GPT-4 wrote for given passages.",
    )
    personal_data: bool = Field(True, description="Whether queries that hold personal data are rejected.")
    judge: Judge | None = Field(None, description="null: no model is asked.")


class Alignment(Closed):
    """The convex problem that gives the weights."""

    scheme: SchemeSetting = Field(
        ALIGNED, description="Weights of the training set where no validation query can choose."
    )
    ridge: float = Field(
        3e-4, ge=0.0, le=1e3, description="Price of uneven weights: more of it, a larger effective sample."
    )
    coverage: float = Field(
        1e-2,
        ge=0.0,
        le=1e3,
        description="Price of uneven mass per document, so that none loses its queries. With ridge and coverage 0 the "
        "weights are the paper's.",
    )
    tolerance: float = Field(1e-6, gt=0.0, le=1e-1, description="Duality gap to stop at, relative to the objective.")
    mass: float = Field(
        2.0,
        gt=0.0,
        le=100.0,
        description="Total weight of synthetic rows over that of real rows, where no validation query can choose.",
    )


class Gate(Closed):
    """How much worse than real pairs alone a retriever may be, before its training set is kept from `current`."""

    max_loss: float = Field(
        0.005,
        ge=0.0,
        lt=1.0,
        description="Of nDCG@10 on test queries (of accuracy for classification), relative to the control.",
    )
    confidence: float = Field(0.95, gt=0.5, lt=1.0, description="Of the interval that decides.")
    evidence: Literal["of_harm", "of_safety"] = Field(
        "of_harm",
        description="`of_harm` fails a set shown to lose more than max_loss; `of_safety` fails every set not shown to "
        "lose less, which takes thousands of test queries.",
    )


class Evaluation(Closed):
    """Training retrievers or classifiers on real pairs and on the set, to choose its weights and to expose harm."""

    retriever: Literal["none", "adapter", "static", "full"] = Field(
        "adapter",
        description="What is trained: a linear map on the queries' vectors (seconds), averaged token vectors (a weak "
        "retriever, on which effects show), the whole encoder (minutes to hours), or nothing. Of `task: "
        "classification` a logistic regression: on the encoder's vectors as they are (`adapter`), or on those of "
        "token vectors or the encoder that texts and labels have fine-tuned (`static`, `full`).",
    )
    masses: Masses = Field(
        (0.0, 0.25, 0.5, 1.0, 2.0, 4.0),
        min_length=1,
        max_length=12,
        description="What validation queries choose `alignment.mass` among; 0 is the real pairs alone.",
    )
    seeds: int = Field(
        3,
        ge=1,
        le=20,
        description="Trainings per arm. A logistic regression on given vectors is the same for every seed, but for the "
        "random subset.",
    )
    steps: int = Field(100, ge=1, le=1_000_000, description="Batches per training, the same in every arm.")
    batch_size: int = Field(96, ge=2, le=4096, description="Pairs in a batch; each is a negative of the others.")
    learning_rate: float | None = Field(None, gt=0.0, lt=1.0, description="null: what suits the kind of retriever.")
    gate: Gate | None = Field(Gate(), description="null: no training set is held back for what it does to a retriever.")


class Checks(Closed):
    """What a version must pass before the alias `current` moves to it."""

    max_mmd_ratio: float = Field(
        1.0, gt=0.0, description="Held-out squared MMD after over before must be at most this."
    )
    min_effective_share: float = Field(0.1, ge=0.0, le=1.0, description="Effective sample size over accepted rows.")
    min_synthetic_rows: int = Field(1, ge=0, description="Written queries that the training set must hold.")
