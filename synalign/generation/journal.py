"""The response journal: every good answer, on disk before it is used, so that nothing paid for is asked again.

One line of JSON per answer, appended in a single write and synced. A process may be killed at any moment: at worst the
last line is torn, and that one is dropped on the next opening. Each line carries a checksum of itself.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from synalign.errors import RunError
from synalign.manifests import canonical

FILE = "responses.jsonl"
_CHECK_CHARACTERS = 16


class Entry(NamedTuple):
    """One good answer.

    Attributes:
        key: SHA-256 of the canonical request, in hexadecimal.
        answer: The answer as the model sent it: JSON text.
        model: The model's name as it reported it.
        tokens_in: Tokens sent, failed tries included.
        tokens_out: Tokens received, failed tries included.
        seconds: How long the answer took.
    """

    key: str
    answer: str
    model: str
    tokens_in: int
    tokens_out: int
    seconds: float


class Journal:
    """The journal of one run, open for reading and appending by one process.

    Args:
        folder: Its folder; made if missing.

    Raises:
        RunError: It cannot be read, or a line other than a torn last one is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._entries = _read(self.path)
            self._file = open(self.path, "ab", buffering=0)  # noqa: SIM115 - closed by close()
            _sync_folder(folder)
        except OSError as error:
            raise RunError(f"{self.path} cannot be opened: {error}.", remedy="check its folder") from error

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

    def add(self, entry: Entry) -> Entry:
        """Keep an answer; it is on disk when this returns.

        Returns:
            The answer kept for that request: the one given, or an earlier one, which stays.

        Raises:
            RunError: It cannot be written.
        """
        if entry.key in self._entries:
            return self._entries[entry.key]
        try:
            self._append(_line(entry))
        except OSError as error:
            raise RunError(
                f"{self.path} cannot be written: {error}.",
                cause="the disk is full",
                remedy="free some space and run the step again; answers written so far are kept",
            ) from error
        self._entries[entry.key] = entry
        return entry

    def _append(self, line: bytes) -> None:
        descriptor = self._file.fileno()
        size = os.fstat(descriptor).st_size
        if self._file.write(line) != len(line):
            # A full disk: half a line must not stay, or the next one would be appended to it.
            os.ftruncate(descriptor, size)
            raise OSError("the line was written in part")
        os.fsync(descriptor)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _line(entry: Entry) -> bytes:
    content = entry._asdict()
    return canonical({**content, "check": _check(content)}) + b"\n"


def _check(content: dict[str, Any]) -> str:
    return hashlib.sha256(canonical(content)).hexdigest()[:_CHECK_CHARACTERS]


def _read(path: Path) -> dict[str, Entry]:
    """The entries of a file; a torn last line is cut off it."""
    content = path.read_bytes() if path.exists() else b""
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
    entries: dict[str, Entry] = {}
    for number, line in enumerate(content[:whole].splitlines(), start=1):
        entry = _parse(line)
        if entry is None:
            raise RunError(
                f"{path}, line {number} is damaged.",
                cause="the file was edited or the disk has an error",
                remedy="delete that line: its request will be asked again, all others stay answered",
            )
        entries.setdefault(entry.key, entry)
    return entries


def _parse(line: bytes) -> Entry | None:
    """An entry, or None when the line is not as it was written."""
    try:
        content = json.loads(line)
        claimed = content.pop("check")
        return Entry(**content) if _check(content) == claimed else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _sync_folder(folder: Path) -> None:
    """Make the file's name itself survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
