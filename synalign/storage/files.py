"""Places on a file system: whole files by a draft and a rename, conditions under a lock."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from pyarrow import fs

from synalign.storage.store import Kept, StaleError, Store

DRAFTS = ".*.draft"
"""Files that a killed writer leaves. A hidden name never counts."""


class _Files:
    """This machine's files, and what is mounted among them. See `Store` for the methods."""

    def read(self, path: str) -> bytes:
        return Path(path).read_bytes()

    def open_input(self, path: str) -> IO[bytes]:
        return open(path, "rb")

    @contextmanager
    def open_output(self, path: str) -> Iterator[IO[bytes]]:
        place = Path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}.draft")
        try:
            with open(draft, "xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, place)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        sync(place.parent)

    def write(self, path: str, content: bytes) -> None:
        with self.open_output(path) as file:
            file.write(content)

    def size(self, path: str) -> int | None:
        place = Path(path)
        try:
            return place.stat().st_size if place.is_file() else None
        except FileNotFoundError:
            return None

    def holds(self, path: str) -> bool:
        return os.path.exists(path)

    def files(self, path: str) -> list[str]:
        return self._names(path, folders=False)

    def folders(self, path: str) -> list[str]:
        return self._names(path, folders=True)

    def tree(self, path: str) -> Iterator[Kept]:
        for folder, _, names in os.walk(path):
            for name in names:
                with suppress(FileNotFoundError):
                    yield Kept(os.path.join(folder, name), os.lstat(os.path.join(folder, name)).st_size)

    def make(self, path: str) -> None:
        os.makedirs(path, exist_ok=True)

    def remove(self, path: str) -> None:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, onerror=_unless_gone)
            return
        self.unlink(path)

    def unlink(self, path: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(path)

    def tag(self, path: str) -> str | None:
        try:
            return hashlib.sha256(self.read(path)).hexdigest()
        except FileNotFoundError:
            return None

    def create(self, path: str, content: bytes) -> str:
        with _alone(path):
            if os.path.lexists(path):
                raise FileExistsError(f"{path} is there already")
            self.write(path, content)
        return hashlib.sha256(content).hexdigest()

    def replace(self, path: str, content: bytes, tag: str) -> str:
        with _alone(path):
            if self.tag(path) != tag:
                raise StaleError(f"{path} was changed by another process")
            self.write(path, content)
        return hashlib.sha256(content).hexdigest()

    def filesystem(self) -> fs.FileSystem:
        return fs.LocalFileSystem()

    @staticmethod
    def _names(path: str, *, folders: bool) -> list[str]:
        try:
            with os.scandir(path) as entries:
                # What a link leads to lies elsewhere, and may be anything.
                return [
                    entry.name
                    for entry in entries
                    if (entry.is_dir(follow_symlinks=False) if folders else entry.is_file(follow_symlinks=False))
                ]
        except (FileNotFoundError, NotADirectoryError):
            return []


FILES: Store = _Files()


def _unless_gone(call: object, path: str, failed: tuple[type[BaseException], BaseException, object]) -> None:
    """Go on where somebody else removed an entry first, such as a writer its own draft; raise anything else."""
    if not isinstance(failed[1], FileNotFoundError):
        raise failed[1]


@contextmanager
def _alone(path: str) -> Iterator[None]:
    """Keep others from changing a file conditionally. The lock is another file, since the file itself is replaced."""
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(place.with_name(f".{place.name}.lock"), "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def sync(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
