"""Personal data in users' text: found by kind, and replaced by placeholders such as `[EMAIL]`.

Queries and documents are written by strangers, and some hold what is somebody's. The rules here are made to be right
rather than complete: a product name, an error code, a version, a date, a price or an ISBN that is damaged makes a
worse prompt every day. What each kind takes to be personal is said where it is found; other people's names are found
only by a recogniser (`synalign.privacy.names`).

Text is read as people see it: full-width letters and the digits of any script count as plain ones, dashes of all kinds
as hyphens, and characters that are drawn as nothing do not count at all. Offsets are kept, so that all else stays as
it was. Time and memory are linear in the length of the text.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from synalign.config import PersonalData
from synalign.privacy.names import names
from synalign.privacy.numbers import cards, digits, phones
from synalign.privacy.places import addresses, emails
from synalign.text.normal import DRAWN_AS_NOTHING

Span = tuple[int, int]

PLACEHOLDERS: dict[PersonalData, str] = {
    "email": "[EMAIL]",
    "ip": "[IP]",
    "card": "[CARD]",
    "phone": "[PHONE]",
    "digits": "[NUMBER]",
    "name": "[NAME]",
}
"""The placeholder of each kind, in the order of the search: digits of an e-mail address are no phone number."""


class Redaction(NamedTuple):
    """A text without personal data.

    Attributes:
        text: With placeholders.
        counts: How many pieces of each kind were replaced; kinds that were not found are not in it.
    """

    text: str
    counts: Counter[PersonalData]


def redact(text: str, kinds: Iterable[PersonalData], regions: Sequence[str]) -> str:
    """Replace personal data by placeholders; redacting the result again changes nothing.

    Args:
        text: Any text, of any length; lone surrogates and control characters are left alone.
        kinds: What counts as personal.
        regions: ISO 3166 countries whose national phone numbers are recognised.

    Examples:
        >>> redact("mail jane.roe@example.org or +1 415 555 2671, iphone 15", ("email", "phone"), ("US",))
        'mail [EMAIL] or [PHONE], iphone 15'
    """
    return redaction(text, kinds, regions).text


def found(text: str, kinds: Iterable[PersonalData], regions: Sequence[str]) -> tuple[PersonalData, ...]:
    """Return the kinds of personal data in a text, in the order of `PLACEHOLDERS`.

    Examples:
        >>> found("call +44 20 7946 0958 for 81.2.69.142", ("email", "phone", "ip"), ("GB",))
        ('ip', 'phone')
    """
    counts = redaction(text, kinds, regions).counts
    return tuple(kind for kind in PLACEHOLDERS if counts[kind])


def redaction(text: str, kinds: Iterable[PersonalData], regions: Sequence[str]) -> Redaction:
    """`redact`, and what was replaced."""
    wanted, counts = set(kinds), Counter[PersonalData]()
    # A placeholder can make a word end where none ended before, so that a second look finds more. Each look that finds
    # something leaves less to find.
    seen, places = _as_seen(text)
    looking = True
    while looking:
        before = counts.total()
        for kind, placeholder in PLACEHOLDERS.items():
            spans = list(_spans(kind, seen, regions)) if kind in wanted else []
            if spans:
                counts[kind] += len(spans)
                text = _replaced(text, spans, places, placeholder)
                seen, places = _as_seen(text)
        looking = counts.total() > before
    return Redaction(text, counts)


def _replaced(text: str, spans: list[Span], places: list[int] | None, placeholder: str) -> str:
    pieces, end = [], 0
    for start, stop in spans:
        first, last = (start, stop) if places is None else (places[start], places[stop - 1] + 1)
        pieces += [text[end:first], placeholder]
        end = last
    return "".join([*pieces, text[end:]])


def _spans(kind: PersonalData, seen: str, regions: Sequence[str]) -> Iterable[Span]:
    """Return the spans of one kind in a text as people see it: ascending, without overlaps."""
    if kind == "phone":
        return phones(seen, regions)
    search: dict[PersonalData, Callable[[str], Iterable[Span]]] = {
        "email": emails, "ip": addresses, "card": cards, "digits": digits, "name": names,
    }  # fmt: skip
    return search[kind](seen)


class _Seen(dict[int, str]):
    """Each character as it is seen: one character for one, so that offsets stay."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        plain = unicodedata.normalize("NFKC", character)
        digit = unicodedata.decimal(character, None)
        if digit is not None:
            plain = str(digit)
        elif unicodedata.category(character) == "Pd" or character == "\u2212":
            plain = "-"
        self[code] = plain if len(plain) == 1 else character
        return self[code]


_SEEN = _Seen()


def _as_seen(text: str) -> tuple[str, list[int] | None]:
    """Return a text as people see it, and each character's place in the original; None where both are equal."""
    seen = text if text.isascii() else text.translate(_SEEN)
    hidden = [match.span() for match in DRAWN_AS_NOTHING.finditer(seen)]
    if not hidden:
        return seen, None
    places: list[int] = []
    end = 0
    for start, stop in [*hidden, (len(seen), len(seen))]:
        places += range(end, start)
        end = stop
    return "".join([seen[place] for place in places]), places
