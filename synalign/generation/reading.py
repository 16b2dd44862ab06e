"""Find the JSON of an answer in what a model wrote around it; then it is validated as strictly as ever.

Where an endpoint does not hold a model to a schema, the answer comes in a fence of Markdown, after a block of thoughts,
between sentences, as a string that holds JSON, or with a comma too many. All of that is taken off, and nothing else is
repaired: what is not JSON then, or not of the schema, is no answer. What stands in a block of thoughts is none either,
and of several different answers none is chosen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

_Model = TypeVar("_Model", bound=BaseModel)

_THOUGHTS = (
    "think", "thinking", "thought", "thoughts", "reasoning", "reason", "reflection", "analysis", "scratchpad",
    "seed:think", "antthinking", "internal_monologue",
)  # fmt: skip
_NAME = "|".join(map(re.escape, _THOUGHTS))
_OPEN = re.compile(
    rf"<(?:{_NAME})(?:\s[^<>]{{0,100}})?>|\[(?:{_NAME})\]|◁(?:{_NAME})▷|<\|begin_of_thought\|>"
    r"|<\|channel\|>(?:analysis|commentary)\b[^<]{0,100}<\|message\|>",
    re.IGNORECASE,
)
_CLOSE = re.compile(
    rf"</(?:{_NAME})\s*>|\[/(?:{_NAME})\]|◁/(?:{_NAME})▷|<\|end_of_thought\|>|<\|end\|>"
    r"|<\|channel\|>final\b[^<]{0,100}<\|message\|>",
    re.IGNORECASE,
)
_MARK = re.compile(rf"{_OPEN.pattern}|{_CLOSE.pattern}|\{{", re.IGNORECASE)
_FENCE = re.compile(r"(?:```|~~~)[^\n`{]{0,40}\s*$")
# A comma before a closing bracket, outside of texts.
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', re.DOTALL)
_MOST_STARTS = 200
_MOST_CANDIDATES = 50
_DECODER = json.JSONDecoder(strict=False)


class Unreadable(ValueError):
    """A text that holds no answer; its text says why, without quoting it."""


class Read(NamedTuple):
    """An answer, and the JSON text that it was read from."""

    text: str
    content: BaseModel


class _Candidate(NamedTuple):
    text: str
    content: Any
    outermost: bool


def read(text: str, model: type[BaseModel]) -> Read:
    r"""Return the answer in what a model wrote.

    Args:
        text: What it wrote.
        model: What an answer must be.

    Raises:
        Unreadable: There is none.

    Examples:
        >>> from synalign.generation.schemas import WrittenQueries
        >>> read('<think>{}</think>Here it is:\n```json\n{"documents": []}\n```', WrittenQueries).text
        '{"documents": []}'
    """
    text = text.replace("\ufeff", "") if text.startswith("\ufeff") else text
    reason = ""
    for form in _forms(text):
        good, reason_of_form = _good(form, model)
        reason = reason or reason_of_form
        if len(good) > 1:
            raise Unreadable("several different answers")
        if good:
            return good[0]
    raise Unreadable(reason or "no JSON object in it")


def _forms(text: str) -> Iterator[str]:
    """Yield the text, or the inner one where it is a text within a text, each without commas too many."""
    yield text
    inner = text
    for _ in range(2):
        try:
            inner = _DECODER.decode(inner.strip())
        except (ValueError, RecursionError):
            break
        if not isinstance(inner, str):
            break
        yield inner
    without = _TRAILING_COMMA.sub(lambda match: match[1] or "", inner if isinstance(inner, str) else text)
    if without != text:
        yield without


def _good(text: str, model: type[BaseModel]) -> tuple[list[Read], str]:
    """Return the valid answers in a text, the clearest first; if there is none, why the first candidate is invalid."""
    reason = ""
    found: dict[bool, list[Read]] = {True: [], False: []}
    for candidate in _candidates(text):
        try:
            answer = _validated(candidate, model)
        except ValidationError as error:
            reason = reason or in_words(error)
            continue
        reads = found[candidate.outermost]
        if all(answer.content != other.content for other in reads):
            reads.append(answer)
    return found[True] or found[False], reason


def _validated(candidate: _Candidate, model: type[BaseModel]) -> Read:
    """Validate a candidate as an answer: itself, the arguments of a call written as text, or its only member."""
    content = candidate.content
    try:
        return Read(candidate.text, model.model_validate(content))
    except ValidationError:
        inner = content.get("arguments", content.get("parameters")) if "name" in content else None
        if len(content) == 1:
            # Under the schema's name, or `answer`, `result`, `json`.
            inner = next(iter(content.values()))
        if not isinstance(inner, dict):
            raise
        return Read(json.dumps(inner, ensure_ascii=False), model.model_validate(inner))


def _candidates(text: str) -> list[_Candidate]:
    """Return the outermost JSON objects of a text, outside of its reasoning."""
    found: list[_Candidate] = []
    position = starts = 0
    while (mark := _MARK.search(text, position)) is not None:
        position = mark.end()
        if mark[0] == "{":
            starts += 1
            if starts > _MOST_STARTS or len(found) > _MOST_CANDIDATES:
                break
            try:
                content, end = _DECODER.raw_decode(text, mark.start())
            except (ValueError, RecursionError):
                continue
            before = text[: mark.start()]
            outermost = not before.strip() or _FENCE.search(before[-60:]) is not None
            found.append(_Candidate(text[mark.start() : end], content, outermost))
            position = end
        elif _CLOSE.fullmatch(mark[0]):
            # Without an opening of its own: all before it was thought.
            found.clear()
        else:
            if _is_object(text[position:]):
                continue
            closed = _CLOSE.search(text, position)
            if closed is None:
                # Thoughts without an end, and no answer after them.
                break
            position = closed.end()
    return found


def _is_object(text: str) -> bool:
    """Return whether a text is one JSON object, fence aside."""
    text = re.sub(r"^\s*(?:```|~~~)[^\n`{]{0,40}|(?:```|~~~)\s*$", "", text).strip()
    try:
        return isinstance(_DECODER.decode(text), dict)
    except (ValueError, RecursionError):
        return False


def in_words(error: ValidationError) -> str:
    """Describe what is wrong with an answer, by names of the schema alone: others may quote what users typed."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    known = first["loc"][:-1] if first["type"] == "extra_forbidden" else first["loc"]
    place = ".".join(map(str, known)) or "the answer"
    return f"{place}: {first['type']}, {error.error_count()} in all"
