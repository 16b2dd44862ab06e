"""The state of a step that ended unfinished, because a provider still works for it."""

from __future__ import annotations

from typing import Any, NamedTuple


class Waiting(NamedTuple):
    """What a step waits for that goes on without it; the step is not finished, and is to be run again later.

    Attributes:
        batches: Ids of batches at a provider.
        url: Base URL of the provider.
        api_key_variable: Environment variable that holds the key to it; None: none is sent.
        headers_variable: Environment variables that hold the headers of each call, as `generation.headers_variable`.
    """

    batches: tuple[str, ...]
    url: str
    api_key_variable: str | None
    headers_variable: dict[str, str] | str | None = None

    def named(self) -> dict[str, Any]:
        """Return these fields as JSON for a summary, without `headers_variable` where there is none."""
        named = self._asdict()
        if not self.headers_variable:
            del named["headers_variable"]
        return named
