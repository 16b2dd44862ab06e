"""What a training set gives a trainer beside its pairs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from synalign.config.closed import Address, Closed
from synalign.config.generation import Variable

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
        4, ge=0, le=MOST_NEGATIVES, description="Of every train pair, real and written; 0: none are mined."
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


class Teacher(Closed):
    """A model that says which documents answer a query better; retrievers learn its ranking, not the pairs alone."""

    kind: Literal["none", "encoder", "cross_encoder", "rerank"] = Field(
        "encoder",
        description="`encoder` costs nothing: its cosines are there. A `cross_encoder` on this machine, or a server "
        "that has `/rerank`, scores every pair and its negatives anew.",
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
        None, gt=0.0, le=1000.0, description="Of its scores in the loss; null: 0.05 for cosines, 1 for logits."
    )

    @model_validator(mode="after")
    def _model_where_one_is_needed(self) -> Teacher:
        if (self.kind in ("cross_encoder", "rerank")) != (self.model is not None):
            raise ValueError("model must be given for kind cross_encoder or rerank, and for no other")
        if (self.kind == "rerank") != (self.endpoint is not None):
            raise ValueError("endpoint must be given for kind rerank, and for no other")
        return self
