"""The body of a response as a chat completion: JSON, or the stream of events that some servers send unasked.

Any part of a completion may be missing, or of another type.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from synalign.generation.complaints import is_page

_MOST_TOKENS = 10**9


class Page(ValueError):
    """A body that is a page for people."""


def completion(content: bytes) -> Any:
    """Parse the JSON of a body; of a stream of events, the completion that its parts add up to.

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
    """Join the parts of a stream to one completion; if one of them is an error, return the error alone.

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


def texts(message: object, choice: object) -> Iterator[str]:
    """Yield the texts that may be the answer, the likeliest first: arguments of a call, content, reasoning."""
    calls = member(message, "tool_calls")
    functions = [member(call, "function") for call in calls] if isinstance(calls, list) else []
    for function in (*functions, member(message, "function_call")):
        arguments = member(function, "arguments")
        if isinstance(arguments, dict):
            arguments = json.dumps(arguments, ensure_ascii=False)
        if isinstance(arguments, str) and arguments.strip():
            yield arguments
    content = _text(member(message, "content"))
    if not content.strip():
        content = _text(member(choice, "text"))
    if content.strip():
        yield content
        return
    for name in ("reasoning_content", "reasoning"):
        text = _text(member(message, name))
        if text.strip():
            yield text


def _text(content: object) -> str:
    """Return a message's content as text: of a text, a JSON object, or parts, without those of reasoning."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        return json.dumps(content, ensure_ascii=False)
    if not isinstance(content, list):
        return ""
    texts = []
    for part in content:
        kind = member(part, "type")
        text = part if isinstance(part, str) else member(part, "text")
        if isinstance(text, dict):
            text = text.get("value")
        if isinstance(text, str) and kind in (None, "text", "output_text"):
            texts.append(text)
    return "".join(texts)


def usage(completion: object) -> tuple[int | None, int | None]:
    """Return the tokens sent and received, each None where the endpoint reports no possible count."""
    reported = member(completion, "usage")
    tokens_in, tokens_out = _count(reported, "prompt_tokens"), _count(reported, "completion_tokens")
    tokens_in = _count(reported, "input_tokens") if tokens_in is None else tokens_in
    tokens_out = _count(reported, "output_tokens") if tokens_out is None else tokens_out
    total = _count(reported, "total_tokens")
    if total is not None and tokens_in is None and tokens_out is not None and total >= tokens_out:
        tokens_in = total - tokens_out
    elif total is not None and tokens_out is None and tokens_in is not None and total >= tokens_in:
        tokens_out = total - tokens_in
    if tokens_in == 0:
        # No prompt of ours is empty: it was not counted.
        tokens_in, tokens_out = None, tokens_out or None
    return tokens_in, tokens_out


def member(content: object, name: str) -> Any:
    """Return a member of a JSON object; None where the member or the object is missing."""
    return content.get(name) if isinstance(content, dict) else None


def _count(reported: object, name: str) -> int | None:
    """Return a token count, or None where the endpoint reports no possible one."""
    value = member(reported, name)
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None
