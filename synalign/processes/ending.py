"""Ending what a process started, so that each may leave things in order, and then that process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from types import FrameType

import psutil

PATIENCE_SECONDS = 30.0
"""Time that processes have to end by themselves."""

_STEP_SECONDS, _KILL_SECONDS = 0.1, 10.0


def end_children(process: subprocess.Popen[str], patience: float = PATIENCE_SECONDS) -> None:
    """Ask all that a process started to end (SIGTERM), kill what has not when patience is over, then the process.

    The process itself is stopped first, so that it neither starts anything else, as a scheduler does that tries a task
    again, nor draws conclusions from how its children ended. Being interrupted meanwhile kills what is left at once.

    Args:
        process: A child of this process, which loses nothing by being killed. Its descendants may have sessions of
            their own.
        patience: Seconds.
    """
    if process.poll() is not None:
        return
    try:
        _end_below({psutil.Process(process.pid)}, patience)
    finally:
        process.kill()
        process.wait()


def end_orphans(found: set[psutil.Process], patience: float = PATIENCE_SECONDS) -> None:
    """End processes whose parent was killed, and all that they started, as `end_children` does.

    Args:
        found: All that the killed process started; those that started others lose nothing by being killed.
        patience: Seconds.
    """
    ids = {one.pid for one in found}
    roots = set()
    for one in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            if one.ppid() not in ids:
                roots.add(one)
    # A root that started nothing is a job, and is asked to end; a scheduler is stopped first.
    parents = {one for one in roots if any(_parent(other) == one.pid for other in found)}
    try:
        _end_below(parents, patience, also=roots - parents)
    finally:
        for one in parents:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(list(parents), timeout=_KILL_SECONDS)


def end_descendants(patience: float = PATIENCE_SECONDS) -> None:
    """End all that this process started: asked first (SIGTERM), killed when patience is over."""
    _end_below(set(), patience, also=set(psutil.Process().children(recursive=True)))


def carrying(variable: str, value: str) -> set[psutil.Process]:
    """Return the living processes of this user with a variable of that value in their environment, but this one."""
    found = set()
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if one.pid != os.getpid() and one.environ().get(variable) == value and _lives(one):
                found.add(one)
    return found


def _end_below(
    roots: AbstractSet[psutil.Process], patience: float, also: AbstractSet[psutil.Process] = frozenset()
) -> None:
    """Stop some processes, and end what they started and some others: asked first, then killed."""
    asked: set[psutil.Process] = set()
    try:
        for root in roots:
            with contextlib.suppress(psutil.NoSuchProcess):
                root.suspend()
        deadline = time.monotonic() + patience
        while (left := _living(roots, asked | also)) and time.monotonic() < deadline:
            for one in left - asked:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.terminate()
            asked |= left
            time.sleep(_STEP_SECONDS)
    finally:
        left = _living(roots, asked | also)
        for one in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(left, timeout=_KILL_SECONDS)


def _parent(process: psutil.Process) -> int | None:
    try:
        return int(process.ppid())
    except psutil.NoSuchProcess:
        return None


def _living(roots: AbstractSet[psutil.Process], known: AbstractSet[psutil.Process]) -> set[psutil.Process]:
    """Descendants of some processes, and of those known earlier, which may have lost their parent; no zombies."""
    found = set(known)
    for one in (*roots, *known):
        with contextlib.suppress(psutil.NoSuchProcess):
            found |= set(one.children(recursive=True))
    return {one for one in found if _lives(one)}


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextlib.contextmanager
def signals_interrupt() -> Iterator[None]:
    """Within it SIGTERM, and the terminal's end (SIGHUP), are met as Ctrl-C is. In the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
