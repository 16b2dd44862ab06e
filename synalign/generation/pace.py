"""How fast requests are sent: as fast as the endpoint allows, and never faster than the configuration does.

Three bounds hold at once, and requests pass them in the order in which they came:

*Concurrency* starts low and doubles each round trip until the first refusal (429) or the ceiling; from then on it
grows additively and falls multiplicatively, at most once per round trip (AIMD; Chiu and Jain 1989).

*Rate*. Requests are spread evenly in time (GCRA: ITU-T I.371), never in bursts. Until the first refusal the rate
follows from concurrency and latency. A refusal shows what the endpoint admits: as many requests as it took since they
were first counted, over that time and the wait it asks for. The rate falls below that, returns to it, lingers there,
and only then probes beyond it, ever faster (the curve of TCP CUBIC: Ha, Rhee and Xu 2008; RFC 9438). So the limit is
found whether or not the endpoint tells it, met seldom, and found again when it rises.

*Configured limits* of requests and tokens per minute hold in every window of 60 seconds, exactly.

What the endpoint says in headers is advice: a wait it asks for is kept; `x-ratelimit-remaining-*` near zero ends the
doubling, or lowers the rate before a refusal would. `x-ratelimit-limit-*` is not used as a rate, since it counts per
second, minute or day without saying which.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

FIRST_CONCURRENCY = 8
FIRST_LATENCY = 0.75
"""Seconds an answer is taken to need before there is one."""

ALONE_SECONDS = 0.15
"""The first request goes ahead by so much, or until it ends: what is slow the first time must not gather a burst."""

HORIZON = 60.0
"""Seconds of sending that are remembered to tell what was admitted."""

ENOUGH = 10
"""Fewer requests than this tell nothing of a rate."""

RATE_CUT, FIRST_RATE_CUT = 0.05, 0.2
"""How far the rate falls below what was admitted; the first time further, as it had grown fastest."""

RETURN_REQUESTS = 120
"""Over so many requests the rate returns to what was admitted, so that at any rate less than 1 % meets the limit."""

BIAS = 1.03
"""What was admitted lies below what would have been, for the times at which the rate was lowered."""

EARLY_REQUESTS, EARLY_FACTOR = 40, 0.93
"""A refusal so soon after the last one shows that the rate was taken too high: it is corrected by this factor."""

NOISE_REQUESTS, NOISE_REFUSALS, NOISE_FLOOR = 30, 3, 0.97
"""So few refusals among so many requests may be no limit at all, and lower the rate only to this share of what was
admitted: an endpoint that refuses now and then, whatever the rate, must not slow it down for ever."""

CONCURRENCY_CUT = 0.7
CONCURRENCY_GAIN = 0.25
"""Concurrency is multiplied by the one at a refusal, and gains the other each round trip."""

HOLD_FACTOR, LONGEST_HOLD = 3.0, 60.0
"""The wait after a refusal that asks for none grows by this factor while nothing is admitted, to so many seconds."""

SLOWEST = 1.0 / 600.0
_CATCH_UP = 1.0
_KINDS = ("requests", "tokens")
_DURATION = re.compile(
    r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6}(?:\.\d{1,9})?)s)?(?:(\d{1,9}(?:\.\d{1,9})?)ms)?",
    re.ASCII,
)
_NUMBER = re.compile(r"\d{1,15}", re.ASCII)


class Remaining(NamedTuple):
    """What an endpoint says is left of a limit.

    Attributes:
        limit: The whole of it, per a time that it does not say.
        remaining: What is left.
        reset: Seconds until all of it is there again; None where it does not say, or not so that it can be read.
    """

    limit: int
    remaining: int
    reset: float | None


class Turn(NamedTuple):
    """A request that may be sent now.

    Attributes:
        number: Counts up.
        at: When it was let through, in seconds of the loop's clock.
        tokens: Tokens it was taken to need.
    """

    number: int
    at: float
    tokens: int


class _Minute:
    """At most `limit` in any 60 seconds; what was counted can be corrected downwards."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._sum = 0
        self._log: deque[list[float]] = deque()
        self._by_number: dict[int, list[float]] = {}

    def wait(self, now: float, amount: int) -> float:
        """Return the seconds until `amount` fits; an amount above the limit fits when nothing else is there."""
        while self._log and self._log[0][0] <= now - 60.0:
            _, old, number = self._log.popleft()
            self._sum -= int(old)
            self._by_number.pop(int(number), None)
        excess = self._sum + min(amount, self.limit) - self.limit
        for at, old, _ in self._log:
            if excess <= 0:
                return 0.0
            excess -= int(old)
            if excess <= 0:
                return max(at + 60.0 - now, 0.0)
        return 0.0

    def add(self, now: float, number: int, amount: int) -> None:
        self._sum += amount
        entry = [now, float(amount), float(number)]
        self._log.append(entry)
        self._by_number[number] = entry

    def correct(self, number: int, amount: int) -> None:
        """Replace the amount of a request by the measured one."""
        entry = self._by_number.pop(number, None)
        if entry is not None:
            self._sum += amount - int(entry[1])
            entry[1] = float(amount)


class Pace:
    """Lets requests through one by one. Use it within one event loop, whose clock it goes by.

    Args:
        ceiling: Most requests in flight.
        requests_per_minute: Most requests in any 60 seconds; None: no such limit.
        tokens_per_minute: The same for tokens, sent and received.
        hold_seconds: How long nothing is sent after a refusal that does not say.
    """

    def __init__(
        self,
        ceiling: int,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        *,
        hold_seconds: float = 0.2,
    ) -> None:
        self._hold_seconds = hold_seconds
        self.ceiling = ceiling
        self.concurrency = float(min(ceiling, FIRST_CONCURRENCY))
        self.in_flight = 0
        self.sent = 0
        self.refused = 0
        self._requests = _Minute(requests_per_minute) if requests_per_minute else None
        self._tokens = _Minute(tokens_per_minute) if tokens_per_minute else None
        self._latency = FIRST_LATENCY
        self._waiting: deque[tuple[asyncio.Future[Turn], int]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._soon: asyncio.Handle | None = None
        self._stopped: Exception | None = None
        self._next_at = -math.inf
        self._held_until = -math.inf
        self._admitted: deque[float] = deque()
        self._counted_since: float | None = None
        self._doubling = True
        self._may_warn: set[str] = set()
        # What was learnt of the rate: what to return to, and how far below it began.
        self._learnt: tuple[float, float] | None = None
        self._meeting_first = False
        self._recent_refusals: deque[bool] = deque(maxlen=NOISE_REQUESTS)
        self._cut_at = -math.inf
        self._refusals_in_a_row = 0

    async def turn(self, tokens: int = 0) -> Turn:
        """Wait until the next request may be sent.

        Every turn must be ended by exactly one of `answered`, `refuse` and `fail`.

        Args:
            tokens: Most tokens it may need, both ways.

        Raises:
            Exception: The one given to `stop`.
        """
        if self._stopped is not None:
            raise self._stopped
        future: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        self._waiting.append((future, tokens))
        self._pump_soon()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.fail(future.result())
            raise

    def answered(self, turn: Turn, headers: Mapping[str, str], tokens: int | None = None) -> None:
        """End the turn of a request that was admitted and answered.

        Args:
            turn: Its turn.
            headers: Of the answer.
            tokens: What it needed, both ways; None: not known.
        """
        now = self._now()
        seconds = now - turn.at
        self._latency += 0.1 * (seconds - self._latency) if self.sent > 10 else 0.5 * (seconds - self._latency)
        gain = 1.0 if self._doubling else CONCURRENCY_GAIN / self.concurrency
        self.concurrency = min(float(self.ceiling), self.concurrency + gain)
        self._recent_refusals.append(False)
        if turn.at > self._cut_at:
            self._refusals_in_a_row = 0
        if self._learnt is None:
            # The next one was set apart by what latency was taken to be.
            self._next_at = min(self._next_at, now + 1.0 / self._smooth(now))
        if self._tokens is not None and tokens is not None:
            self._tokens.correct(turn.number, tokens)
        self._read(turn, headers)
        self._end()

    def fail(self, turn: Turn) -> None:
        """End the turn of a request that says nothing of the pace; the request may have been admitted."""
        self._end()

    def refuse(self, turn: Turn, retry_after: float | None, headers: Mapping[str, str]) -> float:
        """End the turn of a request that was refused for coming too soon.

        Args:
            turn: Its turn.
            retry_after: Seconds the endpoint asks to wait, if it does.
            headers: Of the refusal.

        Returns:
            Seconds for which nothing is sent now.
        """
        now = self._now()
        self.refused += 1
        with suppress(ValueError):
            self._admitted.remove(turn.at)
        self._recent_refusals.append(True)
        if self._tokens is not None:
            self._tokens.correct(turn.number, 0)
        # Those sent before the last cut tell nothing new: they were on their way when it was made.
        news = turn.at > self._cut_at
        self._refusals_in_a_row += news
        hold = retry_after if retry_after is not None else self._own_hold(headers)
        if news:
            # A wait of our own is a guess: assume that half of it was needed.
            self._cut(now, hold if retry_after is not None else hold / 2.0)
        self._held_until = max(self._held_until, now + hold)
        # A wait is nothing to be made up for.
        self._next_at = max(self._next_at, self._held_until)
        self._end()
        return hold

    def stop(self, error: Exception) -> None:
        """Send nothing any more: whoever waits for a turn, or asks for one later, gets this error."""
        self._stopped = error
        for future, _ in self._waiting:
            if not future.done():
                future.set_exception(error)
        self._waiting.clear()

    def rate(self, now: float) -> float:
        """Return the most requests per second at a time, configured limits aside."""
        free = 1.25 * self.concurrency / max(self._latency, 1e-3)
        if self._learnt is None:
            return free
        goal, cut = self._learnt
        period = max(RETURN_REQUESTS / goal, 2.0 * self._latency)
        since = max(0.0, now - max(self._cut_at, self._held_until)) / period - 1.0
        return max(SLOWEST, min(goal * (1.0 + cut * since**3), 4.0 * free))

    def _pump_soon(self) -> None:
        """Look once after all who come at the same time have come; until then the clock would be behind."""
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Let through all whose time has come, and come back when the next one's has."""
        self._soon = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            future, tokens = self._waiting[0]
            if future.done():
                self._waiting.popleft()
                continue
            if self.in_flight >= int(self.concurrency):
                return
            now = self._now()
            wait = self._wait(now, tokens)
            # Less than that is rounding: the clock would not move.
            if wait > 1e-9:
                self._timer = asyncio.get_running_loop().call_later(wait, self._pump)
                return
            self._waiting.popleft()
            future.set_result(self._let_through(now, tokens))

    def _wait(self, now: float, tokens: int) -> float:
        wait = max(self._held_until - now, self._next_at - now)
        if self._requests is not None:
            wait = max(wait, self._requests.wait(now, 1))
        if self._tokens is not None:
            wait = max(wait, self._tokens.wait(now, tokens))
        return wait

    def _let_through(self, now: float, tokens: int) -> Turn:
        self.sent += 1
        self.in_flight += 1
        turn = Turn(self.sent, now, tokens)
        interval = 1.0 / self._smooth(now)
        # A timer that came late is made up for, by one interval at most.
        self._next_at = max(self._next_at, now - _CATCH_UP * interval) + interval
        if self.sent == 1:
            self._next_at = now + max(interval, ALONE_SECONDS)
        self._admitted.append(now)
        if self._counted_since is None:
            self._counted_since = now
        elif self.sent == 2 and self.in_flight == 2:
            # Had the process been slow meanwhile, the first request would have left it so much later.
            self._counted_since = now - ALONE_SECONDS
        if self._requests is not None:
            self._requests.add(now, turn.number, 1)
        if self._tokens is not None:
            self._tokens.add(now, turn.number, tokens)
        return turn

    def _smooth(self, now: float) -> float:
        """Return the rate, and no more than a configured one."""
        rate = self.rate(now)
        return rate if self._requests is None else min(rate, self._requests.limit / 60.0)

    def _cut(self, now: float, hold: float) -> None:
        """Learn from a refusal that asks for a wait of `hold` seconds."""
        since_last, rate = now - max(self._cut_at, self._held_until), self.rate(now)
        self._cut_at = now
        again = self._refusals_in_a_row > 1
        goal, enough = self._seen(now, hold)
        if not (again and enough):
            self.concurrency = max(1.0, self.concurrency * CONCURRENCY_CUT)
        if self._learnt is None:
            self._meeting_first = True
        if self._meeting_first and (again or self._learnt is None):
            # Refused again and again, the first limit shows only at the end how far it was passed.
            self._learnt = (goal, FIRST_RATE_CUT) if enough else None
            self._doubling = not enough
            return
        self._meeting_first = False
        if self._learnt is None or again:
            return
        learnt, _ = self._learnt
        if since_last * learnt >= EARLY_REQUESTS:
            learnt = min(BIAS * goal, rate)
        else:
            noise = sum(self._recent_refusals) <= NOISE_REFUSALS
            learnt = max(min(goal, EARLY_FACTOR * learnt), NOISE_FLOOR * goal if noise else SLOWEST)
        self._learnt = learnt, RATE_CUT

    def _warned(self, now: float) -> None:
        """Lower the rate before a refusal that is near; do nothing while the rate is below what was admitted."""
        self._doubling = False
        if self._learnt is not None and self.rate(now) >= self._learnt[0]:
            self._learnt = min(BIAS * self._seen(now, 0.0)[0], self.rate(now)), RATE_CUT
            self._cut_at = now

    def _seen(self, now: float, hold: float) -> tuple[float, bool]:
        """Return the admitted requests a second, `hold` seconds of waiting included, and whether they are enough."""
        while self._admitted and self._admitted[0] < now - HORIZON:
            self._counted_since = self._admitted.popleft()
        elapsed = hold if self._counted_since is None else now - self._counted_since + hold
        count = len(self._admitted)
        return max(SLOWEST, count / max(elapsed, 1.0)), count >= ENOUGH or elapsed >= HORIZON / 2

    def _own_hold(self, headers: Mapping[str, str]) -> float:
        """Return how long to wait without advice: longer each time, but not beyond the reset that headers name."""
        hold = self._hold_seconds * HOLD_FACTOR ** min(20, max(0, self._refusals_in_a_row - 1))
        resets = [
            left.reset for kind in _KINDS if (left := remaining(headers, kind)) is not None and not left.remaining
        ]
        return min(LONGEST_HOLD, hold, *(reset for reset in resets if reset is not None))

    def _read(self, turn: Turn, headers: Mapping[str, str]) -> None:
        """Take what is said to be left as a warning, once each time that it falls low."""
        for kind, need in zip(_KINDS, (1, turn.tokens), strict=True):
            left = remaining(headers, kind)
            if left is None:
                continue
            if left.remaining > 2 * need:
                # Ignore servers that always report 0 remaining.
                self._may_warn.add(kind)
            elif left.remaining <= need and kind in self._may_warn:
                self._may_warn.discard(kind)
                self._warned(self._now())

    def _end(self) -> None:
        self.in_flight -= 1
        if self.sent == 1:
            self._next_at = self._now()
            self._counted_since = None
            self._admitted.clear()
        self._pump()

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def remaining(headers: Mapping[str, str], kind: str) -> Remaining | None:
    """Parse the headers `x-ratelimit-*` of `requests` or `tokens`; None unless they make sense.

    Examples:
        >>> remaining({"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59",
        ...            "x-ratelimit-reset-requests": "1m0.5s"}, "requests")
        Remaining(limit=60, remaining=59, reset=60.5)
    """
    limit, left = (headers.get(f"x-ratelimit-{part}-{kind}", "").strip() for part in ("limit", "remaining"))
    if not (_NUMBER.fullmatch(limit) and _NUMBER.fullmatch(left)) or not 0 <= int(left) <= int(limit) or not int(limit):
        return None
    return Remaining(int(limit), int(left), duration(headers.get(f"x-ratelimit-reset-{kind}", "")))


def duration(text: str) -> float | None:
    """Return the seconds of a plain number or of a duration such as `1s`, `6m0s` or `20ms`; None for other text.

    Examples:
        >>> duration("6m0s"), duration("20ms"), duration("1.5"), duration("-3s"), duration("soon")
        (360.0, 0.02, 1.5, None, None)
    """
    text = text.strip()
    if re.fullmatch(r"\d{1,9}(?:\.\d{1,9})?", text, re.ASCII):
        return float(text)
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        return None
    units = (86400.0, 3600.0, 60.0, 1.0, 0.001)
    return sum(float(part) * unit for part, unit in zip(match.groups(), units, strict=True) if part)
