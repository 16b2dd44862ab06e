"""A log of JSON lines: appended to while a process runs, replayed by the next one.

A log of one process is a file, or a folder of numbered objects in object storage; a log that several processes share is
a folder of parts, of which each writer has its own. A kill at any moment loses no line that was synced.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from os import PathLike
from typing import Any, NamedTuple, Protocol

from synalign.errors import RunError, StorageError
from synalign.storage.line_files import LineFile, SharedFiles
from synalign.storage.line_objects import NumberedObjects, SharedObjects
from synalign.storage.place import Place

WRITTEN_AFTER = 2.0
"""Seconds after which lines go to object storage without a `sync`."""

_CHECK_CHARACTERS = 16
# Of a line that is no JSON, or whose content is not what its reader knows.
_DAMAGE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


class Lines(Protocol):
    """Storage of a log's lines. Methods raise OSError where the storage refuses."""

    immediate: bool
    """Whether `write` is so fast that every line is written when it is appended."""

    def open(self) -> Iterator[tuple[str, bytes]]:
        """Open the place for writing, and yield the name and the whole lines of each part that is there."""

    def write(self, lines: bytes) -> None:
        """Write whole lines. After an error the next call begins with the same lines, unless `immediate` is set."""

    def sync(self) -> None:
        """Return when everything written survives a power cut."""

    def close(self) -> None:
        """Release the place; nothing is written any more."""


class _Waiting(NamedTuple):
    line: bytes
    then: Callable[[], None] | None


class AppendLog:
    """A log, open for appending; the lines that were there have been applied, in their order.

    Args:
        place: A file, made if missing; with `shared` a folder, or a prefix in object storage.
        apply: Called with the content of every line; an error of its own (ValueError, KeyError, ...) says that the line
            is damaged.
        remedy: What to do about a damaged line.
        encode: Makes a line, without its end, of some content.
        decode: The inverse; raises ValueError where a line is damaged.
        shared: Begins the names of the parts of a log that several processes append to at once; None: one process does.
            A shared log is written by `sync` and `synced` alone.
        unusable: Makes the error for a storage that refuses, given the place, `opened` or `written`, and the cause.

    Raises:
        RunError: A line is damaged that no kill can have torn.
        StorageError: The log cannot be read or written.
    """

    def __init__(
        self,
        place: str | PathLike[str] | Place,
        apply: Callable[[Any], None],
        *,
        remedy: str,
        encode: Callable[[Any], bytes] = lambda content: compact(content).encode(),
        decode: Callable[[bytes], Any] = json.loads,
        shared: str | None = None,
        unusable: Callable[[Place, str, OSError], StorageError] | None = None,
    ) -> None:
        self.place = Place(place)
        self._encode, self._unusable = encode, unusable or _unusable
        self._shared = shared is not None
        self._lines = _lines(self.place, shared)
        self._waiting: deque[_Waiting] = deque()
        self._syncing = threading.Lock()
        self._written_at = time.monotonic()
        self._later: Future[None] | None = None
        try:
            for name, content in self._lines.open():
                _replay(name, content, lambda line: apply(decode(line)), remedy)
        except BaseException as error:
            self._lines.close()
            if isinstance(error, OSError):
                raise self._unusable(self.place, "opened", error) from error
            raise
        # One thread: writes follow each other, and none of them holds up the event loop.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="log")

    def append(self, content: Any, then: Callable[[], None] | None = None) -> None:
        """Add a line. In a file of one process it survives a kill at once; elsewhere it does after `sync`.

        Args:
            content: Of the line.
            then: Called when the line is written, in the thread that writes it.

        Raises:
            StorageError: The line, or in object storage an earlier one, cannot be written.
        """
        waiting = _Waiting(self._encode(content) + b"\n", then)
        if self._lines.immediate:
            self._write([waiting])
            return
        self._waiting.append(waiting)
        if not self._shared:
            self._sync_later()

    def sync(self) -> None:
        """Return when every line appended so far survives a power cut. May be called from any thread.

        Lines that cannot be written wait for the next call.

        Raises:
            StorageError: The storage refuses.
        """
        with self._syncing:
            group = [self._waiting.popleft() for _ in range(len(self._waiting))]
            try:
                self._write(group, sync=True)
            except StorageError:
                self._waiting.extendleft(reversed(group))
                raise

    async def synced(self) -> None:
        """Do the same without holding up the event loop. Calls that come during a write share the next one.

        Where the caller is cancelled its line is written all the same, at the latest by `close`.

        Raises:
            StorageError: The storage refuses.
        """
        # The tasks that are about to append come first, so that one sync is enough for all of them.
        await asyncio.sleep(0)
        await asyncio.wrap_future(self._thread.submit(self.sync))

    def close(self) -> None:
        """Sync what was appended, and release the place.

        Raises:
            StorageError: The storage refuses.
        """
        try:
            self._thread.shutdown()
            self.sync()
        finally:
            self._lines.close()

    def _write(self, group: list[_Waiting], *, sync: bool = False) -> None:
        try:
            if group:
                self._lines.write(b"".join(waiting.line for waiting in group))
            if sync:
                self._lines.sync()
        except OSError as error:
            raise self._unusable(self.place, "written", error) from error
        self._written_at = time.monotonic()
        for waiting in group:
            if waiting.then is not None:
                waiting.then()

    def _sync_later(self) -> None:
        """Sync in the background where the last write was a while ago; raise what an earlier such sync met."""
        if self._later is not None and self._later.done():
            later, self._later = self._later, None
            later.result()
        if self._later is None and time.monotonic() - self._written_at >= WRITTEN_AFTER:
            self._later = self._thread.submit(self.sync)


def compact(content: Any, **options: Any) -> str:
    """Return JSON without spaces."""
    return json.dumps(content, separators=(",", ":"), **options)


def with_check(content: dict[str, Any]) -> bytes:
    """Return a line that holds a check sum of itself as its `check`."""
    return _canonical({**content, "check": _check(content)})


def checked(line: bytes) -> dict[str, Any]:
    """Return the content of a line made by `with_check`.

    Raises:
        ValueError: The line is not as it was written; other errors where it is no JSON object at all.
    """
    content: dict[str, Any] = json.loads(line)
    if content.pop("check") != _check(content):
        raise ValueError("the check sum is of another content")
    return content


def _check(content: dict[str, Any]) -> str:
    return hashlib.sha256(_canonical(content)).hexdigest()[:_CHECK_CHARACTERS]


def _canonical(content: dict[str, Any]) -> bytes:
    """Return canonical JSON. Half a surrogate pair, which JSON can hold and UTF-8 cannot, stays as it is."""
    return compact(content, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _replay(name: str, content: bytes, apply: Callable[[bytes], None], remedy: str) -> None:
    # Not splitlines(): it would end a line at bytes of other languages, too.
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            apply(line)
        except _DAMAGE as error:
            raise RunError(
                f"{name}, line {number} is damaged.",
                cause="the file was edited or the disk has an error",
                remedy=remedy,
            ) from error


def _lines(place: Place, shared: str | None) -> Lines:
    if place.local is not None:
        return LineFile(place.local) if shared is None else SharedFiles(place.local, shared)
    return NumberedObjects(place) if shared is None else SharedObjects(place, shared)


def _unusable(place: Place, doing: str, error: OSError) -> StorageError:
    if place.local is not None:
        return StorageError(f"{place} cannot be used: {error}.", remedy="check the disk and the run's folder")
    return StorageError(
        f"{place} cannot be used: {error}.",
        cause="object storage cannot be reached, or another process took the run over",
        remedy="check the storage and the keys, and run the step again",
    )
