"""What SynAlign means by a query's text and by a document's."""

from __future__ import annotations

import unicodedata


def normalise(text: str) -> str:
    """A query as SynAlign compares it: Unicode NFKC, runs of white space as one space, none at the ends, case kept.

    Examples:
        >>> normalise("  \uff28ow\\tto  sort ")
        'How to sort'
    """
    return " ".join(unicodedata.normalize("NFKC", text).split())


def document_text(title: str, text: str) -> str:
    """What is embedded and trained on for a document: its title, if it has one, on a line of its own, and its text."""
    return f"{title}\n{text}" if title else text
