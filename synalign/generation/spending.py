"""The record of what a refresh spends: it survives kills, and says what nobody knows the cost of.

Two lines of JSON per try, in a file of the run's folder. The first is written just before the request is sent:

    [process, number, most tokens sent, most tokens received, key of the request, bound sent, bound received]

(the last three only where the request has a key; a bound is what was set aside before the `correction`).
The second replaces it when the try has ended: `[process, number, tokens sent, tokens received]`. A process that is
killed leaves first lines without a second. Those tries may have been billed, so the next process counts them in full,
unless the answer is in the journal: then what that answer cost is known. A request that is asked again after a kill
gets a line of its own, since the provider may bill it twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from os import PathLike
from typing import Any, NamedTuple

from synalign.storage.append_log import AppendLog

RECORD = "spending.jsonl"

Answered = Callable[[str], tuple[int, int] | None]
"""Tokens sent and received that the answer to a request cost, by its key; None: there is none, or nobody says."""


class Reservation(NamedTuple):
    """The most that a request can cost, set aside.

    Attributes:
        number: Counts up within a process.
        tokens_in: Most tokens sent.
        tokens_out: Most tokens received.
        key: Of the request in the journal; empty: it has none.
        bound_in: Most tokens sent, before the correction for the endpoint's own way of counting.
        bound_out: The same for tokens received.
    """

    number: int
    tokens_in: int
    tokens_out: int
    key: str = ""
    bound_in: int = 0
    bound_out: int = 0


class Try(NamedTuple):
    """One request that was sent once, as the record has it.

    Attributes:
        tokens_in: Tokens sent: as reported, or the most it can have been.
        tokens_out: The same for tokens received.
        reserved: What was set aside for it.
    """

    tokens_in: int
    tokens_out: int
    reserved: Reservation

    @property
    def known(self) -> bool:
        """Return whether the endpoint reported what it cost, or the journal has it."""
        return (self.tokens_in, self.tokens_out) != self.reserved[1:3]

    @property
    def bounds(self) -> tuple[int, int]:
        """Return the most tokens sent and received, before any correction."""
        return self.reserved.bound_in, self.reserved.bound_out

    @property
    def reported(self) -> tuple[int, int]:
        """Return the tokens that the endpoint reported; 0 where it did not, or the bounds are not known."""
        if not self.reserved.key:
            return 0, 0
        spent_in, spent_out, most_in, most_out = self.tokens_in, self.tokens_out, *self.reserved[1:3]
        return spent_in if spent_in != most_in else 0, spent_out if spent_out != most_out else 0


class Spending:
    """The record, open for adding. One process has it open at a time: the run's lock sees to that.

    Args:
        path: The file; made if missing.
        answered: Looks an answer up in the journal.

    Raises:
        RunError: It is damaged.
        StorageError: It cannot be read or written.

    Attributes:
        tries: What earlier processes sent.
    """

    def __init__(self, path: PathLike[str], answered: Answered | None = None) -> None:
        seen: _Seen = {}
        self._log = AppendLog(
            path,
            lambda content: _note(seen, *_read(content)),
            remedy="put [0, LINE, TOKENS_IN, TOKENS_OUT] there with what the provider billed, or delete the "
            "file, and what was spent so far is forgotten",
        )
        self.tries = list(_tries(seen, answered or (lambda key: None)))
        self._process = 1 + max((process for process, _ in seen), default=0)

    def reserved(self, reservation: Reservation) -> None:
        """Note what is set aside for a request that is about to be sent."""
        self._write(reservation if reservation.key else reservation[:3])

    def settled(self, number: int, tokens_in: int, tokens_out: int) -> None:
        """Note what a request cost."""
        self._write((number, tokens_in, tokens_out))

    async def sync(self) -> None:
        """Return when everything written so far survives a power cut. Several share one call."""
        await self._log.synced()

    def close(self) -> None:
        """Close the file."""
        self._log.close()

    def _write(self, line: tuple[Any, ...]) -> None:
        self._log.append([self._process, *line])


_Seen = dict[tuple[int, int], tuple[Reservation, tuple[int, int] | None]]
"""Tries by process and number, in the order in which they were sent: what was set aside, and what was spent."""


def _note(seen: _Seen, process: int, line: Reservation) -> None:
    """Add a line to the tries: the first of a try, or the one that replaces it."""
    key = (process, line.number)
    seen[key] = (seen[key][0], line[1:3]) if key in seen else (line, None)


def _read(content: Any) -> tuple[int, Reservation]:
    process, *values = content
    reservation = Reservation(*values)
    counts = [process, *reservation[:3], *reservation[4:]]
    if not isinstance(reservation.key, str) or any(type(count) is not int or count < 0 for count in counts):
        raise ValueError
    return process, reservation


def _tries(seen: _Seen, answered: Answered) -> Iterator[Try]:
    """Yield what each try cost. Only a request's last one can be the one whose answer the journal has."""
    last = {reserved.key: at for at, (reserved, _) in seen.items()}
    for at, (reserved, spent) in seen.items():
        if spent is None and reserved.key and last[reserved.key] == at:
            spent = answered(reserved.key)
            # The journal's count includes tries that failed, which have lines of their own.
            spent = spent and (min(spent[0], reserved.tokens_in), min(spent[1], reserved.tokens_out))
        yield Try(*(spent or reserved[1:3]), reserved)
