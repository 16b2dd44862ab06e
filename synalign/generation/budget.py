"""What the language model costs, and the ceiling that a refresh never passes.

Before a request is sent, the most that it can cost is reserved; when it has ended, what it did cost is counted in its
place. What is spent and what is reserved together never pass the ceiling, so that it holds whatever is in flight.

A request that waits for its turn to be sent holds room in memory only. Its reservation is written to the run's record
(`spending`) just before it is sent, so a kill can cost at most what was in flight, and never passes the ceiling.

A try whose cost nobody reports (no answer in time, a dropped connection, a server error) is counted in full as well:
the provider may bill it. An endpoint that reports more than the bound of a request raises the bounds of all that
follow (`correction`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Iterable, Mapping
from os import PathLike
from typing import Any, Literal

from synalign import config
from synalign.errors import StorageError
from synalign.generation.correction import Correction, believed
from synalign.generation.spending import RECORD, Answered, Reservation, Spending

__all__ = ["RECORD", "Budget", "Reservation", "cost", "held_back", "most_tokens_of", "tokens_of"]

log = logging.getLogger("synalign")

MESSAGE_TOKENS = 8
"""What a chat template adds to each message, at most: role and delimiters."""

TEMPLATE_TOKENS = 256
"""What a provider's own preamble adds to a request, at most."""

_PER_PRICE = 1e6
_LETTERS = 3


def tokens_of(messages: Iterable[Mapping[str, str]]) -> int:
    """Estimate the tokens of some chat messages without a tokenizer, rather too high than too low.

    Letters A to Z count a third each, by word; every other byte of UTF-8 counts one, which no byte-level tokenizer
    exceeds. English prose comes out about 1.6 times too high, code and JSON 1.2 times, Chinese 2 to 4 times and other
    scripts up to 6 times. Only long runs of random letters (keys, base64) can come out too low, by a third at most:
    where that must not be, use `most_tokens_of`.

    Examples:
        >>> tokens_of([{"role": "user", "content": "how do I sort a list"}])
        16
    """
    return sum(MESSAGE_TOKENS + _text_tokens(message["content"]) for message in messages)


def most_tokens_of(parameters: Mapping[str, Any]) -> int:
    """Return a bound on the tokens of a request: the bytes of its messages and schema, and what templates add.

    Every token of a byte-level vocabulary (or of one that falls back to bytes) stands for at least one byte, so this
    holds for any language; for English it is about four times too high.

    Args:
        parameters: Of the request, as they are sent: `messages`, and `response_format` if there is one.
    """
    sent = [parameters["messages"], parameters.get("response_format", "")]
    size = len(json.dumps(sent, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))
    return size + MESSAGE_TOKENS * len(parameters["messages"]) + TEMPLATE_TOKENS


def cost(tokens_in: int, tokens_out: int, budget: config.Budget, mode: Literal["online", "batch"]) -> float:
    """Return the price of some tokens, in the budget's currency.

    Examples:
        >>> cost(2_000_000, 500_000, config.Budget(input_price=0.4, output_price=1.6), "batch")
        0.8
    """
    full = (tokens_in * budget.input_price + tokens_out * budget.output_price) / _PER_PRICE
    return full * (1.0 - budget.batch_discount) if mode == "batch" else full


class Budget:
    """What one refresh has spent, and may spend still.

    Args:
        settings: Prices and ceilings.
        mode: How requests are sent.
        record: File that remembers over kills what was spent and reserved; made if missing. None: only this process
            counts.
        answered: Looks up what a request's answer in the journal cost, for tries that a kill left open.

    Raises:
        RunError: The record is damaged.
        StorageError: The record cannot be read or written.
    """

    def __init__(
        self,
        settings: config.Budget,
        mode: Literal["online", "batch"] = "online",
        record: PathLike[str] | None = None,
        answered: Answered | None = None,
    ) -> None:
        self.settings = settings
        self.mode = mode
        self.correction = Correction()
        self._in = self._out = 0
        self._reserved: dict[int, Reservation] = {}
        self._numbers = 0
        self._freed: list[asyncio.Future[None]] = []
        # Whether a report that cannot be was told: an endpoint that counts so does it in every answer.
        self._told = False
        self._record = Spending(record, answered) if record is not None else None
        for sent in self._record.tries if self._record is not None else ():
            self._in, self._out = self._in + sent.tokens_in, self._out + sent.tokens_out
            self.correction.learn(*sent.bounds, *sent.reported)

    @property
    def tokens(self) -> int:
        """Return the tokens spent so far, both ways."""
        return self._in + self._out

    @property
    def money(self) -> float:
        """Return the money spent so far."""
        return cost(self._in, self._out, self.settings, self.mode)

    @property
    def limited(self) -> bool:
        """Return whether there is a ceiling."""
        return self.settings.max_money is not None or self.settings.max_tokens is not None

    async def hold(self, tokens_in: int, tokens_out: int, key: str = "") -> Reservation | None:
        """Keep room for a request that is yet to be sent; waits while only others that hold room leave none.

        Args:
            tokens_in: Most tokens sent.
            tokens_out: Most tokens received.
            key: Of the request in the journal.

        Returns:
            What is set aside, to be given to `send` and `settle`; None if the ceiling would be passed even if all
            others came to nothing.
        """
        while True:
            most = self.correction.most(tokens_in, tokens_out)
            if not self._fits(*most, []):
                return None
            if self._fits(*most, self._reserved.values()):
                break
            freed = asyncio.get_running_loop().create_future()
            self._freed.append(freed)
            await freed
        self._numbers += 1
        held = Reservation(self._numbers, *most, key, tokens_in, tokens_out)
        self._reserved[held.number] = held
        return held

    async def send(self, held: Reservation) -> Reservation | None:
        """Write down what is set aside for a request, just before it is sent.

        Returns:
            The reservation, larger if the endpoint's reports have raised the bounds meanwhile; None if that leaves no
            room now: nothing is held any more, and the request must not be sent.

        Raises:
            StorageError: The record cannot be written; nothing is held any more.
        """
        most = self.correction.most(held.bound_in, held.bound_out)
        others = [other for number, other in self._reserved.items() if number != held.number]
        if not self._fits(*most, others):
            self.release(held)
            return None
        sent = self._reserved[held.number] = held._replace(tokens_in=most[0], tokens_out=most[1])
        if self._record is not None:
            try:
                self._record.reserved(sent)
                if self.limited:
                    await self._record.sync()
            except BaseException:
                self.release(sent)
                # Where this cannot be written either, the next process takes the request as sent.
                with contextlib.suppress(StorageError):
                    self._record.settled(sent.number, 0, 0)
                raise
        return sent

    async def reserve(self, tokens_in: int, tokens_out: int, key: str = "") -> Reservation | None:
        """Hold room for a request that is sent at once, and write it down: see `hold` and `send`."""
        held = await self.hold(tokens_in, tokens_out, key)
        return None if held is None else await self.send(held)

    def release(self, held: Reservation) -> None:
        """Give up room of a request that was not sent."""
        del self._reserved[held.number]
        self._wake()

    def settle(self, reservation: Reservation, tokens_in: int | None, tokens_out: int | None) -> None:
        """Count what a request did cost instead of the most it could have.

        Args:
            reservation: What was set aside for it.
            tokens_in: Tokens sent as the endpoint reports them; None: not reported, all that was set aside.
            tokens_out: The same for tokens received.

        Raises:
            StorageError: The record cannot be written; the cost is counted all the same.
        """
        del self._reserved[reservation.number]
        bounds = reservation.bound_in, reservation.bound_out
        known_in, known_out = believed(tokens_in, bounds[0]), believed(tokens_out, bounds[1])
        if (known_in, known_out) != (tokens_in, tokens_out) and not self._told:
            self._told = True
            log.warning(
                "generate: the endpoint reports %s + %s tokens for a request of at most %d + %d, which cannot be "
                "right; the most that it can have cost is counted, here and wherever that is so", tokens_in, tokens_out,
                *bounds,
            )  # fmt: skip
        if self.correction.learn(*bounds, known_in or 0, known_out or 0):
            log.warning(
                "generate: the endpoint reports %s + %s tokens for a request of at most %d + %d; from now on each is "
                "taken to need %.2f times as many sent, %.2f times as many received", known_in, known_out, *bounds,
                self.correction.ratio_in, self.correction.ratio_out,
            )  # fmt: skip
        spent_in = reservation.tokens_in if known_in is None else known_in
        spent_out = reservation.tokens_out if known_out is None else known_out
        self._in, self._out = self._in + spent_in, self._out + spent_out
        self._wake()
        if self._record is not None:
            self._record.settled(reservation.number, spent_in, spent_out)

    def count(self, tokens_in: int, tokens_out: int) -> None:
        """Count what an earlier attempt paid, where no record did."""
        if self._record is None:
            self._in, self._out = self._in + tokens_in, self._out + tokens_out

    def close(self) -> None:
        """Close the record."""
        if self._record is not None:
            self._record.close()

    def _wake(self) -> None:
        """Let those who wait for room look again."""
        freed, self._freed = self._freed, []
        for future in freed:
            if not future.done():
                future.set_result(None)

    def _fits(self, tokens_in: int, tokens_out: int, others: Iterable[Reservation]) -> bool:
        total_in, total_out = self._in + tokens_in, self._out + tokens_out
        for other in others:
            total_in, total_out = total_in + other.tokens_in, total_out + other.tokens_out
        most_money, most_tokens = self.settings.max_money, self.settings.max_tokens
        if most_tokens is not None and total_in + total_out > most_tokens:
            return False
        return most_money is None or cost(total_in, total_out, self.settings, self.mode) <= most_money


def held_back(record: PathLike[str], settings: config.Budget, answered: Answered | None = None) -> str:
    """Return a sentence on how much of the ceiling stands for tries whose cost nobody knows; empty if there are none.

    Args:
        record: Of the run; no process may have it open.
        settings: Prices and ceilings.
        answered: Looks up what a request's answer in the journal cost.
    """
    spending = Spending(record, answered)
    spending.close()
    unknown = [sent for sent in spending.tries if not sent.known]
    if not unknown:
        return ""
    tokens_in, tokens_out = sum(sent.tokens_in for sent in unknown), sum(sent.tokens_out for sent in unknown)
    money = cost(tokens_in, tokens_out, settings, "online")
    return (
        f"{money:.4g} {settings.currency} and {tokens_in + tokens_out} tokens of it are held back for {len(unknown)} "
        "requests whose cost nobody reported (a process was killed while they were on their way, no answer came in "
        "time, or the endpoint sends no `usage`): the provider may bill them"
    )


def _text_tokens(text: str) -> int:
    """Estimate the tokens of a text: a word of letters counts a third, rounded up; a space between words nothing."""
    tokens, letters = 0, 0
    for byte in text.encode("utf-8", "surrogatepass"):
        if 65 <= byte <= 90 or 97 <= byte <= 122:
            letters += 1
            continue
        tokens += -(-letters // _LETTERS) + (byte != 32)
        letters = 0
    return tokens - (-letters // _LETTERS)
