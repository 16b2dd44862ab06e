"""A judge on loopback: an HTTP server whose grades a test says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from synalign.generation.prompts import from_data
from tests.generation.servers import Kind, Server, serving

Graded = int | str | tuple[int, str]
"""A grade; the text of an answer; or status and body of a refusal."""


class JudgeServer(Server):
    """Answers each request by a function of query and document.

    Attributes:
        pairs: Every query and document text that it was asked about.
    """

    def __init__(self, grade: Callable[[str, str], Graded]) -> None:
        super().__init__(Kind(lambda request: None))
        self.grade = grade
        self.pairs: list[tuple[str, str]] = []

    def reply(self, request: dict[str, Any]) -> tuple[int, bytes]:
        data = from_data(request["messages"][-1]["content"])
        query, text = data["query"], data["document"]["text"]
        with self.lock:
            self.pairs.append((query, text))
        graded = self.grade(query, text)
        if isinstance(graded, tuple):
            return graded[0], graded[1].encode()
        content = json.dumps({"grade": graded}) if isinstance(graded, int) else graded
        message = {"role": "assistant", "content": content}
        usage = {"prompt_tokens": 100, "completion_tokens": 5}
        body = {"model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": message}], "usage": usage}
        return 200, json.dumps(body).encode()


@contextmanager
def judging(grade: Callable[[str, str], Graded]) -> Iterator[JudgeServer]:
    """A judge, running meanwhile."""
    with serving(JudgeServer(grade)) as server:
        yield server
