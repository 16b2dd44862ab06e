"""What the language model costs, and the ceiling that a refresh never passes.

Before a request is sent, the most that it can cost is reserved; when it has ended, what it did cost is counted in its
place. What is spent and what is reserved together never pass the ceiling, so that it holds whatever is in flight.

Every reservation is written to the run's record before the request is sent. A process that is killed leaves its
reservations behind, and the next one counts them as spent in full: nobody knows what became of those requests. So a
kill can cost at most what was in flight, and never passes the ceiling.

A try whose cost nobody reports (no answer in time, a dropped connection, a server error) is counted in full as well:
the provider may bill it.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable, Mapping
from os import PathLike
from typing import Any, Literal, NamedTuple

from synalign import config
from synalign.errors import RunError
from synalign.generation.line_file import lines_at

log = logging.getLogger("synalign")

RECORD = "spending.jsonl"

MESSAGE_TOKENS = 8
"""What a chat template adds to each message, at most: role and delimiters."""

TEMPLATE_TOKENS = 256
"""What a provider's own preamble adds to a request, at most."""

_PER_PRICE = 1e6
_LETTERS = 3


class Reservation(NamedTuple):
    """The most that a request can cost, set aside.

    Attributes:
        number: Counts up within a record.
        tokens_in: Most tokens sent.
        tokens_out: Most tokens received.
    """

    number: int
    tokens_in: int
    tokens_out: int


def tokens_of(messages: Iterable[Mapping[str, str]]) -> int:
    """How many tokens some chat messages are, estimated without a tokenizer and rather too high.

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
    """A bound on the tokens of a request: the bytes of its messages and of its schema, and what templates add.

    Every token of a byte-level vocabulary (or of one that falls back to bytes) stands for at least one byte, so this
    holds for any language; for English it is about four times too high.

    Args:
        parameters: Of the request, as they are sent: `messages`, and `response_format` if there is one.
    """
    sent = [parameters["messages"], parameters.get("response_format", "")]
    size = len(json.dumps(sent, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))
    return size + MESSAGE_TOKENS * len(parameters["messages"]) + TEMPLATE_TOKENS


def cost(tokens_in: int, tokens_out: int, budget: config.Budget, mode: Literal["online", "batch"]) -> float:
    """Money for some tokens, in the budget's currency.

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

    Raises:
        RunError: The record cannot be read or written, or is damaged.
    """

    def __init__(
        self, settings: config.Budget, mode: Literal["online", "batch"] = "online", record: PathLike[str] | None = None
    ) -> None:
        self.settings = settings
        self.mode = mode
        self._in = self._out = 0
        self._reserved: dict[int, Reservation] = {}
        self._numbers = 0
        # How far the endpoint's own counts pass what was taken for the most; 1 unless it counts in a way of its own.
        self._excess = 1.0
        self._freed: list[asyncio.Future[None]] = []
        self._record = _Record(record) if record is not None else None
        if self._record is not None:
            for left in self._record.left:
                self._in, self._out = self._in + left.tokens_in, self._out + left.tokens_out

    @property
    def tokens(self) -> int:
        """Tokens spent so far, both ways."""
        return self._in + self._out

    @property
    def money(self) -> float:
        """Money spent so far."""
        return cost(self._in, self._out, self.settings, self.mode)

    @property
    def limited(self) -> bool:
        """Whether there is a ceiling."""
        return self.settings.max_money is not None or self.settings.max_tokens is not None

    async def reserve(self, tokens_in: int, tokens_out: int) -> Reservation | None:
        """Set aside the most that a request can cost; waits while it is only what is in flight that leaves no room.

        Args:
            tokens_in: Most tokens sent.
            tokens_out: Most tokens received.

        Returns:
            The reservation; None if the ceiling would be passed even if all in flight came to nothing.

        Raises:
            RunError: The record cannot be written.
        """
        while True:
            most_in, most_out = round(tokens_in * self._excess), round(tokens_out * self._excess)
            if not self._fits(most_in, most_out, []):
                return None
            if self._fits(most_in, most_out, self._reserved.values()):
                break
            freed = asyncio.get_running_loop().create_future()
            self._freed.append(freed)
            await freed
        self._numbers += 1
        reservation = Reservation(self._numbers, most_in, most_out)
        self._reserved[reservation.number] = reservation
        if self._record is not None:
            self._record.reserved(reservation)
            if self.limited:
                try:
                    await self._record.sync()
                except BaseException:
                    self.settle(reservation, 0, 0)
                    raise
        return reservation

    def settle(self, reservation: Reservation, tokens_in: int | None, tokens_out: int | None) -> None:
        """Count what a request did cost instead of the most it could have.

        Args:
            reservation: What was set aside for it.
            tokens_in: Tokens sent as the endpoint reports them; None: not reported, all that was set aside.
            tokens_out: The same for tokens received.
        """
        del self._reserved[reservation.number]
        spent_in = reservation.tokens_in if tokens_in is None else tokens_in
        spent_out = reservation.tokens_out if tokens_out is None else tokens_out
        excess = max(spent_in / max(1, reservation.tokens_in), spent_out / max(1, reservation.tokens_out))
        if excess > 1.0:
            self._excess *= excess
            log.warning(
                "generate: the endpoint reports %d + %d tokens for a request of at most %d + %d; from now on each is "
                "taken to need %.2f times as many", spent_in, spent_out, reservation.tokens_in,
                reservation.tokens_out, self._excess,
            )  # fmt: skip
        self._in, self._out = self._in + spent_in, self._out + spent_out
        if self._record is not None:
            self._record.settled(Reservation(reservation.number, spent_in, spent_out))
        freed, self._freed = self._freed, []
        for future in freed:
            if not future.done():
                future.set_result(None)

    def count(self, tokens_in: int, tokens_out: int) -> None:
        """Count what an earlier attempt paid, where no record did."""
        if self._record is None:
            self._in, self._out = self._in + tokens_in, self._out + tokens_out

    def close(self) -> None:
        """Close the record."""
        if self._record is not None:
            self._record.close()

    def _fits(self, tokens_in: int, tokens_out: int, others: Iterable[Reservation]) -> bool:
        total_in, total_out = self._in + tokens_in, self._out + tokens_out
        for other in others:
            total_in, total_out = total_in + other.tokens_in, total_out + other.tokens_out
        most_money, most_tokens = self.settings.max_money, self.settings.max_tokens
        if most_tokens is not None and total_in + total_out > most_tokens:
            return False
        return most_money is None or cost(total_in, total_out, self.settings, self.mode) <= most_money


class _Record:
    """A file of reservations and of what became of them: two lines a request. One process has it open at a time.

    Attributes:
        left: What earlier processes spent, and what they had reserved when they ended.
    """

    def __init__(self, path: PathLike[str]) -> None:
        self._file = lines_at(path)
        self.left = self._read()
        self._process = 1 + max((process for process, _ in self._seen), default=0)
        self._syncing: asyncio.Future[None] | None = None
        self._unsynced = False

    def reserved(self, reservation: Reservation) -> None:
        self._write(reservation)

    def settled(self, spent: Reservation) -> None:
        self._write(spent)

    async def sync(self) -> None:
        """Return when everything written so far survives a power cut. Several share one call."""
        if self._syncing is not None:
            # One that is under way may have begun before our line was written.
            await asyncio.shield(self._syncing)
        if self._syncing is None or self._syncing.done():
            self._syncing = asyncio.ensure_future(asyncio.to_thread(self._file.sync))
        await asyncio.shield(self._syncing)

    def close(self) -> None:
        self._file.close()

    def _write(self, line: Reservation) -> None:
        """A request's second line replaces its first."""
        self._file.append(json.dumps([self._process, *line]).encode())

    def _read(self) -> list[Reservation]:
        self._seen: dict[tuple[int, int], Reservation] = {}
        for number, line in enumerate(self._file.lines, start=1):
            try:
                process, *figures = json.loads(line)
                reservation = Reservation(*figures)
                if min(process, *reservation) < 0 or not all(type(figure) is int for figure in (process, *figures)):
                    raise ValueError
            except (ValueError, TypeError) as error:
                raise RunError(
                    f"{self._file.path}, line {number} is damaged.",
                    cause="the file was edited or the disk has an error",
                    remedy="put [0, LINE, TOKENS_IN, TOKENS_OUT] there with what the provider billed, or delete the "
                    "file, and what was spent so far is forgotten",
                ) from error
            self._seen[process, reservation.number] = reservation
        return list(self._seen.values())


def _text_tokens(text: str) -> int:
    """See `tokens_of`. A word of letters counts a third, rounded up; a space between words nothing."""
    tokens, letters = 0, 0
    for byte in text.encode("utf-8", "surrogatepass"):
        if 65 <= byte <= 90 or 97 <= byte <= 122:
            letters += 1
            continue
        tokens += -(-letters // _LETTERS) + (byte != 32)
        letters = 0
    return tokens - (-letters // _LETTERS)
