"""A journal in a local folder: files to which lines are appended, each file by one process at a time.

A process may be killed at any moment: at worst the last line of its file is torn. Whoever takes the file over cuts that
line off; until then readers pass over it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from synalign.storage.files import sync

FILE = "responses.jsonl"
_OTHERS = "responses-{number}.jsonl"
_ALL = "responses*.jsonl"


class Folder:
    """A folder of journal files, with the first that no other process writes to open for appending.

    The operating system frees the file however the process ends.

    Args:
        folder: The folder; made if missing.

    Raises:
        OSError: It cannot be made, or written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._descriptor = _free_file(folder)
        self._size = os.fstat(self._descriptor).st_size
        sync(folder)

    def read(self) -> Iterator[tuple[str, bytes]]:
        """Name and whole lines of each file; a torn last line is cut off the file that is ours."""
        for path in sorted(self._folder.glob(_ALL)):
            content = path.read_bytes()
            whole = content.rfind(b"\n") + 1
            if os.path.samestat(os.stat(path), os.fstat(self._descriptor)):
                self._size = whole
            yield str(path), content[:whole]

    def append(self, lines: bytes) -> None:
        """Add some lines and sync. What a failed call left is cut off first: no line may be joined to half a line."""
        if os.fstat(self._descriptor).st_size != self._size:
            os.ftruncate(self._descriptor, self._size)
        left = memoryview(lines)
        while left:
            left = left[os.write(self._descriptor, left) :]
        os.fsync(self._descriptor)
        self._size += len(lines)

    def close(self) -> None:
        """Close the file, which frees it for others."""
        os.close(self._descriptor)


def _free_file(folder: Path) -> int:
    """Descriptor of the first file that no other process holds, held from now on."""
    number = 1
    while True:
        path = folder / (FILE if number == 1 else _OTHERS.format(number=number))
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            number += 1
        except BaseException:
            os.close(descriptor)
            raise
        else:
            return descriptor
