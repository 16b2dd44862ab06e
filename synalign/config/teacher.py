"""Settings of the teacher: a model that says which documents answer a query better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from synalign.config.closed import Address, Closed
from synalign.config.generation import Variable

_COSINES, _LOGITS, _GRADES = 0.05, 1.0, 0.5
"""Temperatures of scores in a softmax. Of grades 0 to 3: one more makes a document e^2, about 7 times as likely."""


class RerankBudget(Closed):
    """What a server that reranks costs, and how much of that may be spent in one refresh.

    A ceiling decides what is scored: a run that reaches it ends well with what it has, and pairs without scores are
    learnt without them. Raising it asks only for the rest.
    """

    input_price: float = Field(0.0, ge=0.0, description="Money per million tokens, of queries and documents.")
    request_price: float = Field(
        0.0, ge=0.0, description="Money per thousand requests, where the provider bills searches; one is a pair's."
    )
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="Of the prices and the ceiling.")
    max_money: float | None = Field(
        None, gt=0.0, description="Ceiling in money, never passed; it needs prices. null: none."
    )
    max_tokens: int | None = Field(
        None,
        ge=1,
        description="Ceiling in tokens. null: none. A server that does not count them has all bytes counted.",
    )
    max_requests: int | None = Field(None, ge=1, description="Ceiling in requests. null: none.")

    @model_validator(mode="after")
    def _money_needs_prices(self) -> RerankBudget:
        if self.max_money is not None and not (self.input_price or self.request_price):
            raise ValueError("max_money needs input_price or request_price, or nothing would ever count")
        return self


class Teacher(Closed):
    """A model that says which documents answer a query better; retrievers learn its ranking, not the pairs alone."""

    kind: Literal["none", "encoder", "cross_encoder", "rerank", "judge"] = Field(
        "encoder",
        description="`encoder` costs nothing: its cosines are there. A `cross_encoder` on this machine, or a server "
        "that has `/rerank`, scores every pair and its negatives anew; a `judge` grades each of them from 0 to 3: that "
        "of `screening.judge`, or the model of `generation` where there is none.",
    )
    model: str | None = Field(
        None,
        description="Folder of a cross-encoder (nothing is downloaded; a relative path starts at $SYNALIGN_HOME), or "
        "the name of the server's model.",
    )
    endpoint: Address | None = Field(
        None, description="Base URL of a server that reranks.", examples=["http://127.0.0.1:8080/v1"]
    )
    protocol: Literal["cohere", "tei"] = Field(
        "cohere",
        description="`cohere`: as Cohere, Jina, vLLM and llama.cpp take it; `tei`: as Text Embeddings Inference does.",
    )
    api_key_variable: Variable | None = Field(
        None, description="Environment variable that holds the server's key. null: none is sent."
    )
    document_characters: int = Field(
        4000, ge=100, le=100_000, description="How much of a document is sent to a server that reranks."
    )
    max_tokens: int = Field(512, ge=8, le=32_768, description="What a cross-encoder reads of query and document.")
    relative_margin: float = Field(
        0.05, ge=0.0, le=1.0, description="A negative that the teacher scores above this share below the pair's own "
        "document is taken out.",
    )  # fmt: skip
    score_temperature: float | None = Field(
        None,
        gt=0.0,
        le=1000.0,
        description="Of its scores in the loss; null: 0.05 for cosines, 1 for logits, 0.5 for grades.",
    )
    budget: RerankBudget = RerankBudget()

    @property
    def scores_anew(self) -> bool:
        """Tell whether it is a model other than the encoder, which has scored every pair and its negatives."""
        return self.kind in ("cross_encoder", "rerank", "judge")

    @property
    def temperature(self) -> float:
        """Return the temperature of its scores in force."""
        if self.score_temperature is not None:
            return self.score_temperature
        if self.kind == "judge":
            return _GRADES
        return _LOGITS if self.scores_anew else _COSINES

    @model_validator(mode="after")
    def _model_where_one_is_needed(self) -> Teacher:
        if (self.kind in ("cross_encoder", "rerank")) != (self.model is not None):
            raise ValueError("model must be given for kind cross_encoder or rerank, and for no other")
        if (self.kind == "rerank") != (self.endpoint is not None):
            raise ValueError("endpoint must be given for kind rerank, and for no other")
        if self.kind != "rerank" and self.budget != RerankBudget():
            raise ValueError(
                "budget is for kind rerank; a judge spends under screening.judge.budget, or generation.budget where "
                "there is no screening.judge"
            )
        return self


def as_fingerprinted(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a step's settings without a teacher's budget that says nothing, which finished runs lack."""
    teacher = settings.get("teacher")
    if teacher is None or teacher.get("budget") != RerankBudget().model_dump(mode="json"):
        return dict(settings)
    return {**settings, "teacher": {name: value for name, value in teacher.items() if name != "budget"}}
