"""Settings of the encoder."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from synalign.config.closed import Closed

# The blank at the end of `query: ` is part of it: the model was trained with it.
Prompt = Annotated[str, StringConstraints(strip_whitespace=False, max_length=2000)]
"""A text that is put before other texts, its blanks kept."""

_ADDED = ("query_prompt", "document_prompt")
"""Settings that finished runs may lack: null is what they were made with."""

_OF_THE_MACHINE = ("device",)
"""Settings that decide where vectors are computed, not what they are."""


class Encoder(Closed):
    """The sentence-transformers model that places queries and documents on the unit sphere."""

    model: str = Field(
        "all-MiniLM-L6-v2",
        description="`all-MiniLM-L6-v2` (the copy in the environment) or a model folder; a relative path starts at "
        "$SYNALIGN_HOME.",
    )
    query_prompt: Prompt | None = Field(
        None,
        description="Put before each real, carried and written query, blanks at its end included. null: the prompt "
        "`query` of the model's own `prompts` (E5, BGE, GTE, Qwen3-Embedding), if it has one. Empty: none.",
    )
    document_prompt: Prompt | None = Field(
        None,
        description="Put before each document. null: the model's own prompt `document`, `passage` or `corpus`. "
        "Empty: none.",
    )
    max_tokens: int = Field(256, ge=8, le=8192, description="Longer texts, their prompt included, are cut.")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto",
        description="Where it runs, on the driver as on each of Spark's executors. `auto`: on a GPU where PyTorch sees "
        "one, else on the CPU. Changes no fingerprint: vectors differ by rounding alone.",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="Of the weights. `auto`: bfloat16 where the CPU has instructions for it (AMX, AVX-512 BF16), "
        "float32 elsewhere, so two kinds of machine give slightly different vectors; name one where that matters. "
        "Models that the fast loop does not fit run in float32.",
    )


def as_fingerprinted(settings: dict[str, Any]) -> dict[str, Any]:
    """Return a step's settings without those of the encoder that tell no vectors apart.

    These are `device`, and prompts that are null: finished runs lack them, and are still reused.

    Examples:
        >>> as_fingerprinted({"seed": 1, "encoder": {"model": "m", "query_prompt": None, "document_prompt": ""}})
        {'seed': 1, 'encoder': {'model': 'm', 'document_prompt': ''}}
    """
    if "encoder" not in settings:
        return settings
    encoder = {
        name: value
        for name, value in settings["encoder"].items()
        if name not in _OF_THE_MACHINE and not (name in _ADDED and value is None)
    }
    return {**settings, "encoder": encoder}
