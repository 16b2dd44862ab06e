"""How far Spark is, looked at by a thread of the driver.

Spark itself counts tasks that have ended (`tasks`). Where a task works for minutes, it tells meanwhile how far it is by
a small file in a folder that it shares with the driver (`tally` there, `tallied` here): accumulators would only arrive
with its end.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JError
from pyspark import TaskContext

from synalign.arrays.tally import NOBODY, Tally
from synalign.progress import LOOK_SECONDS, progress, watched
from synalign.spark.remote import is_remote
from synalign.storage import Place

if TYPE_CHECKING:
    from pyspark import StatusTracker
    from pyspark.sql import SparkSession


@contextmanager
def tasks(spark: SparkSession, step: str, what: str) -> Iterator[None]:
    """Show Spark's tasks that end while the block runs. Spark plans as it goes: their total may still grow.

    Args:
        spark: The session.
        step: The step it works for.
        what: What they do: `reading`.
    """
    count: _Tasks | _Stages = _Stages() if is_remote(spark) else _Tasks(spark.sparkContext.statusTracker())
    with progress(step, None, f"tasks of {what}") as advance, count.watching(spark):

        def look() -> None:
            # A session that is being stopped answers no more.
            with suppress(Py4JError):
                done, total = count.look()
                if total:
                    advance.total = total
                    advance.reach(done)

        with watched(look):
            yield


@contextmanager
def tallied(folder: Place, step: str, total: int, unit: str) -> Iterator[None]:
    """Show what tasks with a `tally` in this folder have done while the block runs.

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
        with progress(step, total, unit) as advance, watched(lambda: advance.reach(_sum(shared))):
            yield
            advance.reach(total)
    finally:
        if shared is not None:
            shutil.rmtree(shared, ignore_errors=True)


def tally(folder: Place) -> Tally:
    """Return what counts the work of one task; called in the task.

    Args:
        folder: That of `tallied`.
    """
    if folder.local is None:
        return NOBODY
    context = TaskContext.get()
    # A task that is tried again starts to count again, in the same file.
    file = folder.local / f"{context.partitionId() if context else 0}"
    free = time.monotonic() + LOOK_SECONDS

    def report(unit: str, done: int, total: int | None) -> None:
        nonlocal free
        if (now := time.monotonic()) >= free:
            free = now + LOOK_SECONDS
            # Nobody's work may fail for want of a word about it: the driver may be gone already.
            with suppress(OSError):
                file.write_text(str(done))

    return Tally(report, "", None)


class _Tasks:
    """Tasks of the jobs that began after this was made."""

    def __init__(self, tracker: StatusTracker) -> None:
        self._tracker = tracker
        self._before = set(tracker.getJobIdsForGroup())
        self._ended: dict[int, int] = {}

    @contextmanager
    def watching(self, spark: SparkSession) -> Iterator[None]:
        """Do nothing: the tracker is asked."""
        yield

    def look(self) -> tuple[int, int]:
        """Count those that have ended, and all as far as Spark has planned."""
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


class _Stages:
    """Tasks of the stages that a Spark Connect server tells of."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, int], tuple[int, int]] = {}

    @contextmanager
    def watching(self, spark: SparkSession) -> Iterator[None]:
        """Listen to the server while the block runs."""

        def hear(stages: Iterable[Any] | None, operation_id: str | None, **_: Any) -> None:
            for stage in stages or ():
                self._found[operation_id or "", stage.stage_id] = stage.num_completed_tasks, stage.num_tasks

        spark.registerProgressHandler(hear)
        try:
            yield
        finally:
            spark.removeProgressHandler(hear)

    def look(self) -> tuple[int, int]:
        """Count those that have ended, and all as far as Spark has planned."""
        found = list(self._found.values())
        return sum(done for done, _ in found), sum(total for _, total in found)


def _sum(folder: Path | None) -> int:
    """Add up what all tasks have done. A file that is being written may be empty for a moment."""
    total = 0
    for file in folder.iterdir() if folder is not None else ():
        with suppress(OSError, ValueError):
            total += int(file.read_text())
    return total
