"""Ending what a process started, so that each may leave things in order, and then that process."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
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
    root = psutil.Process(process.pid)
    asked: set[psutil.Process] = set()
    try:
        with contextlib.suppress(psutil.NoSuchProcess):
            root.suspend()
        deadline = time.monotonic() + patience
        while (left := _living(root, asked)) and time.monotonic() < deadline:
            for one in left - asked:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.terminate()
            asked |= left
            time.sleep(_STEP_SECONDS)
    finally:
        left = _living(root, asked)
        for one in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        process.kill()
        process.wait()
        psutil.wait_procs(left, timeout=_KILL_SECONDS)


def _living(root: psutil.Process, known: set[psutil.Process]) -> set[psutil.Process]:
    """Descendants of a process, and of those known earlier, which may have lost their parent; zombies do not count."""
    found = set(known)
    for one in (root, *known):
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
