"""Settings of the judge: a model that says whether a document answers a query."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from synalign.config.closed import Address
from synalign.config.generation import AskedModel, Budget, Generation, HeaderName, Variable

MOST_GRADE = 3
"""The best grade: the document answers the query. 0: it has nothing to do with it."""


class Judge(AskedModel):
    """A model that is asked whether each candidate's document answers it; it sees what no other filter rejected.

    It is paid for each pair once: what it answered is kept, for carried candidates too.
    """

    endpoint: Address = Field(
        description="As `generation.endpoint`; `embedded` is refused, since the writer that ships here cannot judge.",
        pattern=r"^(local|https?://[^\s#]+)$",
        examples=["https://llm.example.com/v1"],
    )
    model: str = Field(min_length=1, description="As `generation.model`.", examples=["some-model"])
    at_least: int = Field(
        2, ge=1, le=MOST_GRADE,
        description="Candidates of a lower grade are rejected: 0 has nothing to do with the query, 1 is about the "
        "subject and gives no answer, 2 answers in part, 3 answers it.",
    )  # fmt: skip
    prompt: str | None = Field(
        None, description="Template file of the request; a relative path starts at this file. null: the built-in one."
    )
    document_characters: int = Field(2000, ge=100, le=100_000, description="How much of a document is shown.")
    sample: int = Field(
        50, ge=0, le=10_000,
        description="Real train pairs, and as many candidates that do not find their documents, that are judged too: "
        "they tell how far the judge can be trusted. 0: none.",
    )  # fmt: skip
    context_tokens: int | None = Field(None, ge=512, le=10_000_000, description="As `generation.context_tokens`.")
    api_key_variable: Variable | None = Field(
        "OPENAI_API_KEY", description="Environment variable that holds the key. null: none is sent."
    )
    headers_variable: dict[HeaderName, Variable] | Variable | None = Field(
        None, description="As `generation.headers_variable`."
    )
    structured_output: Literal["auto", "json_schema", "json_object", "tool", "prompt"] = Field(
        "auto", description="As `generation.structured_output`."
    )
    output_limit_name: Literal["auto", "max_completion_tokens", "max_tokens", "max_output_tokens", "max_new_tokens"] = (
        Field("auto", description="As `generation.output_limit_name`.")
    )
    extra_body: dict[str, Any] = Field({}, max_length=64, description="As `generation.extra_body`.")
    max_output_tokens: int = Field(
        512, ge=64, le=1_000_000, description="Most tokens of one answer; a reasoning model thinks within them."
    )
    budget: Budget = Field(Budget(), description="Prices and ceiling of the judge alone, in each refresh.")

    def asked_as(self, writing: Generation) -> Generation:
        """Return the settings of requests to the judge: its own, and what is redacted as for the writer."""
        own = {name: getattr(self, name) for name in Judge.model_fields.keys() & Generation.model_fields.keys()}
        # The likeliest grade; an endpoint that refuses to be told so is not told.
        return writing.model_copy(update={**own, "mode": "online", "temperature": 0.0})
