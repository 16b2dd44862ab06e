"""The response journal: every good answer, kept before it is used, so that nothing paid for is asked again.

One line of JSON per answer, with a checksum of itself, in a folder (`journal_folder`) or in object storage
(`journal_bucket`). Answers that arrive while a write is under way share the next write, and its one sync.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, NamedTuple, Protocol

from synalign.errors import RunError, StorageError
from synalign.generation.journal_folder import FILE, Folder

__all__ = ["FILE", "Entry", "Journal", "Store"]

BUCKET_SCHEME = "s3://"
_CHECK_CHARACTERS = 16


class Entry(NamedTuple):
    """One good answer.

    Attributes:
        key: SHA-256 of the canonical request, in hexadecimal.
        answer: The answer as the model sent it: JSON text.
        model: The model's name as it reported it.
        tokens_in: Tokens sent, failed tries included; None where the endpoint does not say.
        tokens_out: Tokens received, failed tries included; None where the endpoint does not say.
        seconds: How long the answer took.
    """

    key: str
    answer: str
    model: str
    tokens_in: int | None
    tokens_out: int | None
    seconds: float


class _Waiting(NamedTuple):
    entry: Entry
    line: bytes


class Store(Protocol):
    """Where a journal's lines lie. All methods raise OSError where the place does not do what was asked."""

    def read(self) -> Iterator[tuple[str, bytes]]:
        """What was kept so far: the name of each part and its content, whole lines only."""

    def append(self, lines: bytes) -> None:
        """Keep some lines: all of them survive a power cut when this returns."""

    def close(self) -> None:
        """Let go of the place."""


class Journal:
    """A journal, open for reading and adding. Several may have the same place open: each adds to a part of its own.

    What others add after it was opened is seen by the next one.

    Args:
        place: A folder, made if missing, or `s3://bucket/prefix`.

    Raises:
        RunError: A line is damaged that no kill can have torn.
        StorageError: It cannot be read.
    """

    def __init__(self, place: str | Path) -> None:
        self.place = str(place)
        self._entries: dict[str, Entry] = {}
        self._waiting: SimpleQueue[_Waiting] = SimpleQueue()
        try:
            self._store = _store(self.place)
            try:
                for name, lines in self._store.read():
                    self._read(name, lines)
            except BaseException:
                self._store.close()
                raise
        except OSError as error:
            raise StorageError(f"{self.place} cannot be opened: {error}.", remedy=_remedy(self.place)) from error
        # One thread: writes follow each other, and none of them holds up the event loop.
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> Entry | None:
        """The answer to a request, or None."""
        return self._entries.get(key)

    def cost(self, key: str) -> tuple[int, int] | None:
        """Return the tokens, sent and received, that an answer cost; None without one, or where nobody says."""
        entry = self._entries.get(key)
        if entry is None or entry.tokens_in is None or entry.tokens_out is None:
            return None
        return entry.tokens_in, entry.tokens_out

    async def add(self, entry: Entry) -> Entry:
        """Keep an answer; it survives a kill and a power cut when this returns.

        Cancelled meanwhile, the answer is kept all the same, at the latest by `close`.

        Returns:
            The answer kept for that request: the one given, or an earlier one, which stays.

        Raises:
            StorageError: It cannot be written.
        """
        if entry.key not in self._entries:
            # The line is made here, so that an entry that makes none cannot take others down with it.
            self._waiting.put(_Waiting(entry, _line(entry)))
            await asyncio.wrap_future(self._writer.submit(self._commit))
        return self._entries[entry.key]

    def close(self) -> None:
        """Keep what still waits, and close the place.

        Raises:
            StorageError: It cannot be written.
        """
        try:
            self._writer.submit(self._commit).result()
        finally:
            self._writer.shutdown()
            self._store.close()

    def _commit(self) -> None:
        """Write everything that waits, if an earlier call has not done so already."""
        group: dict[str, _Waiting] = {}
        while (waiting := self._next()) is not None:
            if waiting.entry.key not in self._entries:
                group.setdefault(waiting.entry.key, waiting)
        if not group:
            return
        try:
            self._store.append(b"".join(waiting.line for waiting in group.values()))
        except OSError as error:
            # Those that share the write try it again, so that each of them learns how it ended.
            for waiting in group.values():
                self._waiting.put(waiting)
            raise StorageError(
                f"{self.place} cannot be written: {error}.",
                cause="the disk is full, or the storage cannot be reached",
                remedy="mend that and run the step again; answers written so far are kept",
            ) from error
        self._entries.update({key: waiting.entry for key, waiting in group.items()})

    def _next(self) -> _Waiting | None:
        try:
            return self._waiting.get_nowait()
        except Empty:
            return None

    def _read(self, name: str, lines: bytes) -> None:
        # Not splitlines(): bytes of other languages must not end a line.
        for number, line in enumerate(lines.split(b"\n")[:-1], start=1):
            entry = _parse(line)
            if entry is None:
                raise RunError(
                    f"{name}, line {number} is damaged.",
                    cause="the file was edited or the disk has an error",
                    remedy="delete that line, or in a bucket the object: only what it answered will be asked again",
                )
            self._entries.setdefault(entry.key, entry)


def _store(place: str) -> Store:
    if place.startswith(BUCKET_SCHEME):
        # Only here, since it is heavy to load.
        from synalign.generation.journal_bucket import Bucket

        return Bucket(place)
    return Folder(Path(place))


def _remedy(place: str) -> str:
    return "check the bucket, the endpoint and the keys" if place.startswith(BUCKET_SCHEME) else "check its folder"


def _line(entry: Entry) -> bytes:
    content = entry._asdict()
    return _bytes({**content, "check": _check(content)}) + b"\n"


def _check(content: dict[str, Any]) -> str:
    return hashlib.sha256(_bytes(content)).hexdigest()[:_CHECK_CHARACTERS]


def _bytes(content: dict[str, Any]) -> bytes:
    """Canonical JSON; half a surrogate pair, which JSON can hold and UTF-8 cannot, is kept as it came."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def _parse(line: bytes) -> Entry | None:
    """An entry, or None when the line is not as it was written."""
    try:
        content = json.loads(line)
        claimed = content.pop("check")
        return Entry(**content) if _check(content) == claimed else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
