"""How long a model's context is, as its server tells: asked for once, before the first request, at no cost.

Servers tell it in different places, all of them besides the API that they share:

- llama.cpp: `meta.n_ctx` of the model in `/v1/models`, and `default_generation_settings.n_ctx` in `/props`;
- vLLM: `max_model_len` in `/v1/models`; OpenRouter, Together and LM Studio: `context_length`; Groq: `context_window`;
  Mistral: `max_context_length`;
- Ollama: `context_length` of a loaded model in `/api/ps`. It cuts a prompt that is longer, and says nothing.

A server that tells nothing is as good: it refuses what is too long.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx2
import openai

from synalign.generation.bodies import member

log = logging.getLogger("synalign")

OLLAMA_TOKENS = 4096
"""Ollama's context where a model is not loaded yet and `OLLAMA_CONTEXT_LENGTH` is not set."""

_SECONDS = 5.0
_NAMES = ("n_ctx", "loaded_context_length", "max_model_len", "context_length", "context_window", "max_context_length")
_LEAST, _MOST = 256, 10**8


class Context(NamedTuple):
    """What a server tells.

    Attributes:
        tokens: Of the context, those of a prompt and its answer together.
        cuts: Whether a prompt that is too long is cut without a word.
    """

    tokens: int
    cuts: bool = False


async def context_of(client: openai.AsyncOpenAI, model: str) -> Context | None:
    """Return the context of a model; None where its server does not tell, or not at once.

    Args:
        client: The connection.
        model: The model's name at the endpoint.
    """
    listed = _tokens(_entries(await _get(client, "/models"), model))
    if listed is not None:
        return Context(listed)
    url = urlsplit(str(client.base_url))
    root = f"{url.scheme}://{url.netloc}"
    served = member(await _get(client, f"{root}/props"), "default_generation_settings")
    if (tokens := _tokens([served])) is not None:
        return Context(tokens)
    loaded = member(await _get(client, f"{root}/api/ps"), "models")
    if isinstance(loaded, list):
        ours = [entry for entry in loaded if model in (member(entry, "name"), member(entry, "model"))]
        return Context(_tokens(ours) or OLLAMA_TOKENS, cuts=True)
    return None


async def _get(client: openai.AsyncOpenAI, path: str) -> Any:
    """Return the JSON at an address, None where there is none."""
    try:
        response = await client.get(path, cast_to=httpx2.Response, options={"timeout": _SECONDS})
        return response.json()
    except (openai.OpenAIError, httpx2.HTTPError, TimeoutError, ValueError, RecursionError) as error:
        log.debug("generate: the endpoint does not tell of its context at %s: %s", path, type(error).__name__)
        return None


def _entries(models: Any, model: str) -> list[Any]:
    """Return the entries of a model in a list of models; the only one, whatever its name."""
    data = member(models, "data")
    entries = data if isinstance(data, list) else []
    return entries if len(entries) == 1 else [entry for entry in entries if member(entry, "id") == model]


def _tokens(entries: Iterable[Any]) -> int | None:
    """Return the tokens that entries tell, the least of them."""
    return min((value for entry in entries for value in _values(entry)), default=None)


def _values(entry: Any) -> Iterator[int]:
    for part in (entry, member(entry, "meta")):
        for name in _NAMES:
            value = member(part, name)
            if type(value) is int and _LEAST <= value <= _MOST:
                yield value
