"""What is done to processes and machines, and the record of what came of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

RECORD = Path(__file__).resolve().parent.parent.parent / ".pytest_cache" / "faults.jsonl"
"""A line for each fault of the last test run; `table` shows them."""

_CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>

/* Seconds to add to the clock that people set; the file may change at any time. */
static long ahead(void) {
    long seconds = 0;
    FILE *file = fopen(getenv("CLOCK_FILE"), "r");
    if (file) { if (fscanf(file, "%ld", &seconds) != 1) seconds = 0; fclose(file); }
    return seconds;
}
int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(id, now);
    if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += ahead();
    return failed;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    static int (*real)(struct timeval *, void *);
    if (!real) real = dlsym(RTLD_NEXT, "gettimeofday");
    int failed = real(now, zone);
    if (!failed) now->tv_sec += ahead();
    return failed;
}
time_t time(time_t *place) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (place) *place = now.tv_sec;
    return now.tv_sec;
}
"""


class Seen(NamedTuple):
    """What came of a fault.

    Attributes:
        fault: What was done.
        step: To which step.
        outcome: What was seen of it.
        same: Whether the digests are those of a calm run.
        twice: Requests paid more than once, and how many could have been in flight: `0 of 2`. Empty: none were sent.
    """

    fault: str
    step: str
    outcome: str
    same: bool
    twice: str = ""


def note(seen: Seen) -> None:
    """Add a line to the record."""
    RECORD.parent.mkdir(exist_ok=True)
    with open(RECORD, "a", encoding="utf-8") as file:
        file.write(json.dumps(seen) + "\n")


def table() -> str:
    """The record as a Markdown table; empty where there is none."""
    with suppress(FileNotFoundError):
        rows = [Seen(*json.loads(line)) for line in RECORD.read_text(encoding="utf-8").splitlines()]
        lines = [
            f"| {seen.fault} | {seen.step} | {seen.outcome} | {'yes' if seen.same else 'NO'} | {seen.twice or '-'} |"
            for seen in rows
        ]
        head = ["| fault | step | what was seen | same digests | paid twice, of in flight |", "|---|---|---|---|---|"]
        return "\n".join(head + lines) if lines else ""
    return ""


@contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[Path]:
    """A file system of its own that holds so much, and then says that no space is left."""
    folder.mkdir(parents=True)
    options = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(options, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, free: int) -> Path:
    """Leave `free` bytes of a file system; the file that takes the rest is returned."""
    filler = folder / "filler"
    filler.write_bytes(b"\0" * max(0, shutil.disk_usage(folder).free - free))
    return filler


class Clock:
    """A clock that can be set for some processes: those with its environment variables.

    Only the clock that people set; the one that counts from the machine's start goes on, as on a real machine.

    Args:
        folder: For the library that goes before the C library's, made by the C compiler.
    """

    def __init__(self, folder: Path) -> None:
        if shutil.which("cc") is None:
            pytest.skip("a clock that jumps is made by a C compiler: apt-get install gcc libc6-dev")
        folder.mkdir(parents=True, exist_ok=True)
        self._file, library = folder / "ahead", folder / "clock.so"
        (folder / "clock.c").write_text(_CLOCK)
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, folder / "clock.c", "-ldl"], check=True)
        self.environment = {"LD_PRELOAD": str(library), "CLOCK_FILE": str(self._file)}
        self.jump(0)

    def jump(self, seconds: int) -> None:
        """Set it so far ahead of the real one, or behind."""
        draft = self._file.with_suffix(".draft")
        draft.write_text(str(seconds))
        os.replace(draft, self._file)
