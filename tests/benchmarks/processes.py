"""Child processes: one that fails shows its standard error and ends the benchmark with exit code 1."""

from __future__ import annotations

import importlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import IO, Any, NamedTuple

import psutil

LOOK_SECONDS = 0.5
_SHOWN = 3_000
"""Characters of standard error that are shown: its end."""


class Child(NamedTuple):
    """A running `python -m module arguments`.

    Attributes:
        process: The process; its standard input and output are pipes.
        errors: The file that its standard error goes to.
    """

    process: subprocess.Popen[str]
    errors: IO[str]

    def say(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self.process.stdin is not None  # a pipe, as asked for
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._failure() from None

    def line(self) -> str:
        """Read the next line of its standard output.

        Raises:
            SystemExit: There is none, as the process ended; with the end of its standard error.
        """
        assert self.process.stdout is not None  # a pipe, as asked for
        line = self.process.stdout.readline()
        if not line:
            raise self._failure()
        return line

    def result(self, timeout: float | None = None) -> dict[str, Any]:
        """Wait for its end and read the JSON object on the last line of its standard output.

        Raises:
            SystemExit: It failed; with the end of its standard error.
            subprocess.TimeoutExpired: It still runs after so many seconds.
        """
        output, _ = self.process.communicate(timeout=timeout)
        if self.process.returncode or not output.strip():
            raise self._failure()
        result: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
        return result

    def _failure(self) -> SystemExit:
        self.process.wait()
        self.errors.seek(0)
        command = " ".join(map(str, self.process.args[1:]))  # type: ignore[index, union-attr]
        return SystemExit(f"{command} ended with {self.process.returncode}:\n{self.errors.read()[-_SHOWN:]}")


@contextmanager
def child(module: str, *arguments: str, environment: dict[str, str] | None = None) -> Iterator[Child]:
    """Start `python -m module arguments`; it is killed at the end of the block if it still runs then."""
    command = [sys.executable, "-m", module, *arguments]
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
            env={**os.environ, **(environment or {})},
        )  # fmt: skip
        try:
            yield Child(process, errors)
        finally:
            process.kill()
            process.communicate()


def in_own_process(module: str, *arguments: str) -> dict[str, Any]:
    """Run `python -m module arguments` and read the JSON object on its last line: for peaks of memory."""
    with child(module, *arguments) as started:
        return started.result()


def in_this_process(module: str, *arguments: str) -> dict[str, Any]:
    """Do the same without a process: the smoke form starts one JVM for all that needs Spark."""
    output = io.StringIO()
    with redirect_stdout(output):
        importlib.import_module(module).main(*arguments)
    result: dict[str, Any] = json.loads(output.getvalue().strip().splitlines()[-1])
    return result


class Watched(NamedTuple):
    """How a process went.

    Attributes:
        result: The JSON object on the last line of its output.
        seconds: From start to end, starts of interpreters and JVM included.
        cpu_seconds: Of all its processes together: on a busy machine a wall clock measures the neighbours.
        jvm_bytes: Most resident memory of the JVM, seen twice a second.
        python_bytes: Most resident memory of all Python processes together; pages that they share count once each.
    """

    result: dict[str, Any]
    seconds: float
    cpu_seconds: float
    jvm_bytes: int
    python_bytes: int


def watch(module: str, *arguments: str, environment: dict[str, str] | None = None) -> Watched:
    """Run `python -m module arguments` and watch it and its children.

    Raises:
        SystemExit: It failed; with the end of its standard error.
    """
    started = time.perf_counter()
    jvm = python = 0
    cpu: dict[int, float] = {}
    with child(module, *arguments, environment=environment) as watched:
        # Its output is one short line, so that no pipe fills up.
        while watched.process.poll() is None:
            held = _held(watched.process.pid, cpu)
            jvm, python = max(jvm, held[0]), max(python, held[1])
            time.sleep(LOOK_SECONDS)
        seconds = time.perf_counter() - started
        return Watched(watched.result(), seconds, sum(cpu.values()), jvm, python)


def watch_here(module: str, *arguments: str) -> Watched:
    """Do the same in this process, for the smoke form."""
    cpu, started = tree_cpu_seconds(), time.perf_counter()
    result = in_this_process(module, *arguments)
    held = _held(os.getpid(), {})
    return Watched(result, time.perf_counter() - started, tree_cpu_seconds() - cpu, *held)


def _family(root: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(root)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _held(root: int, cpu: dict[int, float]) -> tuple[int, int]:
    """Resident bytes of Java and of Python, at this moment; CPU seconds of each process go into `cpu`."""
    jvm = python = 0
    for process in _family(root):
        try:
            held = process.memory_info().rss
            cpu[process.pid] = sum(process.cpu_times()[:2])
            if process.name() == "java":
                jvm += held
            else:
                python += held
        except psutil.NoSuchProcess:
            continue
    return jvm, python


def tree_cpu_seconds(root: int | None = None) -> float:
    """Sum the CPU seconds of a process, its descendants, and those of them that have ended."""
    found = 0.0
    for process in _family(os.getpid() if root is None else root):
        try:
            found += sum(process.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return found


def peak_memory() -> int:
    """Return the most bytes that this process has held at once; it only grows, so measure in a process of its own.

    It is `VmHWM`: unlike `ru_maxrss`, a child does not inherit it.
    """
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])
