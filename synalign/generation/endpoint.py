"""Where the model is, and the key to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

EMBEDDED = "embedded"
WRITER_VARIABLE = "SYNALIGN_WRITER_URL"


class Endpoint(NamedTuple):
    """An address and its secrets.

    Attributes:
        url: Base URL, usually ending in `/v1`; it may have a query.
        api_key: The key; never logged, stored or shown. Empty: none is sent.
        headers: Headers of every request; their values are secrets, too.
    """

    url: str
    api_key: str
    headers: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return f"Endpoint(url={self.url!r}, api_key=***, headers={dict.fromkeys(self.headers, '***')})"
