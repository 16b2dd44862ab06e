"""What is asked of the language model, and how much that may cost."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from synalign.config.closed import Address, Closed

MOST_TEXTS_PER_LABEL = 64
"""Texts asked for in one request of `task: classification`; more in one answer would repeat each other."""

PersonalData = Literal["email", "phone", "card", "ip", "digits", "name"]


class Budget(Closed):
    """What the language model costs, and how much of that may be spent in one refresh.

    A ceiling decides what is written: a run that reaches it ends well with what it has. Raising it asks only for the
    rest.
    """

    input_price: float = Field(0.0, ge=0.0, description="Money per million tokens sent.")
    output_price: float = Field(0.0, ge=0.0, description="Money per million tokens received.")
    batch_discount: float = Field(0.5, ge=0.0, le=1.0, description="Share of both prices that `mode: batch` saves.")
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="Of the prices and the ceiling.")
    max_money: float | None = Field(
        None, gt=0.0, description="Ceiling in money, never passed; it needs prices. null: none."
    )
    max_tokens: int | None = Field(None, ge=1, description="Ceiling in tokens, both ways. null: none.")

    @model_validator(mode="after")
    def _money_needs_prices(self) -> Budget:
        if self.max_money is not None and not (self.input_price or self.output_price):
            raise ValueError("max_money needs input_price or output_price, or nothing would ever count")
        return self


class Generation(Closed):
    """What is asked of the language model."""

    mode: Literal["online", "batch"] = Field(
        "online", description="Request by request, or through the provider's batch API: cheaper, done within a day."
    )

    endpoint: Address = Field(
        "embedded",
        description="Base URL of an OpenAI-compatible endpoint, or `embedded` for the writer that ships here.",
        pattern=r"^(embedded|https?://\S+)$",
    )
    model: str = Field("synalign-embedded-writer", min_length=1, description="The model's name at the endpoint.")
    api_key_variable: str = Field(
        "OPENAI_API_KEY", pattern=r"^[A-Z][A-Z0-9_]*$", description="Environment variable that holds the key."
    )
    prompts: dict[Literal["reason", "write"], str] = Field(
        {}, description="Template files that replace SynAlign's own; relative paths start at the YAML file's folder."
    )
    redact: tuple[PersonalData, ...] = Field(
        ("email", "phone", "card", "ip", "digits", "name"),
        description="Personal data replaced before any prompt; `name` only where a recogniser is installed.",
    )
    phone_regions: tuple[str, ...] = Field(
        ("US", "GB", "DE", "IN"), description="ISO 3166 countries whose national phone numbers are recognised."
    )
    targets: Literal["cold", "demonstrated", "mixed"] = Field(
        "cold",
        description="Documents to write for: near the batch with few events, those of the batch, or half and half.",
    )
    documents_per_batch: int = Field(12, ge=1, le=64, description="Documents written for in one request.")
    queries_per_document: int = Field(4, ge=1, le=32, description="Queries asked for per document.")
    document_characters: int = Field(1200, ge=100, le=100_000, description="How much of a document is shown.")
    temperature: float = Field(0.7, ge=0.0, le=2.0, description="How freely the model writes; 0: as likely as can be.")
    max_output_tokens: int = Field(
        4096, ge=64, le=1_000_000, description="Most tokens of one answer; one that is cut off there is lost, but paid."
    )
    budget: Budget = Budget()
