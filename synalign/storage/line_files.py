"""Lines of a log in files, each appended to by one process at a time.

A kill can tear the last line of a file. Readers skip it, and whoever appends next cuts it off: no line may be joined to
half a line.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from synalign.storage.files import sync


class LineFile:
    """One file; a lock that others see to keeps other processes out.

    Args:
        path: The file; it and its folder are made by `open` where they are missing.
    """

    immediate = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        # Whole lines that were written, and synced, in bytes.
        self._size = self._synced = 0

    def open(self) -> Iterator[tuple[str, bytes]]:
        """Open the file, and yield its name and its whole lines."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = _opened(self._path)
        sync(self._path.parent)
        yield str(self._path), self._read(self._path)

    def write(self, lines: bytes) -> None:
        """Add lines; what a failed call or a killed process left behind the whole lines is cut off first."""
        assert self._descriptor is not None
        if os.fstat(self._descriptor).st_size != self._size:
            os.ftruncate(self._descriptor, self._size)
        left = memoryview(lines)
        while left:
            left = left[os.write(self._descriptor, left) :]
        self._size += len(lines)

    def sync(self) -> None:
        """Make what was written survive a power cut."""
        size = self._size
        if self._descriptor is None or size == self._synced:
            return
        try:
            os.fsync(self._descriptor)
        except OSError:
            if not self.immediate:
                # The log hands the same lines in again: those whose sync failed may be lost in any part.
                self._size = self._synced
            raise
        self._synced = size

    def close(self) -> None:
        """Close the file, which frees it for others."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _read(self, path: Path) -> bytes:
        """Return the whole lines of a file; where it is the open one, the next line goes behind them."""
        assert self._descriptor is not None
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if os.path.samestat(os.stat(path), os.fstat(self._descriptor)):
            self._size = self._synced = whole
        return content[:whole]


class SharedFiles(LineFile):
    """A folder of files `<stem>.jsonl`, `<stem>-2.jsonl`, ...: each process writes to the first that no other holds.

    The operating system frees a file however its process ends.

    Args:
        folder: The folder; made by `open` where it is missing.
        stem: Begins the names of the files.
    """

    immediate = False

    def __init__(self, folder: Path, stem: str) -> None:
        super().__init__(folder / f"{stem}.jsonl")
        self._stem = stem

    def open(self) -> Iterator[tuple[str, bytes]]:
        """Take a free file, and yield the name and the whole lines of every file."""
        folder = self._path.parent
        folder.mkdir(parents=True, exist_ok=True)
        self._descriptor = self._free()
        sync(folder)
        for path in sorted(folder.glob(f"{self._stem}*.jsonl")):
            yield str(path), self._read(path)

    def _free(self) -> int:
        """Return the descriptor of the first file that no other process holds, and hold it."""
        path, number = self._path, 1
        while True:
            descriptor = _opened(path)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                number += 1
                path = self._path.with_name(f"{self._stem}-{number}.jsonl")
            except BaseException:
                os.close(descriptor)
                raise
            else:
                return descriptor


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
