"""Forgetting in response journals: answers that quote the query, and answers to prompts that showed it.

A part of a journal is replaced, never edited: what stays is written as a new part, and then the old one is emptied (a
file, which another process may have open) or removed (an object). A kill in between leaves answers twice, which a
journal reads once.
"""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from synalign.errors import BusyError
from synalign.generation.journal import PARTS
from synalign.querylog.trace import Trace
from synalign.storage import Place
from synalign.tables import content_id


class Shown(NamedTuple):
    """A request whose prompt showed the query.

    Attributes:
        kind: `reason` or `write`.
        batch_id: Its batch of demonstrations.
        request_id: Its id in the table `requests`, which is made of kind, batch and the key of its journal entry.
    """

    kind: str
    batch_id: str
    request_id: str


def forget(journal: str, shown: Iterable[Shown], trace: Trace, *, dry: bool) -> int:
    """Take answers out of a journal.

    Args:
        journal: Its place: a folder or `s3://bucket/prefix`.
        shown: Requests whose answers go whatever they say.
        trace: What is forgotten.
        dry: Only count.

    Returns:
        How many answers went, or would.

    Raises:
        BusyError: Another process writes to it.
        OSError: Storage refuses.
    """
    place, requests, count = Place(journal), list(shown), 0

    def goes(line: bytes) -> bool:
        return _goes(line, requests, trace)

    if not dry:
        # Of forgetting that was killed: generation appends.
        place.clear_drafts()
    for part in place.files(f"{PARTS}*.jsonl"):
        with _alone(part, dry):
            found = sum(map(goes, _lines(part)))
            if found and not dry:
                _replace(part, goes)
        count += found
    return count


def _goes(line: bytes, shown: list[Shown], trace: Trace) -> bool:
    if not shown and not trace.may_be_in(line):
        return False
    try:
        entry = json.loads(line)
        key, answer = str(entry["key"]), str(entry["answer"])
    except (ValueError, TypeError, KeyError, RecursionError):
        # Damage, which the journal refuses by itself; a query in it is one all the same.
        return trace.in_(line.decode("utf-8", "replace"))
    if any(content_id(one.kind, one.batch_id, key) == one.request_id for one in shown):
        return True
    return trace.may_be_in(line) and trace.in_json(answer)


def _lines(part: Place) -> Iterator[bytes]:
    """Yield whole lines, with their ends; a torn last line is a write that never ended, and is skipped."""
    rest = b""
    with part.open_input() as stream:
        while block := bytes(stream.read(2**20)):
            *lines, rest = (rest + block).split(b"\n")
            yield from (line + b"\n" for line in lines)


def _replace(part: Place, goes: Callable[[bytes], bool]) -> None:
    fresh = part.parent / f"{PARTS}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:12]}-000000.jsonl"
    with fresh.open_output() as stream:
        for line in _lines(part):
            if not goes(line):
                stream.write(line)
    if part.local is None:
        part.remove()
    else:
        with open(part.local, "rb+") as file:
            file.truncate(0)
            os.fsync(file.fileno())


@contextmanager
def _alone(part: Place, dry: bool) -> Iterator[None]:
    """Keep others from appending to a file; objects are never appended to."""
    if dry or part.local is None:
        yield
        return
    with open(Path(part), "rb+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(
                f"{part} is being written by another process.", remedy="wait for its step to end, and run again"
            ) from error
        yield
