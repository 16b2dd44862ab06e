"""One request to the model: what is asked, what is sent for it, and the key under which its answer is kept."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any, NamedTuple

from pydantic import BaseModel

from synalign.config import Configuration
from synalign.generation.schemas import bounds, json_schema
from synalign.manifests import canonical

OUTPUT_LIMIT = "max_completion_tokens"


class Request(NamedTuple):
    """One request, before the endpoint's own parameters are added.

    Attributes:
        kind: `reason` or `write`.
        batch_id: The batch it is for; no part of what is sent.
        prompt_version: Which wording its messages have.
        messages: Chat messages.
        schema_name: Name of the structured answer.
        answer: The answer's model.
    """

    kind: str
    batch_id: str
    prompt_version: str
    messages: list[dict[str, str]]
    schema_name: str
    answer: type[BaseModel]


def parameters(request: Request, configuration: Configuration) -> dict[str, Any]:
    """Everything that is sent."""
    settings = configuration.generation
    schema = {"name": request.schema_name, "strict": True, "schema": _schema(request.answer)}
    return {
        "model": settings.model,
        "messages": request.messages,
        "response_format": {"type": "json_schema", "json_schema": schema},
        "temperature": settings.temperature,
        OUTPUT_LIMIT: settings.max_output_tokens,
        "seed": configuration.seed,
    }


def key(request: Request, configuration: Configuration) -> str:
    """SHA-256 of the canonical request: endpoint as configured, parameters, messages, and all bounds of the answer.

    Not part of it are the embedded writer's address, since its port changes from run to run, and the most tokens that
    an answer may have: one that was cut off is never kept, and one that was not is as good under any other limit. So
    raising it asks again only for what was cut off.
    """
    sent = parameters(request, configuration)
    del sent[OUTPUT_LIMIT]
    content = {"endpoint": configuration.generation.endpoint, "parameters": sent, "bounds": _bounds(request.answer)}
    return hashlib.sha256(canonical(content)).hexdigest()


# The same for every request; nobody changes them.
_schema, _bounds = cache(json_schema), cache(bounds)
