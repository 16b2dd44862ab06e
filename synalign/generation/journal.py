"""The response journal: every good answer, kept before it is used, so that nothing paid for is asked again.

One line of JSON per answer, with a check sum of itself, in a shared log (`synalign.storage.append_log`) in a folder or
in object storage. Answers that arrive while a write is under way share the next write, and its one sync.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from synalign.errors import ConfigurationError, StorageError
from synalign.storage import Place
from synalign.storage.append_log import AppendLog, checked, with_check

__all__ = ["FILE", "PARTS", "Entry", "Journal", "place_of"]

PARTS = "responses"
"""Begins the names of a journal's files or objects."""

FILE = f"{PARTS}.jsonl"


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


class Journal:
    """A journal, open for reading and adding. Several may have the same place open: each adds to a part of its own.

    What others add after it was opened is seen by the next one.

    Args:
        place: A folder, made if missing, or `s3://bucket/prefix`.
        others: Places of other journals, which are only read: an answer of theirs is copied when it is asked for.

    Raises:
        RunError: A line is damaged that no kill can have torn.
        StorageError: It cannot be read.
    """

    def __init__(self, place: str | Path, others: Iterable[str | Path] = ()) -> None:
        self._entries: dict[str, Entry] = {}
        self._others = {entry.key: entry for other in others for entry in _entries_of(place_of(other))}
        self._appended: set[str] = set()
        self._log = AppendLog(
            place_of(place),
            self._read,
            remedy="delete that line, or in a bucket the object: only what it answered will be asked again",
            encode=with_check,
            decode=checked,
            shared=PARTS,
            unusable=_unusable,
        )

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str) -> Entry | None:
        """Return the answer to a request, or None."""
        return self._entries.get(key)

    async def find(self, key: str) -> Entry | None:
        """Return the answer to a request, or None; one of another journal is copied into this one first.

        Raises:
            StorageError: It cannot be written.
        """
        if key not in self._entries and key in self._others:
            return await self.add(self._others[key])
        return self.get(key)

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
            if entry.key not in self._appended:
                self._log.append(entry._asdict(), then=lambda: self._keep(entry))
                self._appended.add(entry.key)
            await self._log.synced()
        return self._entries[entry.key]

    def close(self) -> None:
        """Keep the answers that still wait, and close the place.

        Raises:
            StorageError: They cannot be written.
        """
        self._log.close()

    def _read(self, content: dict[str, Any]) -> None:
        self._keep(Entry(**content))

    def _keep(self, entry: Entry) -> None:
        self._entries.setdefault(entry.key, entry)


def _entries_of(place: Place) -> Iterator[Entry]:
    """Yield the answers of a journal that is only read: what cannot be read of it is asked again."""
    try:
        for part in place.files(f"{PARTS}*.jsonl"):
            for line in part.read_bytes().split(b"\n"):
                with suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
                    yield Entry(**checked(line))
    except OSError:
        return


def place_of(address: str | Path) -> Place:
    """Return the place of a journal.

    Raises:
        ConfigurationError: The address is of object storage, and malformed.
    """
    try:
        return Place(address)
    except ConfigurationError:
        # Not shown: the address may hold a key.
        raise ConfigurationError(
            "runtime.journal must be s3://bucket or s3://bucket/prefix, or one of gs://, az:// or abfss://, without "
            "empty parts, `?` and `#`.",
            cause="credentials or options in the URL; they belong in the environment",
            remedy="for example s3://search-team/synalign/journal",
        ) from None


def _unusable(place: Place, doing: str, error: OSError) -> StorageError:
    if doing == "opened":
        advice = "check its folder" if place.local is not None else "check the bucket, the endpoint and the keys"
        return StorageError(f"{place} cannot be opened: {error}.", remedy=advice)
    return StorageError(
        f"{place} cannot be written: {error}.",
        cause="the disk is full, or the storage cannot be reached",
        remedy="mend that and run the step again; answers written so far are kept",
    )
