"""How far Spark is, asked by a thread of the driver.

Spark itself counts tasks that have ended (`tasks`). Where a task works for minutes, it says meanwhile how far it is by
a small file in a folder that it shares with the driver (`Tally` there, `tallied` here): accumulators would only arrive
with its end.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from py4j.protocol import Py4JError
from pyspark import TaskContext

from synalign.progress import progress
from synalign.storage import Place

if TYPE_CHECKING:
    from pyspark import StatusTracker
    from pyspark.sql import SparkSession

LOOK_SECONDS = 0.5
"""Time between two looks, and between two words of a task."""


@contextmanager
def tasks(spark: SparkSession, step: str, what: str) -> Iterator[None]:
    """Show Spark's tasks that end while the block runs. Spark plans as it goes: their total may still grow.

    Args:
        spark: The session.
        step: The step it works for.
        what: What they do: `reading`.
    """
    count = _Tasks(spark.sparkContext.statusTracker())
    with progress(step, None, f"tasks of {what}") as advance:

        def look() -> None:
            done, total = count.look()
            if total:
                advance.total = total
                advance.reach(done)

        with _looking(look):
            yield


@contextmanager
def tallied(folder: Place, step: str, total: int, unit: str) -> Iterator[None]:
    """Show what tasks with a `Tally` in this folder have done while the block runs.

    Object storage is no place for words that are written twice a second: there only the end is shown.

    Args:
        folder: Shared with the workers; made here, and removed at the end.
        step: The step it works for.
        total: How many there are to do.
        unit: What is counted, in the plural.
    """
    shared = folder.local
    if shared is not None:
        shared.mkdir(parents=True, exist_ok=True)
    try:
        with progress(step, total, unit) as advance, _looking(lambda: advance.reach(_sum(shared))):
            yield
            advance.reach(total)
    finally:
        if shared is not None:
            shutil.rmtree(shared, ignore_errors=True)


class Tally:
    """Count of what one task has done; made and used in the task.

    Args:
        folder: That of `tallied`.
    """

    def __init__(self, folder: Place) -> None:
        context = TaskContext.get()
        # A task that is tried again starts to count again, in the same file.
        name = f"{context.partitionId() if context else 0}"
        self._file = folder.local / name if folder.local is not None else None
        self._done, self._next = 0, time.monotonic() + LOOK_SECONDS

    def add(self, count: int) -> None:
        """Count some more."""
        self._done += count
        now = time.monotonic()
        if self._file is not None and now >= self._next:
            self._next = now + LOOK_SECONDS
            # Nobody's work may fail for want of a word about it: the driver may be gone already.
            with suppress(OSError):
                self._file.write_text(str(self._done))


class _Tasks:
    """Tasks of the jobs that began after this was made."""

    def __init__(self, tracker: StatusTracker) -> None:
        self._tracker = tracker
        self._before = set(tracker.getJobIdsForGroup())
        self._ended: dict[int, int] = {}

    def look(self) -> tuple[int, int]:
        """How many have ended, and how many there are as far as Spark has planned."""
        done = total = 0
        for job in set(self._tracker.getJobIdsForGroup()) - self._before - self._ended.keys():
            some, of, running = self._job(job)
            if running:
                done, total = done + some, total + of
            else:
                self._ended[job] = some
        earlier = sum(self._ended.values())
        return earlier + done, earlier + total

    def _job(self, job: int) -> tuple[int, int, bool]:
        """Tasks of a job that have ended, all of them, and whether it runs; skipped stages have none in the end."""
        about = self._tracker.getJobInfo(job)
        if about is None:
            return 0, 0, False
        stages = [stage for id in about.stageIds if (stage := self._tracker.getStageInfo(id)) is not None]
        done = sum(stage.numCompletedTasks for stage in stages)
        return done, sum(stage.numTasks for stage in stages), about.status == "RUNNING"


def _sum(folder: Path | None) -> int:
    """Return how much all tasks have done. A file that is being written may be empty for a moment."""
    total = 0
    for file in folder.iterdir() if folder is not None else ():
        with suppress(OSError, ValueError):
            total += int(file.read_text())
    return total


@contextmanager
def _looking(look: Callable[[], None]) -> Iterator[None]:
    """Look again and again, in a thread, while the block runs."""
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(LOOK_SECONDS):
            # A session that is being stopped answers no more, and a folder may be gone.
            with suppress(Py4JError, OSError):
                look()

    thread = threading.Thread(target=run, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
