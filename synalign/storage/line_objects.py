"""Lines of a log in object storage: immutable objects, one per write, each there as a whole or not at all.

Nothing is renamed, appended to or replaced. Whoever opens a log folds many small objects into one: the new object is
there before the old ones are deleted, so that at any moment every line is in at least one of them.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar

from synalign.storage.place import Place
from synalign.storage.secrets import plain

log = logging.getLogger("synalign")

FOLDED_FROM = 64
"""So many objects, for a shared log small ones, are folded."""

LARGEST = 4 * 2**20
"""Most bytes of an object that a shared log writes, unless one line is larger."""

_SMALL = 2**20
_NUMBERED = re.compile(r"(\d{8})(\.whole)?\.jsonl", re.ASCII)
_THREADS = 16
_LISTINGS = 10
_Found = TypeVar("_Found")


class _Objects:
    """Objects of a log; one that was put stays, so that there is nothing to sync or to release."""

    immediate = False

    def __init__(self, place: Place) -> None:
        self._place = place

    def sync(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class NumberedObjects(_Objects):
    """Objects of a log that one process at a time appends to.

        <place>/00000007.jsonl          lines that were written together
        <place>/00000064.whole.jsonl    all lines up to that number; the objects before it are stale

    A number is taken once, under the condition that it is free, so that a process that lost its turn cannot add to what
    another goes on with.

    Args:
        place: The folder of the objects.
    """

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self._number = 0
        # Lines of a write whose answer never came: the object may be there or not.
        self._unsure = b""

    def open(self) -> Iterator[tuple[str, bytes]]:
        """Yield all lines, under the name of the folder."""
        named = [(_NUMBERED.fullmatch(place.name), place) for place in self._place.files()]
        found = [(int(match[1]), match[2] is not None, place) for match, place in named if match]
        whole = max((number for number, is_whole, _ in found if is_whole), default=0)
        parts = sorted(part for part in found if part[0] > whole or (part[0] == whole and part[1]))
        self._number = max((number for number, *_ in found), default=0)
        content = b"".join(_each(Place.read_bytes, (place for *_, place in parts)))
        if len(parts) >= FOLDED_FROM:
            # One more number, which no other process takes.
            self._number += 1
            (self._place / f"{self._number:08d}.whole.jsonl").create(content)
            whole = self._number
        _each(Place.unlink, (place for number, is_whole, place in found if (number, is_whole) < (whole, True)))
        yield str(self._place), content

    def write(self, lines: bytes) -> None:
        """Put lines as the next object. What an earlier call may have put is sent again as it was: storage knows it."""
        for part in (lines[: len(self._unsure)], lines[len(self._unsure) :]):
            if part:
                self._unsure = part
                (self._place / f"{self._number + 1:08d}.jsonl").create(part)
                self._number += 1
                self._unsure = b""


class SharedObjects(_Objects):
    """Objects `<stem>-<writer>-<number>.jsonl` of a log that several processes append to; no two meet in a name.

    Args:
        place: The folder of the objects.
        stem: Begins their names.
    """

    def __init__(self, place: Place, stem: str) -> None:
        super().__init__(place)
        self._stem = stem
        self._writer = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:12]}"
        self._count = 0

    def probe(self) -> bool:
        """Put an object and delete it.

        Returns:
            Whether it could be deleted.

        Raises:
            OSError: It could not be put.
        """
        place = self._put(b"")
        try:
            place.unlink()
        except OSError as error:
            log.info("%s stays unfolded: %s", self._place, plain(error))
            return False
        return True

    def open(self) -> Iterator[tuple[str, bytes]]:
        """Yield the name and the lines of each object; when the caller has taken all, small ones are folded."""
        # A storage that takes no object shows before anything is paid for.
        may_delete = self.probe()
        contents = self._contents()
        for place, content in sorted(contents.items()):
            # Nothing tears an object: an end in mid-line is damage, to be met as a damaged line.
            yield str(place), content if content.endswith(b"\n") or not content else content + b"\n"
        small = {place: content for place, content in contents.items() if len(content) < _SMALL}
        if len(small) >= FOLDED_FROM and may_delete:
            self.write(b"".join(content for _, content in sorted(small.items())))
            _each(Place.unlink, sorted(small))

    def write(self, lines: bytes) -> None:
        """Put lines as a new object, or as several when they are many megabytes."""
        for part in _parts(lines):
            self._put(part)

    def _put(self, content: bytes) -> Place:
        place = self._place / f"{self._stem}-{self._writer}-{self._count:06d}.jsonl"
        # Counted even if the put fails: the object may be there all the same.
        self._count += 1
        place.write_bytes(content)
        return place

    def _contents(self) -> dict[Place, bytes]:
        """Return every object with its content. Where another process folds meanwhile, list them again."""
        contents: dict[Place, bytes] = {}
        for _ in range(_LISTINGS):
            missing = [place for place in self._place.files(f"{self._stem}-*.jsonl") if place not in contents]
            if not missing:
                return contents
            found = zip(missing, _each(_read, missing), strict=True)
            contents.update((place, content) for place, content in found if content is not None)
        raise OSError(f"the objects in {self._place} changed all the time while they were read")


def _read(place: Place) -> bytes | None:
    try:
        return place.read_bytes()
    except FileNotFoundError:
        return None


def _each(work: Callable[[Place], _Found], places: Iterable[Place]) -> list[_Found]:
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(work, places))


def _parts(lines: bytes) -> Iterator[bytes]:
    """Yield whole lines in parts of at most `LARGEST` bytes, or of one line that is larger."""
    while lines:
        end = lines.rfind(b"\n", 0, LARGEST) + 1 or lines.find(b"\n") + 1 or len(lines)
        yield lines[:end]
        lines = lines[end:]
