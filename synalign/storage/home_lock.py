"""Sections that processes of one home pass one after another: what neither Airflow nor MLflow guards by itself."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from synalign import config
from synalign.errors import SetupError


@contextmanager
def one_at_a_time(name: str) -> Iterator[None]:
    """Wait until no other process of this home is in the section of that name, and hold it.

    Raises:
        SetupError: The lock's file cannot be made.
    """
    with opened(config.home() / "locks" / name) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """Open a lock's file, made if missing; no process that is started meanwhile inherits it.

    Raises:
        SetupError: It cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise SetupError(
            f"{path} cannot be made: {error.strerror}.", remedy="check the rights of $SYNALIGN_HOME, or set another one"
        ) from error
    try:
        yield file
    finally:
        os.close(file)
