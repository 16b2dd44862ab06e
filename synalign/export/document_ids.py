"""Ids of documents by their texts: hard negatives come as texts, and formats with a corpus want ids."""

from __future__ import annotations

import hashlib

from synalign.export.source import Source
from synalign.tables import content_id


class DocumentIds:
    """The ids of the documents of a set. A digest of 16 bytes is held for each document, not its text.

    Args:
        source: The set; it is read once for this.
    """

    def __init__(self, source: Source) -> None:
        self._ids: dict[bytes, str] = {}
        for batch in source.content.batches(["document_id", "document"]):
            for document_id, text in zip(batch["document_id"].to_pylist(), batch["document"].to_pylist(), strict=True):
                if document_id and text is not None:
                    self._ids.setdefault(_digest(text), document_id)

    def of(self, text: str) -> str:
        """Return the id of a text; the hash of its content where no row has it as its document."""
        return self._ids.get(_digest(text)) or content_id(text)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:16]
