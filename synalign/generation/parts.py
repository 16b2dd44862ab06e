"""Parts of a chat completion, any of which may be missing or of another type: where its answer stands, what it cost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

_MOST_TOKENS = 10**9


def texts(message: object, choice: object) -> Iterator[str]:
    """Where an answer may stand, the likeliest first: arguments of a call, the content; or thoughts instead."""
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
    """A message's content as text: a text, a JSON object, or parts, of which those of thoughts are left out."""
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
    """Tokens sent and received, each None where the endpoint reports none that can be one."""
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
    """A member of a JSON object; None where there is none, or no object."""
    return content.get(name) if isinstance(content, dict) else None


def _count(reported: object, name: str) -> int | None:
    """A token count, or None where the endpoint reports none that can be one."""
    value = member(reported, name)
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None
