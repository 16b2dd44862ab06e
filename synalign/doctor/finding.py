"""What a check is given, and what it comes to."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Literal, NamedTuple

from synalign.config import Configuration

State = Literal["pass", "fail", "skipped"]


class Clock(NamedTuple):
    """The time that a server told, and ours at that moment.

    Attributes:
        server: Who told it.
        theirs: Its time, to the second.
        ours: The time here.
    """

    server: str
    theirs: datetime
    ours: datetime


class Case:
    """Settings and files that the checks examine.

    Attributes:
        configuration: Settings of the retriever that this machine is to refresh.
        file: The retriever's YAML file, where a person named one.
        texts: Distinct `queries` and `documents` of the data, for the check of the encoder; empty until they are read.
        clocks: Times that servers told on the way, for the check of the clock.
    """

    def __init__(self, configuration: Configuration, file: Path | None = None) -> None:
        self.configuration = configuration
        self.file = file
        self.texts: dict[str, list[str]] = {}
        self.clocks: list[Clock] = []

    def note_time(self, server: str, date: str | None) -> None:
        """Remember a server's time, as its header `Date` tells it; one that tells none is passed over."""
        try:
            theirs = parsedate_to_datetime(date or "")
        except (ValueError, TypeError):
            return
        # A date without a zone is UTC by the rules of HTTP.
        theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
        self.clocks.append(Clock(server, theirs, datetime.now(UTC)))


class Finding(NamedTuple):
    """Result of one check.

    Attributes:
        check: Its name.
        state: `pass`, `fail` or `skipped`.
        found: What was found, in a sentence.
        remedy: What to do about it; empty unless it failed.
        seconds: How long the check took.
    """

    check: str
    state: State
    found: str
    remedy: str
    seconds: float


class Skipped(Exception):
    """A check that has nothing to look at here; its text says why."""
