"""One request to the model: what is asked, what is sent for it, and the key under which its answer is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from string import Template as Blanks
from typing import Any, NamedTuple

from pydantic import BaseModel

from synalign.config import Configuration
from synalign.generation.budget import most_tokens_of
from synalign.generation.schemas import Bounds, bounded_schema, bounds, json_schema
from synalign.run.manifests import canonical

OUTPUT_LIMIT = "max_completion_tokens"

_IN_WORDS = """

Answer with one JSON object and nothing else: no fence, no remark before or after it. It is named $name, and this JSON
schema describes it:
$schema"""


class Request(NamedTuple):
    """One request, before the endpoint's own parameters are added.

    Attributes:
        kind: `reason` or `write`.
        batch_id: The batch it is for; no part of what is sent.
        prompt_version: Which wording its messages have.
        messages: Chat messages.
        schema_name: Name of the structured answer.
        answer: The answer's model.
        answer_tokens: Tokens without which there is no use in asking; no part of what is sent.
        limits: How long the answer may be.
    """

    kind: str
    batch_id: str
    prompt_version: str
    messages: list[dict[str, str]]
    schema_name: str
    answer: type[BaseModel]
    answer_tokens: int = 64
    limits: Bounds = Bounds()


def parameters(
    request: Request,
    configuration: Configuration,
    *,
    form: str = "json_schema",
    limit_name: str = OUTPUT_LIMIT,
    limit: int | None = None,
    bounded: bool = False,
) -> dict[str, Any]:
    """Everything that is sent.

    Args:
        request: The request.
        configuration: Says model, temperature, seed, and what else is in the body.
        form: How the shape of the answer is asked for: `json_schema`, `json_object`, `tool` or `prompt`.
        limit_name: What the endpoint calls the most tokens of an answer.
        limit: The most tokens of the answer. None: as configured.
        bounded: Whether the schema says how long lists and texts may be.
    """
    settings = configuration.generation
    seed = configuration.seed if settings.seed == "auto" else settings.seed
    sent: dict[str, Any] = {
        **settings.extra_body,
        "model": settings.model,
        "messages": request.messages,
        **_shape(request, form, bounded),
        limit_name: settings.max_output_tokens if limit is None else limit,
    }
    if settings.temperature is not None:
        sent["temperature"] = settings.temperature
    if seed is not None:
        sent["seed"] = seed
    return sent


def key(request: Request, configuration: Configuration) -> str:
    """SHA-256 of the canonical request: endpoint as configured, parameters, messages, and all bounds of the answer.

    Not part of it are the embedded writer's address, since its port changes from run to run; the form in which the
    shape of the answer is asked for, its bounds, and what an endpoint turned out not to take: the answer is validated
    all the same; and the most tokens that an answer may have: one that was cut off is never kept, and one that was not
    is as good under any other limit. So raising it asks again only for what was cut off.
    """
    sent = parameters(request, configuration)
    del sent[OUTPUT_LIMIT]
    content = {"endpoint": configuration.generation.endpoint, "parameters": sent, "bounds": _bounds(request.answer)}
    return hashlib.sha256(canonical(content)).hexdigest()


def most_tokens(sent: Mapping[str, Any]) -> int:
    """Return a bound on the tokens of what is sent, whatever form it asks in."""
    shape = [sent[name] for name in ("tools", "tool_choice") if name in sent]
    return most_tokens_of({"messages": sent["messages"], "response_format": shape or sent.get("response_format", "")})


def _shape(request: Request, form: str, bounded: bool) -> dict[str, Any]:
    """Return the parameters that ask for the shape of an answer; without a schema it is in the messages, too."""
    schema = bounded_schema(request.answer, request.limits) if bounded else json_schema(request.answer)
    if form == "json_schema":
        named = {"name": request.schema_name, "strict": True, "schema": schema}
        return {"response_format": {"type": "json_schema", "json_schema": named}}
    if form == "tool":
        function = {"name": request.schema_name, "description": "Takes the answer.", "parameters": schema}
        return {
            "tools": [{"type": "function", "function": function}],
            "tool_choice": {"type": "function", "function": {"name": request.schema_name}},
        }
    schema_text = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    words = Blanks(_IN_WORDS).substitute(name=request.schema_name, schema=schema_text)
    first, *others = request.messages
    messages = [{**first, "content": first["content"] + words}, *others]
    return {"messages": messages} | ({"response_format": {"type": "json_object"}} if form == "json_object" else {})


# The same for every request; nobody changes them.
_bounds = cache(bounds)
