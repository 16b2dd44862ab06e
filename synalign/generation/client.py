"""The only module that talks to a model: asks, retries, counts, and keeps every good answer in the journal.

The way of a request: journal, budget, pace, endpoint, budget, journal. The openai client's own retries are off: exactly
one place decides what is tried again, and when.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Mapping
from os import PathLike
from types import TracebackType
from typing import Any, NamedTuple, TypeVar
from weakref import WeakValueDictionary

import httpx2
import openai
from pydantic import BaseModel

from synalign.config import Configuration
from synalign.errors import GenerationError
from synalign.generation import outcomes, reading, request
from synalign.generation.breaker import Breaker
from synalign.generation.budget import Budget, Reservation
from synalign.generation.connection import COMPLETIONS, openai_client
from synalign.generation.context import context_of
from synalign.generation.correction import believed
from synalign.generation.dialect import Dialect
from synalign.generation.endings import final_error
from synalign.generation.endpoint import EMBEDDED, Endpoint
from synalign.generation.journal import Entry, Journal
from synalign.generation.outcomes import Failure, Reply
from synalign.generation.pace import Pace, Turn
from synalign.generation.request import Request
from synalign.generation.spent import spent
from synalign.tables import content_id

__all__ = ["Answer", "Client", "Request"]

log = logging.getLogger("synalign")

LONGEST_BACKOFF = 30.0
PATIENCE = 600.0
"""Seconds that a request waits in all for an endpoint that says "later", or that is away: neither is a failure of the
request, so it costs no try."""
_HOLD_SHARE = 0.2
_Ended = TypeVar("_Ended", Reply, Failure)


class Answer(NamedTuple):
    """How a request ended.

    Attributes:
        request_id: Its id.
        outcome: `ok`, or the outcome of its last try.
        content: The validated answer; None unless `ok`.
        model: The model's name as it reported it; as configured when nothing came back.
        tokens_in: Tokens sent, failed tries included; None where the endpoint does not say.
        tokens_out: Tokens received, failed tries included; None where the endpoint does not say.
        seconds: From the first try to the end.
        reused: Whether it came from the journal.
        failures: Outcomes of the failed tries, counted.
        most_in: The most tokens that can have been sent; the same as `tokens_in` where all is reported.
        most_out: The same for tokens received.
        detail: What was said of its last failed try; empty where none failed.
    """

    request_id: str
    outcome: str
    content: BaseModel | None
    model: str
    tokens_in: int | None
    tokens_out: int | None
    seconds: float
    reused: bool
    failures: Counter[str]
    most_in: int = 0
    most_out: int = 0
    detail: str = ""


class Client:
    """Asks one endpoint, with at most `runtime.concurrency` requests in flight. An async context manager.

    Args:
        configuration: Says what is asked, how often it is tried, and what it may cost.
        endpoint: Where.
        journal: Where good answers are kept; one that is there is not asked for again.
        record: File that remembers over kills what the refresh has spent. None: what its answers in the journal cost
            counts, and what else a killed process spent is forgotten.
        dialect: What the endpoint takes. None: it is found out, and forgotten with this client.
        backoff_seconds: Wait after the first failed try; doubles with each.
    """

    def __init__(
        self,
        configuration: Configuration,
        endpoint: Endpoint,
        journal: Journal,
        *,
        record: PathLike[str] | None = None,
        dialect: Dialect | None = None,
        backoff_seconds: float = 1.0,
    ) -> None:
        self._configuration = configuration
        self._settings = configuration.generation
        self._runtime = configuration.runtime
        self._endpoint = endpoint
        self._journal = journal
        self._backoff = backoff_seconds
        # A lock lives as long as a request holds it or waits for it.
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        # Answers whose cost the budget knows.
        self._counted: set[str] = set()
        self._given_up: GenerationError | None = None
        # Whether the endpoint was ever there, and the requests that wait for it to come back.
        self._met = self._answered = False
        self._waiting_for_it: set[str] = set()
        self._breaker = Breaker(self._runtime.max_failure_rate)
        self.dialect = Dialect(configuration) if dialect is None else dialect
        self.budget = Budget(self._settings.budget, self._settings.mode, record, journal.cost if record else None)
        self.pace = Pace(
            min(self._runtime.concurrency, endpoint.slots or self._runtime.concurrency),
            self._runtime.requests_per_minute,
            self._runtime.tokens_per_minute,
            hold_seconds=_HOLD_SHARE * backoff_seconds,
        )
        self._openai = openai_client(configuration, endpoint)

    async def __aenter__(self) -> Client:
        await self._learn_context()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.budget.close()
        await self._openai.close()

    async def _learn_context(self) -> None:
        """Ask the endpoint how long a request may be, unless that is known."""
        if self.dialect.window is None and self._settings.endpoint != EMBEDDED:
            found = await context_of(self._openai, self._settings.model)
            if found is not None:
                self.dialect.note_window(*found)

    def key(self, asked: Request) -> str:
        """Return the key of a request in the journal: see `request.key`."""
        return request.key(asked, self._configuration)

    async def ask(self, asked: Request) -> Answer:
        """Answer a request from the journal or the endpoint.

        Returns:
            How it ended; a request that failed for itself alone, or that the ceiling has no room for, is an outcome,
            not an error.

        Raises:
            GenerationError: No request can succeed (quota exhausted, key refused, no such model or address), too many
                of the recent tries failed, or nobody answered for `PATIENCE`.
            RunError: The journal or the record of what is spent cannot be written.
        """
        key = self.key(asked)
        request_id = content_id(asked.kind, asked.batch_id, key)
        # Identical requests in flight share one call: its answer is paid for once.
        async with self._asking.setdefault(key, asyncio.Lock()):
            entry = await self._journal.find(key)
            if entry is not None:
                answer = answer_of(request_id, entry, asked, self._configuration)
                if key not in self._counted:
                    self._counted.add(key)
                    self.budget.count(answer.most_in, answer.most_out)
                return answer
            self._counted.add(key)
            return await self._pay(key, request_id, asked)

    async def _pay(self, key: str, request_id: str, asked: Request) -> Answer:
        """Answer a request from the endpoint, and keep it."""
        failures: list[Failure] = []
        started = time.monotonic()
        try:
            reply = await self._try(key, asked, failures)
        finally:
            self._waiting_for_it.discard(key)
        seconds = round(time.monotonic() - started, 3)
        tries: list[Reply | Failure] = [*failures, *([reply] if isinstance(reply, Reply) else [])]
        cost = spent(tries, *most_of(asked, self._configuration))
        counted = Counter(failure.outcome for failure in failures)
        if not isinstance(reply, Reply):
            figures = (self._settings.model, cost.tokens_in, cost.tokens_out, seconds, False, counted)
            detail = failures[-1].detail if failures else ""
            return Answer(request_id, reply, None, *figures, cost.most_in, cost.most_out, detail)
        entry = await self._journal.add(Entry(key, reply.text, reply.model, cost.tokens_in, cost.tokens_out, seconds))
        answer = answer_of(request_id, entry, asked, self._configuration)
        return answer._replace(reused=False, failures=counted, most_in=cost.most_in, most_out=cost.most_out)

    async def _try(self, key: str, asked: Request, failures: list[Failure]) -> Reply | str:
        """Try until there is a good answer or no more patience; adds every failed try to `failures`.

        Returns:
            The answer, or the outcome without one.
        """
        tries, patience = 0, PATIENCE
        room: int | None = None
        if self.dialect.too_long(asked):
            return outcomes.CONTEXT_TOO_LONG
        while True:
            sent = self.dialect.parameters(asked, room)
            most_in, most_out = request.most_tokens(sent), self.dialect.limit_of(sent)
            reservation, turn = await self._turn(key, most_in, most_out)
            if reservation is None or turn is None:
                return outcomes.OVER_BUDGET
            try:
                return await self._send(sent, asked, reservation, turn)
            except Failure as failure:
                if failure.outcome == outcomes.ASKED_OTHERWISE:
                    # No fault, and no cost: the same request in another form.
                    room = failure.room if failure.room is not None else room
                    continue
                failures.append(failure)
                log.info("generate: %s of batch %s: %s", asked.kind, asked.batch_id[:8], failure)
                limited = failure.outcome == outcomes.RATE_LIMITED
                later = limited or self._comes_back(key, failure)
                tries += not later
                wait = seconds_to_wait(failure, len(failures), self._backoff)
                patience -= wait if later else 0.0
                if failure.context_full:
                    return outcomes.CONTEXT_TOO_LONG
                if failure.outcome not in outcomes.RETRIED or tries >= self._runtime.attempts or patience < 0:
                    self._require_endpoint(failure)
                    return failure.outcome
            # After a refusal everybody waits, which is the pace's affair.
            if not limited:
                await asyncio.sleep(wait)

    async def _turn(self, key: str, most_in: int, most_out: int) -> tuple[Reservation | None, Turn | None]:
        """Wait for room under the ceiling and for the pace; what is set aside is written down as the last thing.

        Returns:
            The reservation and the turn, for a request that is sent now; (None, None): there is no room.
        """
        return await room_and_turn(self.budget, self.pace, most_in, most_out, key) or (None, None)

    async def _send(self, sent: dict[str, Any], asked: Request, reservation: Reservation, turn: Turn) -> Reply:
        """Try once; the reservation is settled and the turn ended however this ends.

        Raises:
            Failure: It gave no good answer.
            GenerationError: No request can succeed.
        """
        ended: Reply | Failure | None = None
        headers: Mapping[str, str] = {}
        try:
            async with asyncio.timeout(self._runtime.timeout_seconds):
                # Not `chat.completions.create`: it spends more time on walking through the schema of each request
                # and building objects of each answer than on sending it, and hides the headers.
                response = await self._openai.post(COMPLETIONS, cast_to=httpx2.Response, body=sent)
            headers = response.headers
            ended = outcomes.of_response(response.content, asked.answer, headers, sent)
        except Failure as failure:
            ended = failure
        except (openai.OpenAIError, TimeoutError, ValueError, RecursionError) as error:
            headers = outcomes.headers_of(error) or headers
            ended = outcomes.of_error(error, sent)
        finally:
            self._adapt(ended, asked, sent)
            self._judge(ended)
            self._settle(reservation, ended)
            self._tell_pace(turn, headers, ended)
        if isinstance(ended, Reply):
            return _believed(ended, reservation)
        # `from None`: the client's own exception may quote the key.
        raise self._given_up or _believed(ended, reservation) from None

    def _comes_back(self, key: str, failure: Failure) -> bool:
        """Return whether to wait for an unreachable endpoint. One that never answered may be a wrong address."""
        if not failure.away or (failure.unreached and not self._met):
            return False
        self._waiting_for_it.add(key)
        return True

    def _require_endpoint(self, failure: Failure) -> None:
        """Abort the run if the endpoint is unreachable; its requests are kept for the next run.

        A gateway error for a single request does not abort the run: the request itself may be what the gateway cannot
        handle.

        Raises:
            GenerationError: The endpoint is away.
        """
        if not failure.unreached and not (failure.away and len(self._waiting_for_it) > 1):
            return
        self._given_up = self._given_up or GenerationError(
            f"nobody answers at {self._settings.endpoint}.",
            cause=failure.detail,
            remedy="check that it is up, and generation.endpoint; then run the step again: good answers are kept and "
            "not paid twice",
        )
        self.pace.stop(self._given_up)
        raise self._given_up from None

    def _adapt(self, ended: Reply | Failure | None, asked: Request, sent: dict[str, Any]) -> None:
        """Learn from how a try ended how the endpoint is to be asked, and whether this request is worth another."""
        if isinstance(ended, Reply):
            self._answered = True
            self.dialect.followed(sent, good=True)
        elif ended is not None:
            adapt(ended, asked.answer_tokens, sent, self.dialect, self._configuration)
            if ended.outcome == outcomes.PAGE and self._answered:
                # The address is right: what stands before the API has trouble.
                ended.outcome, ended.tokens_in, ended.tokens_out = outcomes.SERVER_ERROR, 0, 0

    def _judge(self, ended: Reply | Failure | None) -> None:
        """Give the run up after a final failure, or after too many."""
        if ended is None or self._given_up is not None:
            return
        if isinstance(ended, Failure) and ended.away:
            return
        self._met = True
        if isinstance(ended, Failure) and (ended.context_full or ended.outcome == outcomes.ASKED_OTHERWISE):
            # Asked again, shorter or in another form: no fault of the endpoint's.
            return
        self._given_up = self._breaker.add(ended.outcome if isinstance(ended, Failure) else outcomes.OK)
        if isinstance(ended, Failure) and (ended.outcome in outcomes.FINAL or _asks_too_much(ended)):
            self._given_up = final_error(ended, self._settings)
        if self._given_up is not None:
            self.pace.stop(self._given_up)

    def _settle(self, reservation: Reservation, ended: Reply | Failure | None) -> None:
        """Count what a try cost: nothing, what is reported, or all that was set aside."""
        if isinstance(ended, Failure) and ended.outcome in outcomes.UNBILLED:
            self.budget.settle(reservation, 0, 0)
        elif ended is not None:
            self.budget.settle(reservation, ended.tokens_in, ended.tokens_out)
        else:
            # Cancelled while it was on its way.
            self.budget.settle(reservation, None, None)

    def _tell_pace(self, turn: Turn, headers: Mapping[str, str], ended: Reply | Failure | None) -> None:
        if isinstance(ended, Failure) and ended.outcome == outcomes.RATE_LIMITED:
            ended.retry_after = self.pace.refuse(turn, ended.retry_after, headers)
        elif isinstance(ended, Reply) or (ended is not None and ended.outcome in outcomes.ANSWERED):
            reported = (ended.tokens_in, ended.tokens_out)
            tokens = None if None in reported else sum(filter(None, reported))
            self.pace.answered(turn, headers, believed(tokens, turn.tokens))
        else:
            self.pace.fail(turn)


def _believed(ended: _Ended, sent: Reservation) -> _Ended:
    """Drop reported counts of tokens that cannot be right: nobody is to be shown them as what was spent."""
    tokens_in, tokens_out = believed(ended.tokens_in, sent.bound_in), believed(ended.tokens_out, sent.bound_out)
    if isinstance(ended, Reply):
        return ended._replace(tokens_in=tokens_in, tokens_out=tokens_out)
    ended.tokens_in, ended.tokens_out = tokens_in, tokens_out
    return ended


def _asks_too_much(failure: Failure) -> bool:
    """Return whether the endpoint asks for a longer wait than any request makes: a limit of a day or so."""
    return failure.outcome == outcomes.RATE_LIMITED and (failure.retry_after or 0.0) > PATIENCE


async def room_and_turn(
    budget: Budget, pace: Pace, most_in: int, most_out: int, key: str = ""
) -> tuple[Reservation, Turn] | None:
    """Wait for room under a ceiling and for the pace; what is set aside is written down as the last thing.

    Args:
        budget: Has the ceiling.
        pace: Has the turns.
        most_in: Most tokens that are sent.
        most_out: Most tokens that come back.
        key: Of the request, for a budget that counts it once.

    Returns:
        The reservation and the turn, for a request that is sent now; None: there is no room.
    """
    while (held := await budget.hold(most_in, most_out, key)) is not None:
        try:
            turn = await pace.turn(held.tokens_in + held.tokens_out)
        except BaseException:
            budget.release(held)
            raise
        try:
            reservation = await budget.send(held)
        except BaseException:
            pace.fail(turn)
            raise
        if reservation is not None:
            return reservation, turn
        # The bounds were raised meanwhile, and there is no room now: the turn must not wait for it.
        pace.fail(turn)
    return None


def seconds_to_wait(failure: Failure, tries: int, first: float) -> float:
    """Return the seconds until the next try: as the endpoint asks, or doubling, with jitter against stampedes."""
    doubled = min(LONGEST_BACKOFF, first * 2.0 ** (tries - 1)) * random.uniform(0.5, 1.0)
    return doubled if failure.retry_after is None else failure.retry_after


def adapt(ended: Failure, least: int, sent: Mapping[str, Any], dialect: Dialect, configuration: Configuration) -> None:
    """Learn from a failed try, and turn it into *asked otherwise* where the same request may succeed in another form.

    Args:
        ended: How it ended.
        least: Tokens without which there is no use in asking.
        sent: The request's parameters.
        dialect: What is known of the endpoint.
        configuration: Says how long an answer may be.
    """
    found = ended.refusal
    if found is not None:
        learnt = dialect.learn(found, sent)
        ended.room = dialect.room(found, least, sent) if found.overflow else None
        if (learnt and not found.overflow) or ended.room is not None:
            ended.outcome, ended.context_full = outcomes.ASKED_OTHERWISE, False
    elif ended.outcome == outcomes.INVALID_OUTPUT and ended.tokens_out != 0:
        dialect.followed(sent, good=False)
    elif ended.outcome == outcomes.TRUNCATED:
        # Shorter than the user allows: what the model has room for is the limit.
        ended.context_full = dialect.limit_of(sent) < configuration.generation.max_output_tokens


def most_of(asked: Request, configuration: Configuration) -> tuple[int, int]:
    """Return the most tokens that one try of a request can send and receive."""
    return request.most_tokens(request.parameters(asked, configuration)), configuration.generation.max_output_tokens


def answer_of(request_id: str, entry: Entry, asked: Request, configuration: Configuration) -> Answer:
    """Return the answer that the journal holds."""
    content = reading.read(entry.answer, asked.answer).content
    figures = (entry.model, entry.tokens_in, entry.tokens_out, entry.seconds)
    most_in, most_out = entry.tokens_in, entry.tokens_out
    if most_in is None or most_out is None:
        bound_in, bound_out = most_of(asked, configuration)
        most_in, most_out = bound_in if most_in is None else most_in, bound_out if most_out is None else most_out
    return Answer(request_id, outcomes.OK, content, *figures, True, Counter(), most_in, most_out)
