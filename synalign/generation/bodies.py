"""The body of a response as a chat completion: JSON, or the stream of events that some servers send unasked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from synalign.generation.complaints import is_page


class Page(ValueError):
    """A body that is a page for people."""


def completion(content: bytes) -> Any:
    """The JSON of a body; of a stream of events, the completion that its parts add up to.

    Raises:
        Page: It is a page for people.
        ValueError: It is neither.
        RecursionError: It is nested without end.
    """
    # A broken character costs the query that it stands in, not the answer.
    text = content.decode("utf-8-sig", "replace") if not content.startswith((b"\xff\xfe", b"\xfe\xff")) else ""
    text = text or content.decode("utf-16", "replace")
    start = text.lstrip()
    if is_page(text) or (start and start[0] == "<"):
        raise Page("a page for people")
    if start.startswith(("data:", "event:", ":", "id:", "retry:")):
        return _joined(list(_events(text)))
    if start and start[0] not in '{["':
        # "Ollama is running" and its like: a server, and not at this address an API.
        raise Page("a text for people")
    return json.loads(text, strict=False)


def _events(text: str) -> Iterator[Any]:
    for line in text.splitlines():
        if line.startswith("data:") and (data := line[5:].strip()) != "[DONE]" and data:
            yield json.loads(data, strict=False)


def _joined(events: list[Any]) -> dict[str, Any]:
    """One completion of the parts of a stream; an error among them is all of it.

    Raises:
        ValueError: There is no part.
    """
    parts = [event for event in events if isinstance(event, dict)]
    if not parts:
        raise ValueError("a stream without events")
    for part in parts:
        if part.get("error"):
            return part
    message: dict[str, Any] = {"role": "assistant"}
    chosen: dict[str, Any] = {"index": 0, "message": message, "finish_reason": None}
    whole: dict[str, Any] = {"choices": [chosen]}
    for part in parts:
        whole |= {name: part[name] for name in ("id", "model", "usage") if part.get(name) is not None}
        choices = part.get("choices")
        for choice in choices if isinstance(choices, list) else []:
            if isinstance(choice, dict) and choice.get("index", 0) == 0:
                whole["choices"][0]["finish_reason"] = (
                    choice.get("finish_reason") or whole["choices"][0]["finish_reason"]
                )
                _add(message, choice.get("delta") or choice.get("message"))
    return whole


def _add(message: dict[str, Any], delta: Any) -> None:
    if not isinstance(delta, dict):
        return
    for name in ("content", "reasoning_content", "reasoning", "refusal"):
        if isinstance(delta.get(name), str):
            message[name] = (message.get(name) or "") + delta[name]
    calls = delta.get("tool_calls")
    for call in calls if isinstance(calls, list) else []:
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict) and isinstance(function.get("arguments"), str):
            known = message.setdefault("tool_calls", [{"function": {"arguments": ""}}])
            known[0]["function"]["arguments"] += function["arguments"]
