"""An address that machines share: a file or a folder, on a file system or in object storage."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from fnmatch import fnmatchcase
from functools import total_ordering
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from pyarrow import fs

from synalign.errors import ArgumentError, ConfigurationError
from synalign.storage import clouds, objects
from synalign.storage.files import DRAFTS, FILES
from synalign.storage.store import Kept, Store

SCHEME = "s3://"
_NAMES = {SCHEME: objects.BUCKET, **clouds.NAMES}
SCHEMES = tuple(_NAMES)
"""Begin the addresses of object storage."""

_FILE_SCHEME = "file://"
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.ASCII | re.IGNORECASE)
# What would mean something else in a URL, and what no name should have.
_NOT_IN_A_KEY = re.compile(r"[?#\x00-\x1f\x7f\\]")
_NOT_IN_A_NAME = re.compile(r"[\x00-\x1f\x7f\\]")
_SHOWN = 80


@total_ordering
class Place:
    """A place in storage. Immutable, hashable and picklable; nothing is looked up before a method is called.

    Names are pathlib's where pathlib has them. All methods raise OSError, or one of its kinds, where storage refuses.

    Args:
        address: A path, `file:///path`, `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix` or
            `abfss://container@account.dfs.core.windows.net/prefix`. Relative paths begin at the working directory.

    Raises:
        ConfigurationError: It is none of them, or holds credentials or options.

    Examples:
        >>> place = Place("s3://bucket/runs") / "shop"
        >>> str(place), place.name, str(place.parent), place.local
        ('s3://bucket/runs/shop', 'shop', 's3://bucket/runs', None)
    """

    __slots__ = ("_text",)
    _text: str

    def __init__(self, address: str | os.PathLike[str] | Place) -> None:
        if isinstance(address, Place):
            self._text = address._text
        else:
            self._text = _normal(address) if isinstance(address, str) else _path(os.fspath(address))

    def __truediv__(self, name: str) -> Place:
        """Return a place below this one; the name may have several parts, and none of them leads out of here.

        Raises:
            ArgumentError: It is empty or absolute, or has a part that is `.` or `..`, or a character that no name of
                ours has.
        """
        if _NOT_IN_A_NAME.search(name) or {"", ".", ".."} & set(name.split("/")):
            rule = "must be a relative path without `.`, `..`, empty parts, backslashes or control characters"
            raise ArgumentError("name", name[:_SHOWN], rule)
        return _made(self._text.rstrip("/") + "/" + name)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Place({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and self._text == other._text

    def __lt__(self, other: Place) -> bool:
        return self._text < other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (self._text,)

    def __fspath__(self) -> str:
        if self._text.startswith(SCHEMES):
            raise TypeError(f"{self} is in object storage: it has no path; use its own methods or filesystem()")
        return self._text

    @property
    def local(self) -> Path | None:
        """Return the path on this machine's file system; None in object storage."""
        return None if self._text.startswith(SCHEMES) else Path(self._text)

    @property
    def name(self) -> str:
        """Return the last part of the address."""
        return self._text.rsplit("/", 1)[1]

    @property
    def parent(self) -> Place:
        """Return the folder it lies in; a bucket, or the root of a file system, is its own."""
        if self.local is None and "/" not in self._text.partition("://")[2]:
            return self
        return _made(self._text.rsplit("/", 1)[0] or "/")

    @property
    def uri(self) -> str:
        """Return the address for a browser or another program: `file:///...`, `s3://...` and the like."""
        local = self.local
        return self._text if local is None else local.as_uri()

    def read_bytes(self) -> bytes:
        """Return the content; FileNotFoundError where there is nothing."""
        store, path = self._in()
        return store.read(path)

    def read_text(self) -> str:
        """Return the content as UTF-8 text; FileNotFoundError where there is nothing."""
        return self.read_bytes().decode("utf-8")

    def write_bytes(self, content: bytes) -> None:
        """Write it as a whole: whoever reads meanwhile sees what was there before, or all of this."""
        store, path = self._in()
        store.write(path, content)

    def write_text(self, content: str) -> None:
        """Write text in UTF-8, as a whole."""
        self.write_bytes(content.encode("utf-8"))

    def open_input(self) -> Any:
        """Open a binary stream, to be closed or used as a context."""
        store, path = self._in()
        return store.open_input(path)

    def open_output(self) -> AbstractContextManager[IO[bytes]]:
        """Open a binary stream as a context; the file is there, as a whole, once the context ends without an error."""
        store, path = self._in()
        return store.open_output(path)

    def exists(self) -> bool:
        """Return whether a file or a folder is there; in object storage a folder is there when anything is in it."""
        store, path = self._in()
        return store.holds(path)

    def is_file(self) -> bool:
        """Return whether a file is there."""
        store, path = self._in()
        return store.size(path) is not None

    def size(self) -> int:
        """Return the bytes of a file; FileNotFoundError where there is none."""
        store, path = self._in()
        size = store.size(path)
        if size is None:
            raise FileNotFoundError(f"{self} is not there")
        return size

    def files(self, pattern: str = "*") -> list[Place]:
        """Return its own files, by name; hidden ones only where the pattern begins with a dot."""
        store, path = self._in()
        return self._below(store.files(path), pattern)

    def folders(self, pattern: str = "*") -> list[Place]:
        """Return its own folders, by name; hidden ones only where the pattern begins with a dot."""
        store, path = self._in()
        return self._below(store.folders(path), pattern)

    def tree(self) -> Iterator[tuple[Place, int]]:
        """Yield every file below it with its size in bytes, hidden ones as well, in no order."""
        store, path = self._in()
        for kept in store.tree(path):
            yield self._with(kept), kept.size

    def make(self) -> None:
        """Make the folder, and those above it; object storage has none to make."""
        store, path = self._in()
        store.make(path)

    def clear_drafts(self) -> None:
        """Remove what killed writers left in the folder itself; a writer at work loses its file, and fails."""
        for draft in self.files(DRAFTS):
            draft.remove()

    def remove(self) -> None:
        """Remove the file, or the folder with all in it; nothing is wrong where there is none."""
        store, path = self._in()
        store.remove(path)

    def unlink(self) -> None:
        """Remove the file in one request; nothing is wrong where there is none."""
        store, path = self._in()
        store.unlink(path)

    def tag(self) -> str | None:
        """Return a tag that changes with the content, for `replace`; None where there is nothing."""
        store, path = self._in()
        return store.tag(path)

    def create(self, content: bytes) -> str:
        """Write it if nothing is there; of several that try at once one wins.

        Returns:
            Its tag.

        Raises:
            FileExistsError: Something is there.
        """
        store, path = self._in()
        return store.create(path, content)

    def replace(self, content: bytes, tag: str) -> str:
        """Write it if what is there still has a tag; of several that try at once one wins.

        Returns:
            Its new tag.

        Raises:
            StaleError: It has another tag, or is gone.
        """
        store, path = self._in()
        return store.replace(path, content, tag)

    def filesystem(self) -> tuple[fs.FileSystem, str]:
        """Return a file system and a path for Arrow: `pq.read_table(path, filesystem=filesystem)`."""
        store, path = self._in()
        if self.local is not None:
            return store.filesystem(), path
        return store.filesystem(), self._text.partition("://")[2]

    def _in(self) -> tuple[Store, str]:
        if self.local is not None:
            return FILES, self._text
        scheme, _, rest = self._text.partition("://")
        bucket, _, key = rest.partition("/")
        return objects.bucket(bucket) if f"{scheme}://" == SCHEME else clouds.container(f"{scheme}://", bucket), key

    def _below(self, names: list[str], pattern: str) -> list[Place]:
        hidden = pattern.startswith(".")
        found = [name for name in names if fnmatchcase(name, pattern) and (hidden or not name.startswith("."))]
        return sorted(_made(self._text.rstrip("/") + "/" + name) for name in found)

    def _with(self, kept: Kept) -> Place:
        if self.local is not None:
            return _made(kept.path)
        scheme, _, rest = self._text.partition("://")
        return _made(f"{scheme}://{rest.partition('/')[0]}/{kept.path}")


def _made(text: str) -> Place:
    """Return a place whose address is known to be valid, or was listed."""
    place = Place.__new__(Place)
    place._text = text
    return place


def _normal(address: str) -> str:
    if address.startswith(SCHEMES):
        return _object(address)
    if address.startswith(_FILE_SCHEME):
        url = urlsplit(address)
        if url.netloc not in ("", "localhost") or url.query or url.fragment:
            raise _unknown()
        return _path(unquote(url.path))
    if _URL.match(address):
        raise _unknown()
    return _path(address)


def _object(address: str) -> str:
    scheme = next(scheme for scheme in SCHEMES if address.startswith(scheme))
    bucket, _, key = address.removeprefix(scheme).rstrip("/").partition("/")
    parts = key.split("/") if key else []
    if not _NAMES[scheme].fullmatch(bucket) or _NOT_IN_A_KEY.search(key) or {"", ".", ".."} & set(parts):
        raise _unknown()
    return scheme + "/".join([bucket, *parts])


def _path(path: str) -> str:
    if not path or "\0" in path:
        raise ArgumentError("path", path, "must be a path without NUL")
    return os.path.abspath(os.path.expanduser(path))


def _unknown() -> ConfigurationError:
    # Not shown: it may hold a key.
    return ConfigurationError(
        "an address in storage must be a path, file:///path or s3://bucket/prefix, or one of gs://, az:// or abfss://.",
        cause="another kind of storage, credentials or options in the URL, or a part that is empty, `.` or `..`",
        remedy="for example s3://search-team/synalign, gs://search-team/synalign or "
        "abfss://synalign@searchteam.dfs.core.windows.net/runs; keys go into the cloud's own variables, such as "
        "AWS_ACCESS_KEY_ID",
    )
