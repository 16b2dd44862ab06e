"""The chat completions of the embedded writer: SynAlign's requests, answered by rules."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from synalign.generation.prompts import from_data
from synalign.generation.schemas import ATTRIBUTES, QUERIES
from synalign.text.forms import measure
from synalign.writer.calls import Call, Rejected, Reply, Route
from synalign.writer.faults import COMPLETION
from synalign.writer.language import describe, write_queries

MODEL = "synalign-embedded-writer"
_QUERY_CHARACTERS = 100
_NAMED = re.compile(r"It is named (\w+)")
_TOKEN = re.compile(r"\w{1,6}|[^\w\s]")
_ANSWERS: dict[str, Callable[[Any], dict[str, Any]]] = {ATTRIBUTES: describe, QUERIES: write_queries}


def complete(request: Any) -> dict[str, Any]:
    """Answer a chat-completions request.

    Raises:
        Rejected: It is malformed, or not one of SynAlign's two.
    """
    messages = request.get("messages") if isinstance(request, dict) else None
    if not isinstance(messages, list) or not messages or not all(isinstance(message, dict) for message in messages):
        raise Rejected(400, "invalid_request", "the body must be an object with a list of messages")
    if request.get("stream"):
        raise Rejected(400, "unsupported_value", "streaming is not supported")
    name = _schema_name(request)
    answer = _ANSWERS.get(name)
    if answer is None:
        raise Rejected(400, "unsupported_schema", "I am no language model; I only answer SynAlign's two requests")
    try:
        data = from_data(str(messages[-1].get("content")))
    except ValueError as error:
        raise Rejected(400, "invalid_data", f"the last message cannot be read: {error}") from error
    try:
        content = answer(data) if name != QUERIES or "documents" in data else _of_one_document(data, messages)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise Rejected(400, "invalid_data", f"the data block is not as SynAlign writes it: {error!r}") from error
    return _completion(request, json.dumps(content, ensure_ascii=False), name if "tools" in request else "")


def _of_one_document(data: dict[str, Any], messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the answer to a request for one query, whose demonstrations are answers of earlier turns."""
    answers = [json.loads(message["content"]) for message in messages if message.get("role") == "assistant"]
    shown = [str(query) for answer in answers for query in answer["queries"]] or list(data["demonstrations"])
    document = {"document": 0, "title": data["title"], "text": data["text"]}
    asked = {
        "queries_per_document": 1, "max_query_characters": _QUERY_CHARACTERS, "attributes": measure(shown),
        "demonstrations": shown, "documents": [document],
    }  # fmt: skip
    return {"queries": write_queries(asked)["documents"][0]["queries"]}


def _schema_name(request: dict[str, Any]) -> str:
    """Return the name of the requested answer: of a schema, of a tool, or in words in the first message."""
    try:
        if "tools" in request:
            return str(request["tools"][0]["function"]["name"])
        wanted = request.get("response_format", {"type": "json_object"})
        if wanted["type"] == "json_schema":
            return str(wanted["json_schema"]["name"])
        named = _NAMED.search(str(request["messages"][0]["content"]))
        return named[1] if named and wanted["type"] == "json_object" else ""
    except (KeyError, TypeError, IndexError, AttributeError):
        return ""


def _completion(request: dict[str, Any], text: str, tool: str) -> dict[str, Any]:
    limit = request.get("max_completion_tokens") or request.get("max_tokens")
    tokens = list(_TOKEN.finditer(text))
    cut = isinstance(limit, int) and len(tokens) > limit
    if cut:
        tokens = tokens[:limit]
        text = text[: tokens[-1].end()] if tokens else ""
    asked = sum(len(_TOKEN.findall(str(message.get("content")))) for message in request["messages"])
    digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    if tool:
        call = {"id": "call_0", "type": "function", "function": {"name": tool, "arguments": text}}
        message |= {"content": None, "tool_calls": [call]}
    finish = "length" if cut else "tool_calls" if tool else "stop"
    return {
        "id": f"chatcmpl-{digest[:24]}",
        "object": "chat.completion",
        "created": 0,  # not the time: the same request gets the same bytes
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": {"prompt_tokens": asked, "completion_tokens": len(tokens), "total_tokens": asked + len(tokens)},
    }


def _chat(call: Call) -> Reply:
    return Reply.of(complete(call.json()))


def _models(call: Call) -> Reply:
    model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "synalign"}
    return Reply.of({"object": "list", "data": [model]})


ROUTES = (
    Route("POST", re.compile("/v1/chat/completions"), _chat, COMPLETION, paid=True),
    Route("GET", re.compile("/v1/models"), _models),
)
