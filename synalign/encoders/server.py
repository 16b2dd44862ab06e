"""A server that embeds: texts in, unit vectors out, in requests that are paced, paid for and tried again.

Vectors that were paid for are handed on (`keep`) even where a later request fails: nothing is asked for twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from synalign.config.encoder import CHARACTERS_PER_TOKEN
from synalign.embedding import encoder
from synalign.encoders import protocols
from synalign.errors import EndpointError
from synalign.generation import outcomes
from synalign.generation.budget import Budget
from synalign.generation.calls import Calls
from synalign.generation.endpoint import Endpoint
from synalign.writer.endpoint import api_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike
    from types import TracebackType

    from synalign.config import Configuration
    from synalign.embedding.prompts import Side

Keep = Callable[[list[int], NDArray[np.float32]], None]
"""Takes rows of the texts, and their vectors."""

KEPT_AT_ONCE = 2_048
"""Texts whose vectors are handed on together: what a process that is killed may have paid for in vain."""

REMEDIES = {
    outcomes.CONNECTION: "check that the server is up, encoder.endpoint, the network and the proxy variables",
    outcomes.TIMEOUT: "lower encoder.texts_per_request or runtime.concurrency, or raise runtime.timeout_seconds",
    outcomes.RATE_LIMITED: "others use the same quota now: wait, or set runtime.requests_per_minute",
    outcomes.SERVER_ERROR: "the server has trouble of its own: try later, or lower encoder.texts_per_request",
    outcomes.QUOTA_EXHAUSTED: "this is about billing, not speed: top up the account or raise its limit",
    outcomes.AUTHENTICATION: "put a valid key into the environment variable that encoder.api_key_variable names",
    outcomes.NOT_FOUND: "check encoder.model and encoder.endpoint, and encoder.api: most base URLs of `openai` end in "
    "/v1, those of `tei` do not",
    outcomes.PAGE: "correct encoder.endpoint: most base URLs end in /v1",
    outcomes.CONTEXT_TOO_LONG: "a text has more tokens than the server takes: lower encoder.max_tokens (texts are cut "
    f"after {CHARACTERS_PER_TOKEN} characters for each), or encoder.texts_per_request where all texts of a request "
    "count together, or give the server a larger context (llama.cpp: --ubatch-size)",
    outcomes.REJECTED: "what the server says names the rule: encoder.texts_per_request, encoder.api and encoder.model "
    "say what is sent",
    outcomes.UNSUPPORTED: "what the server says names the rule: encoder.texts_per_request, encoder.api and "
    "encoder.model say what is sent",
    outcomes.INVALID_OUTPUT: "check encoder.api and encoder.model: a model that embeds, with pooling",
}
"""What to do about calls that end so."""


class Server:
    """The server of a configuration. A context manager: what it learnt of the server's pace lasts as long as it does.

    Args:
        configuration: `encoder` says where and what, `runtime` how it is asked.
        record: File that remembers over kills what was spent. None: only this object counts.

    Raises:
        ConfigurationError: The key is not set.

    Attributes:
        counted: Whether the server reported what its answers cost.
    """

    def __init__(self, configuration: Configuration, record: PathLike[str] | None = None) -> None:
        self._configuration, self._settings = configuration, configuration.encoder
        self._record = record
        self._endpoint = Endpoint(str(self._settings.endpoint), api_key(self._settings, "encoder"))
        self._runner = asyncio.Runner()
        self._calls: Calls | None = None
        self._before = 0
        self._as_bytes, self._width, self.counted = True, 0, True

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._calls is not None:
            self._runner.run(self._calls.__aexit__(kind, error, trace))
        self._runner.close()

    @property
    def tokens(self) -> int:
        """Return what the calls of this object cost, as reported, or at most."""
        return 0 if self._calls is None else self._calls.budget.tokens - self._before

    def encode(
        self,
        texts: Sequence[str],
        advance: Callable[[int], None] | None = None,
        *,
        side: Side = "query",
        keep: Keep | None = None,
    ) -> NDArray[np.float32]:
        """Embed n texts: (n, d) float32, unit rows, in their order.

        Args:
            texts: Cut here, with their prompt before them.
            advance: Called with how many more are done.
            side: Queries or documents.
            keep: Called with the rows that have vectors, and these: every `KEPT_AT_ONCE` texts, and before an error
                ends this.

        Raises:
            EndpointError: The server refuses, answers something else than vectors, or the ceiling is reached.
            GenerationError: It cannot be reached, or has trouble of its own.
        """
        if not texts:
            return np.empty((0, 0), dtype=np.float32)
        prompt = encoder.prompts(self._settings).of(side)
        cut = [(prompt + text)[: CHARACTERS_PER_TOKEN * self._settings.max_tokens] for text in texts]
        found: dict[int, NDArray[np.float32]] = {}
        kept: set[int] = set()

        def flush(least: int) -> None:
            starts = sorted(found.keys() - kept)
            if keep is not None and sum(len(found[start]) for start in starts) >= least:
                kept.update(starts)
                rows = [start + row for start in starts for row in range(len(found[start]))]
                keep(rows, np.concatenate([found[start] for start in starts]))

        def came(start: int, vectors: NDArray[np.float32]) -> None:
            found[start] = vectors
            if advance is not None:
                advance(len(vectors))
            flush(KEPT_AT_ONCE)

        try:
            self._runner.run(self._all(cut, came))
        finally:
            flush(1)
        return np.concatenate([found[start] for start in sorted(found)])

    async def _all(self, texts: list[str], came: Callable[[int, NDArray[np.float32]], None]) -> None:
        """Ask for all texts.

        Args:
            texts: Cut, with their prompt.
            came: Called with the first row of each request, and the vectors of its texts.

        Raises:
            GenerationError: The first error, when all calls that were on their way have ended.
        """
        calls, size = self._called(), self._settings.texts_per_request

        async def one(start: int) -> None:
            came(start, await self._one(calls, texts[start : start + size]))

        ended = await asyncio.gather(*map(one, range(0, len(texts), size)), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error

    def _called(self) -> Calls:
        """Return what calls the server; made within the loop that it is used in."""
        if self._calls is None:
            budget = Budget(self._settings.budget.as_generation, record=self._record)
            self._before = budget.tokens
            self._calls = Calls(
                self._configuration, self._endpoint, protocols.PATHS[self._settings.api], budget=budget,
                section="encoder", remedies=REMEDIES,
            )  # fmt: skip
        return self._calls

    async def _one(self, calls: Calls, texts: list[str]) -> NDArray[np.float32]:
        def otherwise(failure: outcomes.Failure, asked: protocols.Call) -> protocols.Call | None:
            other = protocols.without_bytes(failure, asked)
            self._as_bytes = self._as_bytes and other is None
            return other

        def tokens(content: Any, headers: Mapping[str, str]) -> int | None:
            found = protocols.tokens(content, headers)
            self.counted = self.counted and found is not None
            return found

        asked = protocols.call(self._settings, texts, as_bytes=self._as_bytes)
        vectors = await calls.answer(asked, lambda content: protocols.read(content, len(texts)), tokens, otherwise)
        self._require_width(vectors.shape[1])
        return vectors

    def _require_width(self, width: int) -> None:
        """Refuse vectors of another width than those before.

        Raises:
            EndpointError: They are.
        """
        self._width = self._width or width
        if width != self._width:
            raise EndpointError(
                f"encoder.endpoint gives vectors of {width} numbers, before {self._width}.",
                cause="several models behind one address, or the model was changed meanwhile",
                remedy="let one model answer, name it in encoder.model, and set encoder.revision to a new name for it",
            )
