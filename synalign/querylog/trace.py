"""Recognise a query that is to be forgotten: as a query of the log, or in a model's text."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from synalign.errors import ArgumentError
from synalign.screening.copied import words_of
from synalign.tables import content_id
from synalign.text.normal import EXAMPLE_CHARACTERS, caseless, normalise

if TYPE_CHECKING:
    from synalign.config import PersonalData

GONE = "[FORGOTTEN]"
"""Stands where a text was that has to stay in some form, such as an example in a manifest."""

_PART = "\x1f"
_TELLING = 20
"""Characters of a query's beginning by which it is known where a text was cut within it."""


def folded(text: str) -> str:
    """Return a text as traces compare it: as ingest normalises it, in lower case."""
    return normalise(caseless(normalise(text)))


class Trace:
    """A query, in any case and spacing.

    Args:
        query: What the user typed.
        exact: Whether only texts count that are the query, and not those that have it within them.
        shown: How prompts showed it, personal data replaced: what the model wrote can have it so.

    Attributes:
        query: As ingest normalises it.
        exact: As given.

    Raises:
        ArgumentError: Nothing is left of it when it is normalised.
    """

    def __init__(self, query: str, *, exact: bool = False, shown: Iterable[str] = ()) -> None:
        self.query = normalise(query)
        self.exact = exact
        self._folded = folded(query)
        if not self._folded:
            raise ArgumentError("query", query, "must hold a character that can be seen")
        self._forms = [_Form(form) for form in dict.fromkeys([self.query, *filter(_tells, shown)])]
        # Of a word no character can be escaped in JSON but by its number.
        common = set[str].intersection(*(set(form.words) for form in self._forms))
        longest = max(sorted(common), key=len, default="")
        self._longest = longest.encode() if longest.isascii() else b""

    @property
    def query_id(self) -> str:
        """The id that the tables have of the query as it was given."""
        return content_id(self.query)

    def key(self, salt: str) -> str:
        """Return the query's key on a list of forgotten queries."""
        return key(self._folded, salt)

    def is_(self, text: str) -> bool:
        """Tell whether a text is the query."""
        return folded(text) == self._folded

    def in_(self, text: str) -> bool:
        """Tell whether a text has the query within it as whole words, with any punctuation between them.

        `cat` is in `Cats, and a cat`, but not in `cats` or `category`. Scripts without spaces have no such bounds.
        """
        cut = len(text) == EXAMPLE_CHARACTERS
        text_folded = folded(text)
        return any(
            text_folded == form.folded
            or (cut and form.goes_on_after(text_folded, whole=self.exact))
            or (not self.exact and form.within(text, text_folded))
            for form in self._forms
        )

    def in_json(self, text: str) -> bool:
        """Tell whether a string anywhere in JSON has the query; a text that is no JSON counts as one string."""
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            return self.in_(text)
        return any(map(self.in_, strings(content)))

    def may_be_in(self, line: bytes) -> bool:
        """Tell whether JSON is worth parsing; False only where the query cannot be in it."""
        if not line.isascii() or b"\\u" in line or not self._longest:
            return True
        return self._longest in line.lower()

    def without(self, content: Any) -> Any:
        """Replace every string of JSON's values that has the query by `GONE`."""
        if isinstance(content, str):
            return GONE if self.in_(content) else content
        if isinstance(content, dict):
            return {self.without(key): self.without(value) for key, value in content.items()}
        return [self.without(value) for value in content] if isinstance(content, list) else content


class _Form:
    """One way of writing the query.

    Args:
        text: It, normalised.
    """

    def __init__(self, text: str) -> None:
        self.folded = folded(text)
        self.words = words_of(text)
        self._whole = re.compile(_edge(self.folded[0], "(?<!{})") + re.escape(self.folded)
                                 + _edge(self.folded[-1], "(?!{})"))  # fmt: skip

    def within(self, text: str, text_folded: str) -> bool:
        """Tell whether a text has the form within it as whole words."""
        if self._whole.search(text_folded):
            return True
        return len(self.words) > 1 and _joined(self.words) in _joined(words_of(text))

    def goes_on_after(self, text_folded: str, *, whole: bool) -> bool:
        """Tell whether a text that was cut ends in the form's beginning; with `whole`, whether it is that beginning."""
        if whole:
            return self.folded.startswith(text_folded)
        longest = min(len(self.folded), len(text_folded))
        return any(text_folded.endswith(self.folded[:end]) for end in range(longest, _TELLING - 1, -1))


def redacted(query: str, kinds: Iterable[PersonalData], regions: Sequence[str]) -> str:
    """Return a query as prompts show it."""
    # Not for everyone: ingest asks for keys alone, in many processes.
    from synalign.privacy import redact

    return redact(normalise(query), kinds, regions)


def _tells(form: str) -> bool:
    """Tell whether two words of a query are left where personal data was replaced: enough to recognise it."""
    from synalign.privacy.personal import PLACEHOLDERS

    for placeholder in PLACEHOLDERS.values():
        form = form.replace(placeholder, " ")
    return len(words_of(form)) > 1


def key(text: str, salt: str) -> str:
    """Return the key of a folded text: SHA-256 of salt and text, cut to 16 bytes, in hexadecimal."""
    return hashlib.sha256(f"{salt}{_PART}{text}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def strings(content: Any) -> Iterator[str]:
    """Yield every string in JSON's values, names included."""
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
    """Return the bound of a word beside one of its characters; empty beside no letter or in scripts without bounds."""
    return pattern.format(r"\w") if len(words_of(character * 2)) == 1 else ""


def _joined(found: list[str]) -> str:
    return _PART + _PART.join(found) + _PART
