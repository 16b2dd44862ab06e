"""Settings of the encoder."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from synalign.config.closed import Address, Closed
from synalign.config.generation import Budget, Variable, without_secret

EMBEDDED_MODEL = "all-MiniLM-L6-v2"
"""The model in the environment."""

CHARACTERS_PER_TOKEN = 4
"""Characters that a token is taken to have where no tokenizer is here: about those of English prose."""

# The blank at the end of `query: ` is part of it: the model was trained with it.
Prompt = Annotated[str, StringConstraints(strip_whitespace=False, max_length=2000)]
"""A text that is put before other texts, its blanks kept."""

_ADDED = ("query_prompt", "document_prompt", "revision")
"""Settings that finished runs may lack: null is what they were made with."""

_ELSEWHERE = ("device", "endpoint", "api", "api_key_variable", "texts_per_request", "budget", "download")
"""Settings that decide where and at what cost vectors are computed, not what they are."""

_COMMIT = re.compile(r"[0-9a-f]{40}")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


class EncoderBudget(Closed):
    """What vectors of an endpoint cost, and how much of that may be spent on one step of one refresh.

    A step that reaches a ceiling ends. The vectors that it paid for are kept: with a higher ceiling it asks for the
    rest.
    """

    input_price: float = Field(0.0, ge=0.0, description="Money per million tokens sent.")
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="Of the price and the ceiling.")
    max_money: float | None = Field(
        None, gt=0.0, description="Ceiling in money, never passed; it needs `input_price`. null: none."
    )
    max_tokens: int | None = Field(None, ge=1, description="Ceiling in tokens. null: none.")

    @property
    def as_generation(self) -> Budget:
        """Return it as the budget of a client that is paid for tokens both ways."""
        return Budget(**self.model_dump())

    @model_validator(mode="after")
    def _money_needs_a_price(self) -> EncoderBudget:
        if self.max_money is not None and not self.input_price:
            raise ValueError("max_money needs input_price, or nothing would ever count")
        return self


class Encoder(Closed):
    """The model that places queries and documents on the unit sphere: on this machine, or behind an endpoint."""

    model: str = Field(
        EMBEDDED_MODEL,
        description="`all-MiniLM-L6-v2` (the copy in the environment) or a sentence-transformers folder, a relative "
        "path from $SYNALIGN_HOME; with `download: true` a name of Hugging Face's hub; with `endpoint` its name there.",
    )
    revision: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        pattern=r"^[A-Za-z0-9._-]+$",
        description="With `download: true` the commit of the model, 40 hexadecimal digits. With `endpoint` a name of "
        "your own for the weights behind it: another one makes all vectors anew. null of a folder, which is pinned by "
        "its SHA-256.",
    )
    download: bool = Field(
        False,
        description="Whether `model` is fetched from Hugging Face's hub (`$HF_ENDPOINT`, `$HF_TOKEN`) at `revision`, "
        "once, into `$SYNALIGN_HOME/models`: safetensors alone, no code. false: nothing is downloaded.",
    )
    endpoint: Annotated[Address, AfterValidator(without_secret)] | None = Field(
        None,
        pattern=r"^https?://[^\s#]+$",
        description="Base URL of a server that embeds; it gets every text. Not part of any fingerprint: the same model "
        "behind another address gives the same vectors. null: the model runs here.",
        examples=["http://127.0.0.1:8080/v1"],
    )
    api: Literal["openai", "tei"] = Field(
        "openai",
        description="What the endpoint speaks. `openai`: `/embeddings`, as OpenAI, vLLM, llama.cpp, Ollama and Text "
        "Embeddings Inference (under `/v1`) do; `tei`: the latter's own `/embed`.",
    )
    api_key_variable: Variable | None = Field(
        None,
        description="Environment variable that holds the endpoint's key, sent as `Authorization: Bearer`. null: none "
        "is sent.",
    )
    texts_per_request: int = Field(
        32, ge=1, le=2048, description="Texts in one request to the endpoint; Text Embeddings Inference takes 32."
    )
    budget: EncoderBudget = EncoderBudget()
    query_prompt: Prompt | None = Field(
        None,
        description="Put before each real, carried and written query, blanks at its end included. null: the prompt "
        "`query` of the model's own `prompts` (E5, BGE, GTE, Qwen3-Embedding), if it has one; none of an endpoint. "
        "Empty: none.",
    )
    document_prompt: Prompt | None = Field(
        None,
        description="Put before each document. null: the model's own prompt `document`, `passage` or `corpus`; none of "
        "an endpoint. Empty: none.",
    )
    max_tokens: int = Field(
        256,
        ge=8,
        le=8192,
        description="Longer texts, their prompt included, are cut; for an endpoint, whose tokens are not known here, "
        "after four characters for each.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description="Where it runs, on the driver as on each of Spark's executors. `auto`: on a GPU where PyTorch sees "
        "one, else on the CPU. Changes no fingerprint: vectors differ by rounding alone. Unused with `endpoint`.",
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="Of the weights. `auto`: bfloat16 where the CPU has instructions for it (AMX, AVX-512 BF16), "
        "float32 elsewhere, so two kinds of machine give slightly different vectors; name one where that matters. "
        "Models that the fast loop does not fit run in float32, or in float16 where that is named. Unused with "
        "`endpoint`.",
    )

    @model_validator(mode="before")
    @classmethod
    def _endpoint_needs_a_name(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("endpoint") is not None and "model" not in given:
            raise ValueError("model must be given with endpoint: the name of the model there")
        return given

    @model_validator(mode="after")
    def _one_source(self) -> Encoder:
        if self.endpoint is not None and self.download:
            raise ValueError("download must be false with endpoint: the model runs there")
        if self.download and not _COMMIT.fullmatch(self.revision or ""):
            raise ValueError(
                "revision must be given with download: the commit of the model, 40 hexadecimal digits in lower case, "
                "from its page `Files and versions`"
            )
        if self.download and not _HUB_NAME.fullmatch(self.model):
            raise ValueError("model must be a name of the hub with download, such as intfloat/multilingual-e5-small")
        if self.revision is not None and not self.download and self.endpoint is None:
            raise ValueError("revision must be null unless download or endpoint is set: a folder is pinned by SHA-256")
        return self


def as_fingerprinted(settings: dict[str, Any]) -> dict[str, Any]:
    """Return a step's settings without those of the encoder that tell no vectors apart.

    These are where it runs and what it costs, and prompts and revisions that are null: finished runs lack them, and are
    still reused. Of an endpoint stays that there is one: a server cuts and rounds in its own way.

    Examples:
        >>> as_fingerprinted({"seed": 1, "encoder": {"model": "m", "query_prompt": None, "document_prompt": ""}})
        {'seed': 1, 'encoder': {'model': 'm', 'document_prompt': ''}}
        >>> as_fingerprinted({"encoder": {"model": "m", "endpoint": "http://x/v1", "revision": None}})
        {'encoder': {'model': 'm', 'served': True}}
    """
    if "encoder" not in settings:
        return settings
    encoder = {
        name: value
        for name, value in settings["encoder"].items()
        if name not in _ELSEWHERE and not (name in _ADDED and value is None)
    }
    served = {"served": True} if settings["encoder"].get("endpoint") is not None else {}
    return {**settings, "encoder": {**encoder, **served}}
