"""A server that reranks, as teacher: one request for each pair, with its document and its negatives.

`/rerank` as llama.cpp, vLLM, Jina and Cohere speak it (`query`, `documents`; `results` with `index` and
`relevance_score`), and as Text Embeddings Inference does (`query`, `texts`; a list of `index` and `score`). The client
of the package `openai` sends, and tries again what fails for a moment; what was answered is in the response journal.
What it costs is counted request by request (`budget`), whatever the client had to try again for it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import httpx2
import numpy as np
import openai

from synalign import masking
from synalign.errors import EndpointError, GenerationError
from synalign.generation.connection import openai_client
from synalign.generation.journal import Entry
from synalign.teaching.budget import most_tokens, reported
from synalign.text.normal import document_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.config import Configuration
    from synalign.generation.endpoint import Endpoint
    from synalign.generation.journal import Journal
    from synalign.progress import Advance
    from synalign.teaching.budget import Budget
    from synalign.teaching.teachers import Asked

_TRIES = 6
_PATH = "/rerank"


class Reranker:
    """Scores documents by a server's `/rerank`.

    Args:
        configuration: `teacher` names the model and how it is asked; `runtime` how many requests are under way.
        endpoint: Its address and key.
        journal: What was answered before.
        budget: What it costs, and may cost.
    """

    def __init__(self, configuration: Configuration, endpoint: Endpoint, journal: Journal, budget: Budget) -> None:
        self._settings, self._configuration = configuration.teacher, configuration
        self._endpoint, self._journal, self._budget = endpoint, journal, budget
        self._requests = self._reused = self._missing = self._over = 0

    @property
    def spent(self) -> dict[str, Any]:
        """Return what its scores have cost so far; see `synalign.teaching.teachers.Scorer`."""
        return {
            "requests": self._requests, "journal_hits": self._reused, "paid_requests": self._budget.requests,
            "tokens": self._budget.tokens, "money": self._budget.money, "currency": self._settings.budget.currency,
            "not_scored": self._missing, "over_budget": self._over,
        }  # fmt: skip

    def scores(self, asked: Asked, advance: Advance) -> list[NDArray[np.float64]]:
        """Return (n,) float64 scores of the documents of each query; NaN where the ceiling leaves no room for them.

        Raises:
            EndpointError: The server refuses the request, or answers something else than scores.
            GenerationError: It cannot be reached.
        """
        try:
            return asyncio.run(self._all(asked, advance))
        except ExceptionGroup as group:
            # One server answers all requests: the first failure tells of the others.
            raise group.exceptions[0] from None

    async def _all(self, asked: Asked, advance: Advance) -> list[NDArray[np.float64]]:
        client = openai_client(self._configuration, self._endpoint).with_options(max_retries=_TRIES)
        free = asyncio.Semaphore(self._configuration.runtime.concurrency)

        async def one(query: str, documents: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
            async with free:
                texts = [document_text(*document) for document in documents]
                found = await self._one(client, query, texts)
            advance()
            return found

        async with client, asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(*each)) for each in asked]
        return [task.result() for task in tasks]

    async def _one(self, client: openai.AsyncOpenAI, query: str, documents: Sequence[str]) -> NDArray[np.float64]:
        body = self._body(query, documents)
        key = hashlib.sha256(json.dumps([_PATH, self._endpoint.url, body], sort_keys=True).encode()).hexdigest()
        self._requests += 1
        kept = await self._journal.find(key)
        self._reused += kept is not None
        if kept is None:
            paid = await self._paid(client, key, body, most_tokens(query, _texts(body)))
            if paid is None:
                self._over, self._missing = self._over + 1, self._missing + len(documents)
                return np.full(len(documents), np.nan)
            answer, tokens = paid
            scores = self._read(answer, len(documents))
            entry = Entry(key, json.dumps(scores), str(self._settings.model), tokens, None, 0.0)
            kept = await self._journal.add(entry)
        return np.array(json.loads(kept.answer), dtype=np.float64)

    async def _paid(
        self, client: openai.AsyncOpenAI, key: str, body: dict[str, Any], most: int
    ) -> tuple[Any, int | None] | None:
        """Send a request and count what it cost; returns the answer and its tokens, None where there is no room."""
        held = await self._budget.reserve(most, 1, key)
        if held is None:
            return None
        # No answer: the provider may bill it all the same.
        spent: tuple[int | None, int] = None, 1
        try:
            answer = await self._sent(client, body)
            spent = reported(answer)
        except EndpointError:
            # Refused, or none that reranks.
            spent = 0, 0
            raise
        finally:
            self._budget.settle(held, *spent)
        return answer, spent[0]

    def _body(self, query: str, documents: Sequence[str]) -> dict[str, Any]:
        texts = [document[: self._settings.document_characters] for document in documents]
        if self._settings.protocol == "tei":
            return {"query": query, "texts": texts, "raw_scores": True, "truncate": True}
        return {"model": self._settings.model, "query": query, "documents": texts, "top_n": len(texts)}

    async def _sent(self, client: openai.AsyncOpenAI, body: dict[str, Any]) -> Any:
        try:
            answer = await client.post(_PATH, body=body, cast_to=httpx2.Response)
            return answer.json()
        except openai.APIStatusError as error:
            told = masking.mask(error.response.text[:300])
            raise EndpointError(
                f"teacher.endpoint answers {error.status_code}: {told}.",
                cause="the server has no /rerank, not this model, or speaks the other protocol",
                remedy="check teacher.endpoint, teacher.model and teacher.protocol; what was answered is kept",
            ) from None
        except openai.APIConnectionError as error:
            raise GenerationError(
                f"teacher.endpoint cannot be reached: {masking.mask(str(error))}.",
                remedy="run the step again when it is up; what was answered is kept",
            ) from None
        except ValueError as error:
            raise EndpointError(
                f"teacher.endpoint answers what is no JSON: {error}.",
                cause="a gateway, or another kind of server",
                remedy="check teacher.endpoint",
            ) from None

    def _read(self, answer: Any, count: int) -> list[float]:
        """Return scores in the order of the documents.

        Raises:
            EndpointError: They are not there for every document, or no numbers.
        """
        rows = answer.get("results") if isinstance(answer, dict) else answer
        scores: dict[int, float] = {}
        for row in rows if isinstance(rows, list) else ():
            if not isinstance(row, dict):
                continue
            place, score = row.get("index"), row.get("relevance_score", row.get("score"))
            if isinstance(place, int) and isinstance(score, int | float) and math.isfinite(score):
                scores[place] = float(score)
        if sorted(scores) != list(range(count)):
            raise EndpointError(
                f"teacher.endpoint gives {len(scores)} scores for {count} documents: "
                f"{masking.mask(json.dumps(answer))[:200]}.",
                cause="a server of the other protocol, or one that cuts its list",
                remedy="set teacher.protocol to `cohere` or `tei`",
            )
        return [scores[place] for place in range(count)]


def _texts(body: dict[str, Any]) -> list[str]:
    """Return the documents of a request, as they are sent."""
    texts: list[str] = body.get("texts") or body.get("documents") or []
    return texts
