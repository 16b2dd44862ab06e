"""A file to which lines are appended by one process at a time, and which a kill at any moment leaves readable."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from synalign.errors import StorageError
from synalign.generation.line_objects import LineObjects
from synalign.storage import Place


def lines_at(path: os.PathLike[str]) -> LineFile | LineObjects:
    """Lines at a place, of whichever kind it is.

    Raises:
        StorageError: They cannot be read or written.
    """
    place = Place(path)
    return LineFile(place) if place.local else LineObjects(place)


class LineFile:
    """Whole lines of a file, and the place after them to write more.

    A kill can tear the last line; it is cut off, since what a line announces is done only after it is written.

    Args:
        path: The file; made, with its folder, if missing.

    Attributes:
        path: The file.
        lines: Lines that were there, without their ends.

    Raises:
        StorageError: It cannot be read or written.
    """

    def __init__(self, path: os.PathLike[str]) -> None:
        self.path = path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            content = path.read_bytes()
            whole = content.rfind(b"\n") + 1
            os.ftruncate(self._descriptor, whole)
            os.lseek(self._descriptor, whole, os.SEEK_SET)
        except OSError as error:
            raise self._unusable(error) from error
        self.lines = content[:whole].split(b"\n")[:-1]
        self._size = whole

    def append(self, line: bytes) -> None:
        """Add a line, given without its end. It survives a kill; a power cut only after `sync`.

        Raises:
            StorageError: It cannot be written; the file is as it was before.
        """
        left = memoryview(line + b"\n")
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError as error:
            # A full disk takes a part of a line: the next one must not be joined to it.
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
                os.lseek(self._descriptor, self._size, os.SEEK_SET)
            raise self._unusable(error) from error
        self._size += len(line) + 1

    def sync(self) -> None:
        """Make all lines survive a power cut. May be called from another thread.

        Raises:
            StorageError: The disk refuses.
        """
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise self._unusable(error) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _unusable(self, error: OSError) -> StorageError:
        return StorageError(f"{self.path} cannot be used: {error}.", remedy="check the disk and the run's folder")
