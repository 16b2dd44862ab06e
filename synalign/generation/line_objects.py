"""Lines in object storage, to which one process at a time appends: numbered objects instead of one growing file.

    <place>/00000007.jsonl          lines that were written together
    <place>/00000064.whole.jsonl    all lines up to that number; those before it are rubbish

Nothing is appended to or replaced: a number is taken once, under the condition that nobody has it, so that a process
which lost its turn cannot add to what another goes on with.
"""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

from synalign.errors import StorageError
from synalign.storage import Place

_PART = re.compile(r"(\d{8})(\.whole)?\.jsonl", re.ASCII)
_FOLDED_FROM = 64
_PUT_AFTER = 2.0
_THREADS = 16


class LineObjects:
    """The same as `line_file.LineFile`, in object storage.

    A line survives a kill when `sync` has returned; without one it is written a few seconds later.

    Args:
        path: Where the objects lie.

    Attributes:
        path: The same.
        lines: Lines that were there, without their ends.

    Raises:
        StorageError: It cannot be read or written.
    """

    def __init__(self, path: Place) -> None:
        self.path = path
        self._waiting: list[bytes] = []
        self._sending: bytes | None = None
        self._adding, self._putting = threading.Lock(), threading.Lock()
        self._put_at = time.monotonic()
        self._later: Future[None] | None = None
        try:
            self.lines = self._read()
        except OSError as error:
            raise self._unusable(error) from error
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="lines")

    def append(self, line: bytes) -> None:
        """Add a line, given without its end.

        Raises:
            StorageError: An earlier one could not be written.
        """
        with self._adding:
            self._waiting.append(line)
        if self._later is not None and self._later.done():
            later, self._later = self._later, None
            later.result()
        if self._later is None and time.monotonic() - self._put_at >= _PUT_AFTER:
            # Not here: the event loop must not wait for storage.
            self._later = self._pool.submit(self.sync)

    def sync(self) -> None:
        """Return when all lines are written. May be called from another thread.

        Raises:
            StorageError: Storage refuses.
        """
        with self._putting:
            try:
                # What nobody knows to be written is sent once more as it was: the same bytes are known again.
                if self._sending is not None:
                    self._put()
                with self._adding:
                    lines, self._waiting = self._waiting, []
                if lines:
                    self._sending = b"".join(line + b"\n" for line in lines)
                    self._put()
            except OSError as error:
                raise self._unusable(error) from error

    def close(self) -> None:
        """Write what waits.

        Raises:
            StorageError: Storage refuses.
        """
        self._pool.shutdown()
        self.sync()

    def _put(self) -> None:
        assert self._sending is not None
        (self.path / f"{self._number + 1:08d}.jsonl").create(self._sending)
        self._number += 1
        self._sending = None
        self._put_at = time.monotonic()

    def _read(self) -> list[bytes]:
        found = [(int(match[1]), match[2] is not None, place) for match, place in self._parts()]
        whole = max((number for number, is_whole, _ in found if is_whole), default=0)
        parts = sorted(part for part in found if part[0] > whole or (part[0] == whole and part[1]))
        self._number = max((number for number, *_ in found), default=0)
        with ThreadPoolExecutor(_THREADS) as pool:
            content = b"".join(pool.map(lambda part: part[2].read_bytes(), parts))
        if len(parts) >= _FOLDED_FROM:
            # One more number, which nobody else takes: what was folded is there before the parts go.
            self._number += 1
            (self.path / f"{self._number:08d}.whole.jsonl").create(content)
            whole = self._number
        for number, is_whole, place in found:
            if number < whole or (number == whole and not is_whole):
                place.remove()
        return content.split(b"\n")[:-1]

    def _parts(self) -> list[tuple[re.Match[str], Place]]:
        named = [(_PART.fullmatch(place.name), place) for place in self.path.files()]
        return [(match, place) for match, place in named if match]

    def _unusable(self, error: OSError) -> StorageError:
        return StorageError(
            f"{self.path} cannot be used: {error}.",
            cause="object storage cannot be reached, or another process took the run over",
            remedy="check the storage and the keys, and run the step again",
        )
