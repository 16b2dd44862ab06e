"""Calls, replies, rejections and routes of the embedded writer's endpoints."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from synalign.writer.faults import Faults
    from synalign.writer.tally import Tally


class Call(NamedTuple):
    """One request that reached an endpoint.

    Attributes:
        parts: What the groups of the route's pattern matched in the path.
        query: Parameters after the question mark; of several of one name the last.
        headers: Its headers; names in lower case.
        body: Its body.
        faults: The faults of this server.
        tally: The counts of this server.
        state: What endpoints keep between requests; keys are theirs, and so is locking.
    """

    parts: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    faults: Faults
    tally: Tally
    state: dict[str, Any]

    def json(self) -> Any:
        """Return the body as JSON.

        Raises:
            Rejected: It is no JSON.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Rejected(400, "invalid_json", f"the body is not JSON: {error}") from error


class Reply(NamedTuple):
    """The answer of an endpoint.

    Attributes:
        body: Its bytes.
        content_type: What they are.
    """

    body: bytes
    content_type: str = "application/json"

    @classmethod
    def of(cls, content: Any) -> Reply:
        """Return a reply of JSON."""
        return cls(json.dumps(content).encode())


class Route(NamedTuple):
    """An endpoint.

    Attributes:
        method: GET, POST, ...
        path: The whole path, without the part after the question mark, and without a slash at its end.
        answer: What it does.
        faults: The kinds of faults that can befall it, of `faults.KINDS`.
        paid: Whether a good answer of it costs its client money.
    """

    method: str
    path: re.Pattern[str]
    answer: Callable[[Call], Reply]
    faults: frozenset[str] = frozenset()
    paid: bool = False


class Rejected(Exception):
    """An error in OpenAI's shape instead of an answer."""

    def __init__(self, status: int, code: str | None, message: str, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"error": {"message": message, "type": kind, "param": None, "code": code}}
        self.headers: dict[str, str] = {}
