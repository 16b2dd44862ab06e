"""What a training set gives a trainer beside its pairs, and how SynAlign trains on it itself."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from synalign.config.closed import Closed, Fraction

NegativeSource = Literal["encoder", "bm25"]

MOST_NEGATIVES = 16
"""Most hard negatives of a pair: each is a column of texts in the training set."""


def _distinct(sources: tuple[NegativeSource, ...]) -> tuple[NegativeSource, ...]:
    if len(set(sources)) < len(sources):
        raise ValueError("must hold no source twice")
    # Sorted, so that the same choice is the same setting: its fingerprint decides what is reused.
    return tuple(sorted(sources, reverse=True))


class Negatives(Closed):
    """Hard negatives: documents that look like the answer to a query and are not."""

    per_pair: int = Field(
        4,
        ge=0,
        le=MOST_NEGATIVES,
        description="Of every train pair, real and written; 0: none are mined, nor for classification.",
    )
    sources: Annotated[tuple[NegativeSource, ...], AfterValidator(_distinct)] = Field(
        ("encoder", "bm25"), min_length=1, description="Who proposes documents: nearest by vectors, by words, or both."
    )
    depth: int = Field(50, ge=1, le=1000, description="Documents that each source proposes for a query.")
    relative_margin: float = Field(
        0.05,
        ge=0.0,
        le=1.0,
        description="A document whose cosine is above this share below that of the pair's own document may be a right "
        "answer, and is none.",
    )
    duplicate_cosine: float = Field(
        0.95, gt=0.0, le=1.0, description="At or above it a document says the same as the pair's own, and is none."
    )


class Lora(Closed):
    """Low-rank matrices that are trained beside each linear layer, whose own weights stay (Hu et al., 2022)."""

    rank: int = Field(16, ge=1, le=1024, description="Of each pair of matrices: the more, the more can be learnt.")
    alpha: int = Field(32, ge=1, le=10_000, description="What they add is multiplied by alpha / rank.")
    dropout: float = Field(0.0, ge=0.0, lt=1.0, description="Share of their inputs that are left out at random.")


class Training(Closed):
    """How `synalign train` trains a retriever on the training set; no training set depends on it."""

    trigger: Literal["manual", "training_set"] = Field(
        "manual",
        description="`training_set`: the DAG `train__<retriever>` trains whenever a refresh has published a set.",
    )
    model: str | None = Field(
        None, description="The model to begin with, named as `encoder.model` is. null: the encoder."
    )
    loss: Literal["auto", "contrastive", "distillation"] = Field(
        "auto",
        description="`distillation` teaches the scores of the set. `auto`: that where a reranker gave them and "
        "`mini_batch_size` is null, else `contrastive`.",
    )
    hard_negatives: int | None = Field(
        0,
        ge=0,
        le=MOST_NEGATIVES,
        description="Hard negatives of a pair in the contrastive loss; null: all that the set has. Distillation takes "
        "all.",
    )
    lora: Lora | None = Field(
        None,
        description="Trains small matrices beside the weights (LoRA) instead of the weights: less memory for gradients "
        "and optimiser. They are merged into the weights at the end. null: all weights are trained.",
    )
    epochs: float = Field(1.0, gt=0.0, le=1000.0, description="How often each train row is seen.")
    steps: int | None = Field(None, ge=1, le=10_000_000, description="Batches. null: as many as `epochs` takes.")
    batch_size: int = Field(64, ge=2, le=65_536, description="Pairs in a batch; each is a negative of the others.")
    mini_batch_size: int | None = Field(
        None,
        ge=1,
        le=65_536,
        description="Rows of a batch that are embedded together (GradCache): memory for so many, time for two passes. "
        "null: the whole batch at once. Of the contrastive loss alone.",
    )
    learning_rate: float | None = Field(
        None,
        gt=0.0,
        lt=1.0,
        description="null: 5e-5; 5e-4 with `lora`; 3e-3 for a model of static token vectors.",
    )
    warmup: Fraction = Field(0.1, description="Share of the steps in which the learning rate rises.")
    max_tokens: int | None = Field(
        None, ge=8, le=32_768, description="Longer texts are cut. null: as `encoder.max_tokens`."
    )
    evaluations: int = Field(
        10, ge=1, le=1000, description="How often validation queries are asked in a training, its end included."
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Of the multiplications. `auto`: bfloat16 on a GPU that has it, float32 elsewhere."
    )

    @model_validator(mode="after")
    def _cached_loss_is_contrastive(self) -> Training:
        if self.loss == "distillation" and self.mini_batch_size is not None:
            raise ValueError("mini_batch_size must be null for loss distillation, which takes a batch at once")
        return self
