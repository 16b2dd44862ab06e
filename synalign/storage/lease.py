"""A lock in object storage: an object that its holder keeps changing, and that goes to another when it stops.

Nobody compares clocks of two machines. The holder changes the object every few seconds; one that wants it looks at it
for as long as a minute, on its own clock, and takes it only if it has not changed. Every change is a conditional put:
whoever was slower learns it. A holder that could not change it in time, or that was stopped and goes on later, finds
that out by `check` before it lets anything count.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from types import TracebackType

from synalign.storage.place import Place
from synalign.storage.store import StaleError
from synalign.storage.taken import TakenError

log = logging.getLogger("synalign")

RENEWED_AFTER = 10.0
"""Seconds between two changes by the holder."""

LOST_AFTER = 60.0
"""Seconds without a change after which another may take it."""

LOOKED_AFTER = 2.0
"""Seconds between two looks of one that wants it."""


class Lease:
    """A lease as a context: held inside, given back at its end.

    Args:
        place: The object. It stays, and says then that it is free.
        who: What others are told of the holder.

    Raises:
        TakenError: Another process holds it, and showed within a minute that it lives.
        OSError: Storage refuses.
    """

    def __init__(self, place: Place, who: str) -> None:
        self._place = place
        self._who = who
        self._id = uuid.uuid4().hex
        self._beat = 0
        self._lost = False
        self._changing = threading.Lock()
        self._ended = threading.Event()
        self._tag = self._take()
        self._renewing = threading.Thread(target=self._renew, name=f"lease {place.parent.name}", daemon=True)
        self._renewing.start()

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._renewing.join()
        try:
            with self._changing:
                self._put(free=True)
        except OSError as failure:
            # Others wait a minute then, and take it.
            log.info("lease: %s is not given back: %s", self._place, failure)

    def check(self) -> None:
        """Change it now: it is held for the next minute if that succeeds.

        Raises:
            TakenError: It is another's, or storage does not say.
        """
        try:
            self._change()
        except OSError as error:
            raise TakenError(f"another one, or storage does not answer: {error}") from error

    def lost(self) -> bool:
        """Return whether the lease is known to be another's by now; False where storage does not answer."""
        try:
            self._change()
        except StaleError:
            return True
        except OSError:
            return False
        return False

    def _take(self) -> str:
        began, seen = time.monotonic(), ""
        while True:
            try:
                return self._place.create(self._content())
            except FileExistsError:
                pass
            # The content belongs to the tag, or the replacement fails: the tag is read first.
            tag = self._place.tag() or ""
            try:
                other = json.loads(self._place.read_bytes())
            except FileNotFoundError:
                time.sleep(LOOKED_AFTER)
                continue
            except ValueError:
                other = {}
            if tag != seen and seen and not other.get("free"):
                raise TakenError(str(other.get("who", "unknown")))
            seen = tag
            if other.get("free") or time.monotonic() - began >= LOST_AFTER:
                try:
                    return self._place.replace(self._content(), tag)
                except StaleError:
                    # Another took it in this moment; it shows at the next look that it lives.
                    began = time.monotonic()
                    continue
            time.sleep(LOOKED_AFTER)

    def _renew(self) -> None:
        while not self._ended.wait(RENEWED_AFTER):
            try:
                self._change()
            except StaleError:
                log.warning("lease: %s was taken by another process, since this one was stopped for a while", self._who)
                return
            except OSError as error:
                log.info("lease: %s is not renewed: %s", self._place, error)

    def _change(self) -> None:
        with self._changing:
            if self._lost:
                raise StaleError(f"{self._place} was taken by another process")
            self._beat += 1
            self._put()

    def _put(self, *, free: bool = False) -> None:
        """Change the object, also where an earlier change was made whose answer never came: its tag is not known.

        Raises:
            StaleError: It is another's.
            OSError: Storage does not say.
        """
        content = self._content(free=free)
        try:
            self._tag = self._place.replace(content, self._tag)
            return
        except StaleError:
            # In this order: a tag of before the content can only make the change fail.
            tag = self._place.tag() or ""
            if not self._mine():
                self._lost = True
                raise
        try:
            self._tag = self._place.replace(content, tag)
        except StaleError as error:
            raise OSError(f"{self._place} changed while it was looked at: {error}") from error

    def _mine(self) -> bool:
        try:
            return bool(json.loads(self._place.read_bytes())["holder"] == self._id)
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return False

    def _content(self, *, free: bool = False) -> bytes:
        return json.dumps({"who": self._who, "holder": self._id, "beat": self._beat, "free": free}).encode()
