"""How a query that is to be forgotten is recognised: as a query of the log, or in what a model wrote."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

from synalign.errors import ArgumentError
from synalign.screening.copied import words_of
from synalign.tables import content_id
from synalign.text import normalise

GONE = "[FORGOTTEN]"
"""Stands where a text was that has to stay in some form, such as an example in a manifest."""

_PART = "\x1f"


def folded(text: str) -> str:
    """A text as traces compare it: as ingest normalises it, in lower case."""
    return normalise(text).casefold()


class Trace:
    """A query, in any case and spacing.

    Args:
        query: What the user typed.
        exact: Whether only texts count that are the query, and not those that have it within them.

    Attributes:
        query: As ingest normalises it.
        exact: As given.

    Raises:
        ArgumentError: Nothing is left of it when it is normalised.
    """

    def __init__(self, query: str, *, exact: bool = False) -> None:
        self.query = normalise(query)
        self.exact = exact
        self._folded = folded(query)
        if not self._folded:
            raise ArgumentError("query", query, "must hold a character that can be seen")
        self._words = words_of(self.query)
        # Of a word no character can be escaped in JSON but by its number.
        longest = max(self._words, key=len, default="")
        self._longest = longest.encode() if longest.isascii() else b""
        self._whole = re.compile(_edge(self._folded[0], "(?<!{})") + re.escape(self._folded)
                                 + _edge(self._folded[-1], "(?!{})"))  # fmt: skip

    @property
    def query_id(self) -> str:
        """The id that the tables have of the query as it was given."""
        return content_id(self.query)

    def key(self, salt: str) -> str:
        """What a list of forgotten queries holds of it."""
        return key(self._folded, salt)

    def is_(self, text: str) -> bool:
        """Whether a text is the query."""
        return folded(text) == self._folded

    def in_(self, text: str) -> bool:
        """Whether a text has the query within it as whole words, with any punctuation between them.

        `cat` is in `Cats, and a cat`, but not in `cats` or `category`. Scripts without spaces have no such bounds.
        """
        if self.is_(text):
            return True
        if self.exact:
            return False
        if self._whole.search(folded(text)):
            return True
        if len(self._words) < 2:
            return False
        return _joined(self._words) in _joined(words_of(text))

    def in_json(self, text: str) -> bool:
        """Whether a string anywhere in JSON has it; what is no JSON counts as one text."""
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            return self.in_(text)
        return any(map(self.in_, strings(content)))

    def may_be_in(self, line: bytes) -> bool:
        """Whether it is worth parsing some JSON for it: false only where it cannot be in there."""
        if not line.isascii() or b"\\u" in line or not self._longest:
            return True
        return self._longest in line.lower()

    def without(self, content: Any) -> Any:
        """JSON's values with `GONE` in the place of every string that has it."""
        if isinstance(content, str):
            return GONE if self.in_(content) else content
        if isinstance(content, dict):
            return {self.without(key): self.without(value) for key, value in content.items()}
        return [self.without(value) for value in content] if isinstance(content, list) else content


def key(text: str, salt: str) -> str:
    """The key of a folded text: SHA-256 of salt and text, cut to 16 bytes, in hexadecimal."""
    return hashlib.sha256(f"{salt}{_PART}{text}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def strings(content: Any) -> Iterator[str]:
    """Every string in JSON's values, names included."""
    waiting = [content]
    while waiting:
        found = waiting.pop()
        if isinstance(found, str):
            yield found
        elif isinstance(found, dict):
            waiting += [*found.keys(), *found.values()]
        elif isinstance(found, list):
            waiting += found


def _edge(character: str, pattern: str) -> str:
    """The bound of a word beside one of its characters: none where words have none, or where it is no letter."""
    return pattern.format(r"\w") if len(words_of(character * 2)) == 1 else ""


def _joined(found: list[str]) -> str:
    return _PART + _PART.join(found) + _PART
