"""Objects as files: read by parts, and shown to Arrow."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from pyarrow import fs

from synalign.storage.store import Store


class Reader(io.RawIOBase):
    """A stream over an object that can be sought in.

    Args:
        read: Gives the bytes from a start up to an end.
        size: Of the object, in bytes.
    """

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        super().__init__()
        self._read, self._size, self._at = read, size, 0

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that it can be sought in."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place in the object."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        """Return the place in the object."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read as many bytes as fit, and are there."""
        end = min(self._at + len(buffer), self._size)
        if end <= self._at:
            return 0
        content = self._read(self._at, end)
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


def arrow(store: Store, name: str) -> fs.FileSystem:
    """Return a file system of Arrow that reads a store.

    Args:
        store: The store.
        name: Of the bucket or the container, with which Arrow's paths begin.
    """
    # torch brings it.
    from fsspec import AbstractFileSystem

    def within(path: str) -> str:
        return path.strip("/").removeprefix(name).lstrip("/")

    class Objects(AbstractFileSystem):
        cachable = False

        def info(self, path: str, **_: Any) -> dict[str, Any]:
            size = store.size(within(path)) if within(path) else None
            if size is not None:
                return {"name": path, "size": size, "type": "file"}
            if store.holds(within(path)):
                return {"name": path, "size": 0, "type": "directory"}
            raise FileNotFoundError(path)

        def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
            base = path.rstrip("/")
            names = [*store.files(within(path)), *store.folders(within(path))]
            return [self.info(f"{base}/{each}") if detail else f"{base}/{each}" for each in names]

        def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
            return store.open_input(within(path))

    return fs.PyFileSystem(fs.FSSpecHandler(Objects()))
