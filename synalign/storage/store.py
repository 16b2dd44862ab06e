"""What a place is kept in: a file system or a bucket do the same things, each in its own way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import IO, Any, NamedTuple, Protocol

from pyarrow import fs


class StaleError(OSError):
    """What was to be replaced is not what it was when its tag was read: somebody else was faster."""


class Kept(NamedTuple):
    """A file or an object that was listed.

    Attributes:
        path: As the store takes it.
        size: In bytes.
    """

    path: str
    size: int


class Store(Protocol):
    """Files under paths. All methods raise OSError, or one of its kinds, where the store refuses."""

    def read(self, path: str) -> bytes:
        """Return the content of a file; FileNotFoundError where there is none."""

    def open_input(self, path: str) -> Any:
        """Open a binary stream that can be read and sought in."""

    def open_output(self, path: str) -> AbstractContextManager[IO[bytes]]:
        """Open a binary stream. The file is there, as a whole, once the context has ended without an error."""

    def write(self, path: str, content: bytes) -> None:
        """Write a whole file: readers see what was there before or all of this."""

    def size(self, path: str) -> int | None:
        """Return the bytes of a file; None where there is none."""

    def holds(self, path: str) -> bool:
        """Return whether anything is there: a file, or a folder."""

    def files(self, path: str) -> list[str]:
        """Return the names of a folder's own files, in no order."""

    def folders(self, path: str) -> list[str]:
        """Return the names of a folder's own folders, in no order."""

    def tree(self, path: str) -> Iterator[Kept]:
        """Yield every file below a folder, hidden ones as well."""

    def make(self, path: str) -> None:
        """Make a folder, with those above it, where the store has any."""

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all in it; do nothing where there is none."""

    def unlink(self, path: str) -> None:
        """Remove a file; do nothing where there is none."""

    def tag(self, path: str) -> str | None:
        """Return a tag that changes with a file's content; None where there is no file."""

    def create(self, path: str, content: bytes) -> str:
        """Write a file unless it is there (FileExistsError), and return its tag; of several writers one wins."""

    def replace(self, path: str, content: bytes, tag: str) -> str:
        """Replace a file that still has a tag (else StaleError); of several writers one wins. Return its new tag."""

    def filesystem(self) -> fs.FileSystem:
        """Return the store as a file system of Arrow."""
