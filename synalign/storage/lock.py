"""One writer at a place: a lock of the operating system on a file system, a lease in object storage."""

from __future__ import annotations

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from synalign.storage.lease import Lease
from synalign.storage.place import Place
from synalign.storage.taken import TakenError


class Hold(Protocol):
    """A place that this process holds."""

    def check(self) -> None:
        """Do nothing as long as the place is held.

        Raises:
            TakenError: It is not, or nobody can say.
        """

    def lost(self) -> bool:
        """Return whether the place is known to be another's by now."""


@contextmanager
def held(place: Place) -> Iterator[Hold]:
    """Hold a place: no other process can meanwhile.

    On a file system the operating system frees it however the process ends. In object storage it is free again a
    minute after the process ended without a word; whoever finds it taken looks for as long whether its holder lives.

    Args:
        place: A file that is made for it and stays.

    Raises:
        TakenError: Another process holds it.
        OSError: Storage refuses.
    """
    if place.local is None:
        with Lease(place, _who()) as lease:
            yield lease
        return
    place.parent.make()
    with open(place, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise TakenError(file.read().strip() or "unknown") from error
        file.truncate(0)
        file.write(_who())
        file.flush()
        yield _Locked()


class _Locked:
    def check(self) -> None:
        """Do nothing: the operating system does not take a lock away."""

    def lost(self) -> bool:
        return False


def _who() -> str:
    return f"pid {os.getpid()} on {platform.node()}"
