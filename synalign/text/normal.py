"""What SynAlign means by a query's text and by a document's."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

EXAMPLE_CHARACTERS = 200
"""What a manifest quotes of a query is cut to so many."""

# Characters that are drawn as nothing. Soft hyphen, grapheme joiner, fillers, zero-width space and marks, directional
# marks, overrides and isolates, invisible operators, byte order mark, musical and shorthand controls, and tags, in
# which text can be hidden from people and not from a model. Not among them: format characters that are drawn, such as
# Arabic number signs.
_NOTHING = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    r"\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
)
_JOINERS = r"\u200c\u200d"
_SELECTORS = r"\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
# Joiners shape Persian, Indic scripts and emoji: they stay between two visible characters beyond ASCII, where they can
# be seen to do something. Selectors choose how the character before them is drawn: one for each.
_JOINED_BEFORE = rf"(?<![^\x00-\x7f\s{_NOTHING}{_JOINERS}])"
_JOINED_AFTER = rf"(?![^\x00-\x7f\s{_NOTHING}{_JOINERS}])"
_INVISIBLE = re.compile(
    rf"[{_NOTHING}]+|{_JOINED_BEFORE}[{_JOINERS}]|[{_JOINERS}]{_JOINED_AFTER}|(?:(?<=[{_SELECTORS}\s])|^)[{_SELECTORS}]+"
)

DRAWN_AS_NOTHING = re.compile(rf"[\x00-\x08\x0e-\x1f\x7f\u20e3{_NOTHING}{_JOINERS}{_SELECTORS}]+")
"""All of that wherever it is, with control characters and keycaps: what can stand unseen inside a number."""


def caseless(text: str) -> str:
    """Return a text in which the case of a letter makes no difference, in Unicode NFKC.

    Greek letters with several marks are one only when taken apart before they are folded, and put together again.
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", text).casefold())


def normalise(text: str) -> str:
    r"""Return a query as SynAlign compares it.

    Unicode NFKC, without what cannot be seen (directional overrides, zero-width characters, tags; joiners stay where
    Persian, Indic scripts and emoji need them), runs of white space as one space, none at the ends, case kept. Control
    characters stay, for a rule to reject. Normalising twice changes nothing.

    Examples:
        >>> normalise("  \uff28ow\tto  sort ")
        'How to sort'
        >>> normalise("pay\u200bpal \u202emoc.elpmaxe\u202c")
        'paypal moc.elpmaxe'
    """
    text = _composed(text)
    # What is taken out can bring two characters together that are one, or leave a joiner with nothing to join.
    while not text.isascii() and _INVISIBLE.search(text):
        text = _composed(_INVISIBLE.sub("", text))
    return text


def _composed(text: str) -> str:
    return " ".join((text if text.isascii() else unicodedata.normalize("NFKC", text)).split())


def document_text(title: str, text: str) -> str:
    """Return a document's text for embedding and training: its title, if any, on a line of its own, and its text."""
    return f"{title}\n{text}" if title else text


def texts_of(column: pa.Array | pa.ChunkedArray) -> list[str]:
    """Return the texts of an Arrow column; none is null, and bytes that are not UTF-8 are marked as such.

    Tables of earlier versions can have such bytes: nothing that reads them may fail for it.
    """
    try:
        return [text or "" for text in column.to_pylist()]
    except UnicodeDecodeError:
        return [(data or b"").decode("utf-8", "replace") for data in column.cast("binary").to_pylist()]
