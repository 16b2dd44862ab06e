"""Settings of ingestion, and of the sampling of demonstrations."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from synalign.config.closed import Closed, Fraction


class Ingest(Closed):
    """How a log becomes queries, documents and pairs."""

    max_query_characters: int = Field(300, ge=1, le=10_000, description="Longer queries are rejected.")
    validation_fraction: Fraction = Field(0.1, description="Share of queries that choose, by hash of the query.")
    test_fraction: Fraction = Field(
        0.2, description="Share of queries that only report; both shares together at most 0.9."
    )
    split_salt: str = Field("synalign", description="Changing it draws another split.")

    @model_validator(mode="after")
    def _leaves_train(self) -> Ingest:
        if self.validation_fraction + self.test_fraction > 0.9:
            raise ValueError("validation_fraction + test_fraction must be <= 0.9, or nothing is left to train on")
        return self


class Sampling(Closed):
    """Exploration-aware sampling of demonstrations."""

    batches: int = Field(24, ge=1, le=100_000, description="Batches of demonstrations, each two model requests.")
    neighbours: int = Field(7, ge=0, le=63, description="Queries in a batch beside its anchor.")
    breadth: int = Field(
        16, ge=0, le=1024, description="Members are picked among this many nearest queries; at least neighbours."
    )
    criterion: Literal["coverage", "variance"] = Field("coverage", description="`variance` is the paper's.")
    noise: float = Field(1e-2, gt=0.0, le=10.0, description="Observation variance of the Gaussian process.")
    length_scale: float | None = Field(None, gt=0.0, le=10.0, description="null: a multiple of the median distance.")
    label_balance: Literal["proportional", "equal"] = Field(
        "proportional", description="Classification only: batches per label by traffic, or the same for every label."
    )
    memory: int = Field(
        7,
        ge=0,
        le=365,
        description="How many earlier intervals' demonstrations count as shown; with `pool.explored` never fewer than "
        "`pool.nights`.",
    )
    stop_gain: float = Field(
        0.1,
        ge=0.0,
        lt=1.0,
        description="A batch that adds less coverage of the traffic than this share of what the median batch adds "
        "where nothing was shown yet is not asked for; one batch always is. 0: all are.",
    )

    @model_validator(mode="after")
    def _breadth_holds_neighbours(self) -> Sampling:
        if self.breadth < self.neighbours:
            raise ValueError("breadth must be >= neighbours")
        return self
