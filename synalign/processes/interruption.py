"""Ends by Ctrl-C, SIGTERM, a closed terminal or a closed pipe: no traceback, and the command to go on with.

Imports nothing but the standard library, so that it is there before anything that takes seconds to load.
"""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from types import FrameType
from typing import Any

INTERRUPTED = 128 + signal.SIGINT
"""Exit code after Ctrl-C, as shells have it."""

_ENDED = {128 + number: number.name for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
_PATIENCE_SECONDS = 10.0
_TELLING = ("", "py4j.clientserver", "py4j.java_gateway")
"""Loggers through which py4j tells, with a traceback, what it was waiting for when Ctrl-C came; "": the root."""


class Interrupted(SystemExit):
    """The end of a command that a signal asked for, on its way through the clean-up of everything that is open."""


@contextmanager
def interruptible(*, mark: str = "", kept: str = "") -> Iterator[None]:
    """Run the whole of a command within it: an interruption ends what it started, says how to go on, and exits.

    A second Ctrl-C, while things are put in order, ends at once. A signal that is ignored, as Ctrl-C is by a shell's
    background jobs, stays ignored.

    Args:
        mark: Begins every line for people.
        kept: A sentence on what is not lost.

    Raises:
        SystemExit: With 128 + the signal's number; or where nobody reads what it prints, with 128 + SIGPIPE.
    """
    before = _met((signal.SIGTERM, signal.SIGHUP))
    loggers = [logging.getLogger(name) for name in _TELLING]
    for logger in loggers:
        logger.addFilter(_tells_of_a_fault)
    try:
        yield
    except BaseException as error:
        code = code_of(error)
        if code is not None:
            _end(code, mark, kept)
            raise SystemExit(code) from None
        if not isinstance(error, BrokenPipeError):
            raise
        # Python flushes it once more at its end, and would complain.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(128 + signal.SIGPIPE) from None
    finally:
        for logger in loggers:
            logger.removeFilter(_tells_of_a_fault)
        for number, handler in before.items():
            signal.signal(number, handler)


def code_of(error: BaseException | None) -> int | None:
    """Return the exit code of the interruption that an error is, or that it came of; None where it came of none.

    Where a signal reached Java too, putting things in order fails: that is no failure to tell of.
    """
    for cause in _chain(error):
        # pydantic, building a model while a job loads, keeps of it nothing but the name.
        swallowed = type(cause).__name__ == "SchemaError" and "KeyboardInterrupt" in str(cause)
        if swallowed or isinstance(cause, KeyboardInterrupt):
            return INTERRUPTED
        if isinstance(cause, Interrupted):
            return int(str(cause.code))
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, what it came of, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def interruptible_job() -> AbstractContextManager[None]:
    """`interruptible` for a file of `jobs/`, its imports included, which take most of the time of a short job."""
    return interruptible(
        mark="synalign | ", kept="Finished steps, answers that were paid for and vectors computed so far are kept."
    )


@contextmanager
def own_handlers() -> Iterator[None]:
    """Put back, at its end, this process's answer to Ctrl-C: a library that is started within it sets its own."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if main and before is not None:
            signal.signal(signal.SIGINT, before)


def command() -> str:
    """Return the command of this process as it was given, ready for a shell."""
    if sys.argv and shutil.which(os.path.basename(sys.argv[0])) == sys.argv[0]:
        return shlex.join([os.path.basename(sys.argv[0]), *sys.argv[1:]])
    return shlex.join(sys.orig_argv)


def _tells_of_a_fault(record: logging.LogRecord) -> bool:
    """Return whether a log record is worth showing: not where its exception came of an interruption."""
    for cause in _chain(record.exc_info[1] if record.exc_info else None):
        # Spark's own handler asks Java to cancel jobs while Java is being asked something else.
        reentrant = isinstance(cause, RuntimeError) and "reentrant call" in str(cause)
        if reentrant or isinstance(cause, KeyboardInterrupt | SystemExit):
            return False
    return True


def _met(numbers: tuple[signal.Signals, ...]) -> dict[signal.Signals, Any]:
    """Have signals unwind the process as an exit; returns the handlers that were there."""
    if threading.current_thread() is not threading.main_thread():
        return {}

    def leave(number: int, frame: FrameType | None) -> None:
        raise Interrupted(128 + number)

    return {
        number: signal.signal(number, leave)
        for number in numbers
        if signal.getsignal(number) not in (signal.SIG_IGN, None)
    }


def _end(code: int, mark: str, kept: str) -> None:
    """Say how to go on, and end all that this process started; interrupted again, end it at once."""
    patience = _PATIENCE_SECONDS
    with suppress(OSError, ValueError):
        name = "" if code == INTERRUPTED else f" ({_ENDED[code]})"
        sys.stderr.write(f"{mark}Interrupted{name}.{f' {kept}' if kept else ''}\n{mark}Go on with:  {command()}\n")
        sys.stderr.flush()
    while True:
        try:
            _end_children(patience)
            # From here on nothing is left to be put in order, and Python's own end takes a while.
            signal.signal(signal.SIGINT, lambda *_: os._exit(code))
            return
        except KeyboardInterrupt:
            patience = 0.0


def _end_children(patience: float) -> None:
    # Most commands start nothing, and need not load it.
    if "subprocess" not in sys.modules and "multiprocessing" not in sys.modules:
        return
    from synalign.processes.ending import end_descendants

    end_descendants(patience)
