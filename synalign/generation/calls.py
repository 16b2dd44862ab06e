"""Calls of a server that answers with JSON and is no writer, such as one that embeds: paced, paid for, tried again.

The way of a call is that of a request to the writer (`synalign.generation.client`), by the same parts: budget, pace,
endpoint, budget; what fails for a moment is tried again after the same waits. A call that fails for good ends all:
whoever needs vectors needs each of them.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import httpx2
import openai

from synalign.errors import EndpointError, GenerationError
from synalign.generation import outcomes
from synalign.generation.client import PATIENCE, room_and_turn, seconds_to_wait
from synalign.generation.connection import openai_client
from synalign.generation.correction import believed
from synalign.generation.outcomes import Failure
from synalign.generation.pace import Pace

if TYPE_CHECKING:
    from types import TracebackType

    from synalign.config import Configuration
    from synalign.generation.budget import Budget, Reservation
    from synalign.generation.endpoint import Endpoint

log = logging.getLogger("synalign")

_CALL_TOKENS = 64
"""What a server may add to a call, at most, beside its texts."""

_TEXT_TOKENS = 8
"""What a server may add to a text, at most: markers of begin and end."""

Content = TypeVar("Content")


class Call(NamedTuple):
    """One call.

    Attributes:
        body: What is sent, as JSON.
        texts: The texts in it: what it can cost, and what no message may quote.
    """

    body: dict[str, Any]
    texts: Sequence[str]

    @property
    def most_tokens(self) -> int:
        """Return a bound on its tokens: every token of a byte-level vocabulary stands for a byte at least."""
        return _CALL_TOKENS + sum(_TEXT_TOKENS + len(text.encode("utf-8", "surrogatepass")) for text in self.texts)


class Calls:
    """Calls one path of one server, with at most `runtime.concurrency` calls in flight. An async context manager.

    Args:
        configuration: `runtime` says how often a call is tried, how long, how many at a time.
        endpoint: Address and key.
        path: What is called, such as `/embeddings`.
        budget: What may be spent; closed with this.
        section: The section of the configuration that says where and what is called, for messages.
        remedies: What to do about calls that end so, by outcome.
        backoff_seconds: Wait after the first failed try; doubles with each.
    """

    def __init__(
        self, configuration: Configuration, endpoint: Endpoint, path: str, *, budget: Budget, section: str,
        remedies: Mapping[str, str], backoff_seconds: float = 1.0,
    ) -> None:  # fmt: skip
        self._runtime, self._path = configuration.runtime, path
        self._section, self._remedies, self._backoff = section, remedies, backoff_seconds
        self._url, self.budget = endpoint.url, budget
        self.pace = Pace(self._runtime.concurrency, self._runtime.requests_per_minute, self._runtime.tokens_per_minute)
        self._client = openai_client(configuration, endpoint)
        self._given_up: GenerationError | None = None
        self._met = False

    async def __aenter__(self) -> Calls:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.budget.close()
        await self._client.close()

    async def answer(
        self,
        call: Call,
        read: Callable[[Any], Content],
        tokens: Callable[[Any, Mapping[str, str]], int | None],
        otherwise: Callable[[Failure, Call], Call | None] = lambda failure, call: None,
    ) -> Content:
        """Call until there is a good answer or no more patience.

        Args:
            call: What is asked.
            read: Makes the result of the answer's JSON; raises `Failure` where there is none.
            tokens: Tells what the answer cost by its JSON and headers; None: it does not say.
            otherwise: Returns the call in another form where a failure shows that the server wants one.

        Raises:
            EndpointError: The server refuses such calls, or answers something else.
            GenerationError: It cannot be reached, has trouble of its own, or the ceiling is reached.
        """
        failures, tries, patience = 0, 0, PATIENCE
        while True:
            reservation, turn = await self._turn(call)
            try:
                return await self._send(call, reservation, turn, read, tokens)
            except Failure as failure:
                other = otherwise(failure, call)
                if other is not None:
                    call = other
                    continue
                log.info("%s: %s", self._section, failure)
                failures += 1
                # Who asks to wait, or is away for a moment, costs no try.
                later = failure.outcome == outcomes.RATE_LIMITED or (failure.away and self._met)
                tries += not later
                wait = seconds_to_wait(failure, failures, self._backoff)
                patience -= wait if later else 0.0
                if failure.outcome not in outcomes.RETRIED or tries >= self._runtime.attempts or patience < 0:
                    # `from None`: the client's own exception may quote the key.
                    raise self._give_up(self._error(failure)) from None
            await asyncio.sleep(wait)

    async def _turn(self, call: Call) -> tuple[Reservation, Any]:
        """Wait for room under the ceiling and for the pace.

        Raises:
            GenerationError: There is no room, or another call gave up.
        """
        most = call.most_tokens
        found = await room_and_turn(self.budget, self.pace, most, 0)
        if found is not None:
            return found
        raise self._give_up(
            EndpointError(
                f"{self._section}.budget is reached: {self.budget.tokens:,} tokens are spent, and the next call can "
                f"need {most:,}.",
                cause="more texts than the ceiling was meant for",
                remedy=f"raise {self._section}.budget.max_tokens or max_money, and run the step again: what was "
                "answered is kept and not paid twice",
            )
        )

    async def _send(
        self, call: Call, reservation: Reservation, turn: Any, read: Callable[[Any], Content],
        tokens: Callable[[Any, Mapping[str, str]], int | None],
    ) -> Content:  # fmt: skip
        """Call once; the reservation is settled and the turn ended however this ends.

        Raises:
            Failure: There is no good answer.
        """
        failed: Failure | None = None
        headers: Mapping[str, str] = {}
        spent: int | None = None
        try:
            async with asyncio.timeout(self._runtime.timeout_seconds):
                response = await self._client.post(self._path, cast_to=httpx2.Response, body=call.body)
            headers = response.headers
            content = _json(response.content)
            spent = tokens(content, headers)
            found = read(content)
            self._met = True
            return found
        except Failure as failure:
            failed = failure
        except (openai.OpenAIError, TimeoutError) as error:
            headers = outcomes.headers_of(error) or headers
            failed = outcomes.of_error(error, {"messages": [{"content": text} for text in call.texts]})
            self._met = self._met or not failed.away
        finally:
            self._settle(call, reservation, failed, spent)
            self._tell_pace(turn, headers, failed, believed(spent, turn.tokens))
        raise failed from None

    def _settle(self, call: Call, reservation: Reservation, failed: Failure | None, spent: int | None) -> None:
        if failed is not None and failed.outcome in outcomes.UNBILLED:
            spent = 0
        # What nobody reports counts as all that was set aside.
        self.budget.settle(reservation, spent, 0)

    def _tell_pace(self, turn: Any, headers: Mapping[str, str], failed: Failure | None, spent: int | None) -> None:
        if failed is not None and failed.outcome == outcomes.RATE_LIMITED:
            failed.retry_after = self.pace.refuse(turn, failed.retry_after, headers)
        elif failed is None or failed.outcome in outcomes.ANSWERED:
            self.pace.answered(turn, headers, spent)
        else:
            self.pace.fail(turn)

    def _give_up(self, error: GenerationError) -> GenerationError:
        """Let no further call begin; returns the first such error."""
        self._given_up = self._given_up or error
        self.pace.stop(self._given_up)
        return self._given_up

    def _error(self, failure: Failure) -> GenerationError:
        """Return what people are told of a failure after which no call can succeed."""
        kind = EndpointError if failure.outcome in outcomes.LASTING | outcomes.FINAL else GenerationError
        remedy = self._remedies.get(failure.outcome, "")
        again = "then run the step again: what was answered is kept and not paid twice"
        words = failure.outcome.replace("_", " ")
        return kind(
            f"{self._section}.endpoint == {self._url!r}: {words}.",
            cause=failure.detail.rstrip("."),
            remedy=f"{remedy}; {again}" if remedy else again.removeprefix("then "),
        )


def _json(content: bytes) -> Any:
    """Return the JSON in a body.

    Raises:
        Failure: It is a page, or no JSON.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        page = content.lstrip()[:1] == b"<"
        outcome = outcomes.PAGE if page else outcomes.INVALID_OUTPUT
        raise Failure(outcome, "a page, not an API" if page else "the body of the response is no JSON") from None
