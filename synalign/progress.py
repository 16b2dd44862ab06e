"""How far a step is, as events: this much is done, of so much, at this rate.

Whatever works counts: a function on arrays by the callback it is given (`phases`), a loop by itself (`progress`), and
what nobody can count as it happens, such as Spark's tasks, is looked at twice a second (`watched`). An `Advance` turns
the counts into events, and there are two ways to show an event. By default a step that works for more than two seconds
logs a line every few seconds. Under `SYNALIGN_PROGRESS=json` it prints events instead, one marked line of JSON each,
which `synalign refresh` draws as bars (`synalign.local.display`); under `SYNALIGN_PROGRESS=none`, nothing.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from synalign.arrays.tally import Report

log = logging.getLogger("synalign")

VARIABLE = "SYNALIGN_PROGRESS"

MARK = "synalign progress | "
"""Begins every line that holds an event: other lines of a job are for people, or from Spark and the libraries."""

LINE_SECONDS = 5.0
EVENT_SECONDS = 0.5
"""Least time between two lines, and between two events."""

IDLE_SECONDS = 30.0
"""Least time between two lines that say the same, as while a model is loaded."""

LEAST_SHARE = 0.05
"""Of the total: less, done at once, says nothing about the rate."""

QUIET_SECONDS = 2.0
"""Work that is done sooner needs no line."""

LOOK_SECONDS = 0.5
"""Time between two looks at what does not count itself."""


class Event(NamedTuple):
    """How far a piece of work is.

    Attributes:
        step: The step it belongs to.
        unit: What is counted, in the plural; a rate is told with its first word.
        done: How many are done.
        total: Of how many; None: nobody knows.
        rate: How many per second, of those that took work; None: nothing yet tells.
        seconds: How long it has been going on.
        note: What else there is to say.
        ended: Whether this is its last word.
    """

    step: str
    unit: str
    done: int
    total: int | None
    rate: float | None
    seconds: float
    note: str = ""
    ended: bool = False

    @property
    def amount(self) -> str:
        """How much is done, in words."""
        of = "" if self.total is None else f" of {self.total:,}"
        return f"{self.done:,}{of} {self.unit}"

    @property
    def left(self) -> float | None:
        """Seconds left at the rate so far; None where nobody can tell."""
        if self.total is None or not self.rate:
            return None
        return max(self.total - self.done, 0) / self.rate

    def line(self) -> str:
        """Write one line for a log.

        >>> Event("embed", "rows", 1024, 4096, 307.2, 3.3).line()
        'embed: 1,024 of 4,096 rows, 307 rows/s, about 10 s left'
        """
        parts = [f"{self.step}: {self.amount}"]
        if self.note:
            parts.append(self.note)
        if self.rate:
            parts.append(f"{per_second(self.rate)} {self.unit.split()[0]}/s")
        if self.done != self.total and self.left is not None:
            parts.append(f"about {duration(self.left)} left")
        return ", ".join(parts)

    def marked(self) -> str:
        """Write one line for a program."""
        return f"{MARK}{json.dumps(self._asdict(), separators=(',', ':'))}"

    @classmethod
    def read(cls, line: str) -> Event | None:
        """Return the event of a line, whatever a log wrote around it; None where there is none."""
        _, mark, rest = line.partition(MARK)
        if not mark:
            return None
        try:
            content, _ = json.JSONDecoder().raw_decode(rest)
            event = cls(**content)
            event.line()
        except (ValueError, TypeError):
            return None
        return event


def per_second(rate: float) -> str:
    """Write a rate with two or three digits.

    >>> [per_second(rate) for rate in (12345.6, 307.2, 12.34, 0.126)]
    ['12,346', '307', '12', '0.13']
    """
    return f"{rate:,.0f}" if rate >= 10.0 else f"{rate:.1f}" if rate >= 1.0 else f"{rate:.2f}"


def duration(seconds: float) -> str:
    """Write seconds as people say them.

    >>> [duration(seconds) for seconds in (4.2, 80, 600, 4000, 100000)]
    ['4 s', '1 min 20 s', '10 min', '1 h 6 min', '27 h 46 min']
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


class Advance:
    """Counts work as it is done; called with how much more. Safe in any number of threads.

    Args:
        step: The step.
        total: How many there will be; None: nobody knows. May be set later.
        unit: What is counted, in the plural.
        show: Called with an event, not more often than every `every` seconds.
        every: Least seconds between two events.
        quiet: Seconds before the first.
        idle: Least seconds between two that say the same.

    Attributes:
        unit: As given.
        total: As given.
        note: What else there is to say; may be set any time.
    """

    def __init__(
        self,
        step: str,
        total: int | None,
        unit: str,
        show: Callable[[Event], None] | None,
        every: float = 0.0,
        quiet: float = 0.0,
        idle: float = 0.0,
    ) -> None:
        self.unit, self.total, self.note = unit, total, ""
        self._step, self._show, self._every, self._idle = step, show, every, idle
        self._done = self._free = 0
        self._started = time.monotonic()
        # When the first work was done, and how much: what went before it was getting ready, such as loading a model.
        self._first: tuple[float, int] | None = None
        self._next = self._started + quiet
        self._shown: tuple[int, float] | None = None
        self._lock = threading.Lock()

    def __call__(self, count: int = 1, *, free: bool = False) -> None:
        """Count some more.

        Args:
            count: How many; 0 only shows where it is.
            free: They took no work, such as what a cache held: they say nothing about the rate.
        """
        if self._show is None:
            return
        with self._lock:
            self._done += count
            self._free += count if free else 0
            now = time.monotonic()
            if self._first is None and self._done > self._free:
                self._first = now, self._done - self._free
            if now >= self._next and not self._is_idle(now):
                self._next, self._shown = now + self._every, (self._done, now)
                self._show(self._event(now))

    def reach(self, done: int) -> None:
        """Say that this many are done."""
        self(max(done - self._done, 0))

    def line(self) -> str:
        """Write how far it is, as one line."""
        return self._event(time.monotonic()).line()

    def end(self) -> None:
        """Show the last state, if any was shown before it."""
        if self._show is not None and self._shown is not None:
            self._show(self._event(time.monotonic())._replace(ended=True))

    def _event(self, now: float) -> Event:
        seconds = round(now - self._started, 3)
        return Event(self._step, self.unit, self._done, self.total, self._rate(now), seconds, self.note)

    def _is_idle(self, now: float) -> bool:
        """Whether nothing has been done since it was last shown, not long ago."""
        return self._shown is not None and self._shown[0] == self._done and now < self._shown[1] + self._idle

    def _rate(self, now: float) -> float | None:
        """Per second since the first work was done; while there is no more than that, since the start.

        Unless that is next to nothing: it may have waited for a model to load.
        """
        worked = self._done - self._free
        began, before = self._first or (now, 0)
        if worked == before:
            began, before = self._started, 0
            if self.total is not None and worked < LEAST_SHARE * self.total:
                return None
        return (worked - before) / (now - began) if worked and now > began else None


@contextmanager
def progress(step: str, total: int | None, unit: str) -> Iterator[Advance]:
    """Show how far a piece of work is while the block runs.

    Args:
        step: The step it belongs to.
        total: How many there are to do; None: nobody knows.
        unit: What is counted, in the plural.

    Yields:
        What to call with each number of them that is done.

    Example:
        >>> with progress("embed", 2, "rows") as advance:
        ...     advance(1)
        ...     advance(1)
    """
    advance = _advance(step, total, unit)
    try:
        yield advance
    finally:
        advance.end()


@contextmanager
def phases(step: str) -> Iterator[Report]:
    """Show what functions on arrays count while the block runs, each thing they count as a piece of work of its own.

    Args:
        step: The step that calls them.

    Yields:
        The callback to give them.
    """
    current: Advance | None = None

    def report(what: str, done: int, total: int | None) -> None:
        nonlocal current
        if current is None or current.unit != what:
            if current is not None:
                current.end()
            current = _advance(step, total, what)
        current.total = total
        current.reach(done)

    try:
        yield report
    finally:
        if current is not None:
            current.end()


@contextmanager
def watched(look: Callable[[], object]) -> Iterator[None]:
    """Call a function twice a second, in a thread, while the block runs."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(LOOK_SECONDS):
            # No work may fail for want of a word about it: a terminal or a folder may be gone.
            with suppress(OSError):
                look()

    thread = threading.Thread(target=run, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _advance(step: str, total: int | None, unit: str) -> Advance:
    way = os.environ.get(VARIABLE, "")
    if way == "json":
        return Advance(step, total, unit, _print, EVENT_SECONDS, EVENT_SECONDS)
    if way == "none" or not log.isEnabledFor(logging.INFO):
        return Advance(step, total, unit, None)
    return Advance(step, total, unit, _log, LINE_SECONDS, QUIET_SECONDS, IDLE_SECONDS)


def _print(event: Event) -> None:
    # One write: lines of other threads must not end up within it.
    sys.stderr.write(f"{event.marked()}\n")
    sys.stderr.flush()


def _log(event: Event) -> None:
    # The step's own last line says how it ended.
    if not event.ended:
        log.info("%s", event.line())
