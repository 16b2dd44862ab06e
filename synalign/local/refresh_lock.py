"""One refresh of an interval at a time on a machine: a second one is refused before it touches anything.

`airflow dags test` begins by deleting the DAG run of the same date, whoever works on it. The lock is the operating
system's: it is free however its holder ends. A holder that was killed may leave processes behind; they carry the
lock's path in their environment, and whoever takes the lock next ends them first.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from synalign import config
from synalign.config import Configuration
from synalign.errors import BusyError
from synalign.local import services
from synalign.processes import ending
from synalign.run import Interval
from synalign.storage.home_lock import opened

VARIABLE = "SYNALIGN_REFRESH"
"""Environment variable of every process of a refresh: the path of its lock."""


@contextmanager
def alone(configuration: Configuration, interval: Interval, say: Callable[[str], None]) -> Iterator[Path]:
    """Hold the interval that a refresh covers.

    Args:
        configuration: Of the retriever.
        interval: What the refresh covers.
        say: Called with lines meant for people.

    Yields:
        The lock's file, the value of `VARIABLE` for every process that the refresh starts.

    Raises:
        BusyError: Another refresh of it is running; it is not disturbed.
        SetupError: The lock's file cannot be made.
    """
    path = config.home() / "locks" / f"refresh-{configuration.retriever}-{interval.name}"
    with opened(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _busy(configuration.retriever, interval, os.pread(file, 200, 0).decode(errors="replace")) from None
        _require_no_run_of_airflow(configuration.retriever, interval)
        os.ftruncate(file, 0)
        os.pwrite(file, f"pid {os.getpid()}, since {datetime.now():%Y-%m-%d %H:%M:%S}".encode(), 0)
        left = ending.carrying(VARIABLE, str(path))
        if left:
            say(f"ending {len(left)} processes that an earlier refresh left behind when it was killed")
            ending.end_orphans(left)
        yield path


def _require_no_run_of_airflow(retriever: str, interval: Interval) -> None:
    """Refuse an interval that the Airflow of `synalign up` works on.

    Raises:
        BusyError: It does.
    """
    if not services.scheduling():
        return
    query = (
        "SELECT run_id FROM dag_run WHERE dag_id = ? AND state IN ('running', 'queued') "
        "AND upper(triggered_by) != 'TEST' AND data_interval_end LIKE ?"
    )
    database = config.home() / "airflow" / "airflow.db"
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as connection:
            asked = (f"refresh__{retriever}", f"{interval.end:%Y-%m-%d %H:%M:%S}%")
            found = connection.execute(query, asked).fetchone()
    except sqlite3.Error:
        # Airflow itself says what is wrong with its database.
        return
    if found is not None:
        raise BusyError(
            f"Airflow works on the refresh of {retriever}, {interval.name}: run {found[0]}.",
            cause="`synalign up` started Airflow on this machine, and it runs the same interval",
            remedy="wait for that run, or end it in Airflow; then run the same command again",
        )


def _busy(retriever: str, interval: Interval, holder: str) -> BusyError:
    return BusyError(
        f"a refresh of {retriever}, {interval.name}, is running already ({holder or 'it has just begun'}).",
        cause="the same command was started twice; the first one goes on undisturbed",
        remedy="wait until it has ended, or press Ctrl-C where it runs; then run the same command again",
    )
