"""What an endpoint says about a request that it did not answer, in whatever shape it says so.

There is no standard: `{"error": {"message": ...}}`, `{"error": "..."}`, `{"message": ...}`, `{"detail": [{"loc": ...,
"msg": ...}]}` (FastAPI), any of these in a list, or as text inside another's `message`, plain text, or a page. The
endpoint's words are kept, without what a server quotes of the request: a prompt holds what users typed.
"""

from __future__ import annotations

import ast
import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from synalign.masking import mask

LONGEST = 300
"""Characters of an endpoint's words that are kept."""

_MOST_READ = 50_000
_MOST_DEPTH = 8
_WORDS = ("message", "msg", "detail", "details", "error", "errors", "error_message", "error_description", "title",
          "reason", "description")  # fmt: skip
_CODES = ("code", "type", "status", "error_type", "error_code", "errorCode")
_FIGURES = ("n_ctx", "n_prompt_tokens")
_EMBEDDED = re.compile(r"[\[{](?=(?:\s|\\n)*['\"{\[(])")
_PAGE = re.compile(r"\s*(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body|title)\b", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_SHORTEST_ECHO = 12
_QUOTED = re.compile(r"(['\"`])(.{1,200}?)\1")


class Complaint(NamedTuple):
    """What an endpoint says.

    Attributes:
        words: Its message, each part once; may quote the request.
        codes: Its error's codes and types.
        parameters: Members of the request that it names in a field of their own.
        status: An HTTP status in the body.
        figures: Numbers in fields of their own: `n_ctx`, `n_prompt_tokens`.
        page: Whether it is a page for people.
    """

    words: str = ""
    codes: frozenset[str] = frozenset()
    parameters: tuple[str, ...] = ()
    status: int | None = None
    figures: Mapping[str, int] = {}
    page: bool = False


class _Found:
    def __init__(self) -> None:
        self.texts: list[str] = []
        self.codes: set[str] = set()
        self.parameters: list[str] = []
        self.statuses: list[int] = []
        self.figures: dict[str, int] = {}


def complaint(body: bytes | object) -> Complaint:
    """Parse what the body of a response complains of.

    Args:
        body: The bytes, or the JSON that was read of them.

    Examples:
        >>> complaint(b'{"detail": [{"loc": ["body", "seed"], "msg": "field not allowed"}]}').words
        'body.seed: field not allowed'
        >>> complaint(b"<html><title>502 Bad Gateway</title></html>").words
        'a page with the title "502 Bad Gateway"'
    """
    if isinstance(body, bytes):
        text = body[:_MOST_READ].decode("utf-8-sig", "replace")
        if is_page(text):
            title = _TITLE.search(text)
            named = " ".join(title[1].split()) if title else ""
            return Complaint(f'a page with the title "{named}"' if named else "a page without a title", page=True)
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            body = text
    found = _Found()
    _walk(body, found, 0)
    words = "; ".join(dict.fromkeys(" ".join(text.split()) for text in found.texts if text.strip()))
    status = found.statuses[0] if found.statuses else None
    return Complaint(words, frozenset(found.codes), tuple(found.parameters), status, found.figures)


def is_page(text: str) -> bool:
    """Return whether a text is a page for people."""
    return _PAGE.match(text) is not None


def shown(words: str, messages: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return an endpoint's words for people, without secrets, without the prompt, and not too long.

    Args:
        words: What it said.
        messages: The messages of the request; what is quoted of the user's is replaced by `…`.
    """
    words = mask(" ".join(words.split()))
    for message in messages:
        if message.get("role") != "system":
            words = _without_echo(words, str(message.get("content")))
    words = "".join(character if character.isprintable() else "\ufffd" for character in words)
    return words if len(words) <= LONGEST else words[: LONGEST - 1].rstrip() + "…"


def _walk(node: Any, found: _Found, depth: int) -> None:
    if depth > _MOST_DEPTH:
        return
    if isinstance(node, str):
        _read_text(node, found, depth)
    elif isinstance(node, list | tuple):
        for item in node[:20]:
            _walk(item, found, depth + 1)
    elif isinstance(node, dict):
        _note_fields(node, found)
        if "loc" in node and isinstance(node.get("msg"), str):
            _note_place(node, found)
            return
        for name in _WORDS:
            if name in node:
                _walk(node[name], found, depth + 1)


def _note_fields(node: dict[Any, Any], found: _Found) -> None:
    for name in _CODES:
        value = node.get(name)
        if isinstance(value, str) and value.strip().isdecimal():
            value = int(value.strip()[:9])
        if isinstance(value, str) and value:
            found.codes.add(value[:100])
        elif type(value) is int and 400 <= value <= 599:
            found.statuses.append(value)
    if isinstance(node.get("param"), str) and node["param"]:
        found.parameters.append(node["param"])
    for name in _FIGURES:
        if type(node.get(name)) is int:
            found.figures[name] = node[name]


def _note_place(node: dict[Any, Any], found: _Found) -> None:
    """Return an entry of FastAPI's list: which member of the request, and what is wrong with it; never its value."""
    loc = node["loc"] if isinstance(node["loc"], list | tuple) else [node["loc"]]
    places = [str(part) for part in loc][:6]
    found.parameters += [part for part in places if part != "body"][:1]
    found.texts.append(f"{'.'.join(places)}: {node['msg']}" if places else str(node["msg"]))


def _read_text(text: str, found: _Found, depth: int) -> None:
    """Return a text, or the JSON or Python literal in it: some servers put an error into another's message."""
    text = text[:_MOST_READ]
    for start in _starts(text):
        inner = _parsed(text[start:])
        if isinstance(inner, dict | list | tuple):
            before = len(found.texts)
            _walk(inner, found, depth + 1)
            if len(found.texts) > before:
                prefix = re.sub(r"\bb?['\"]?$", "", text[:start]).strip(" :-\n")
                if prefix:
                    found.texts[before] = f"{prefix}: {found.texts[before]}"
                return
    found.texts.append(text)


def _starts(text: str) -> Iterator[int]:
    for number, match in enumerate(_EMBEDDED.finditer(text)):
        if number == 3:
            return
        yield match.start()


def _parsed(text: str) -> Any:
    """Parse a text up to its last bracket, as JSON or as a Python literal."""
    text = text[: max(text.rfind("}"), text.rfind("]")) + 1]
    for read in (json.loads, lambda part: json.loads(part.replace("\\n", " ")), ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return None


def _without_echo(words: str, prompt: str) -> str:
    """Return the words without long runs of letters and digits of the prompt, and without quotations of its texts."""
    plain = _plain(prompt)
    shingles = {plain[start : start + _SHORTEST_ECHO] for start in range(len(plain) - _SHORTEST_ECHO + 1)}
    places = [place for place, character in enumerate(words) if character.isalnum()]
    letters = [words[place].casefold()[:1] for place in places]
    covered = [False] * len(words)
    start = 0
    while start + _SHORTEST_ECHO <= len(letters):
        if "".join(letters[start : start + _SHORTEST_ECHO]) in shingles:
            end = start + _SHORTEST_ECHO
            covered[places[start] : places[end - 1] + 1] = [True] * (places[end - 1] + 1 - places[start])
        start += 1
    kept = _cut(words, covered)
    texts = _texts(prompt)
    return _QUOTED.sub(lambda match: match[1] + "…" + match[1] if match[2].casefold() in texts else match[0], kept)


def _plain(text: str) -> str:
    # What JSON writes as an escape, a server may quote as the character.
    with contextlib.suppress(UnicodeError, ValueError):
        text = text.encode().decode("unicode_escape", "replace") if text.isascii() else text
    return "".join(character.casefold()[:1] for character in text if character.isalnum())


def _cut(words: str, covered: Iterable[bool]) -> str:
    kept: list[str] = []
    for character, hidden in zip(words, covered, strict=True):
        if not hidden:
            kept.append(character)
        elif not kept or kept[-1] != "…":
            kept.append("…")
    return "".join(kept)


def _texts(prompt: str) -> set[str]:
    """Return the texts in a prompt's data block, in lower case."""
    texts: set[str] = set()

    def gather(node: Any) -> None:
        if isinstance(node, str):
            texts.add(node.casefold())
        elif isinstance(node, dict):
            for value in node.values():
                gather(value)
        elif isinstance(node, list):
            for item in node:
                gather(item)

    # The block is one line of JSON.
    for line in prompt.split("\n"):
        if line.startswith(("{", "[")):
            try:
                gather(json.loads(line))
            except (ValueError, RecursionError):
                continue
    return texts
