"""A process and all it starts, with the most memory that its JVM and its Python processes held."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any, NamedTuple

import psutil

LOOK_SECONDS = 0.5


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
        RuntimeError: It failed; with the end of what it said.
    """
    command = [sys.executable, "-m", module, *arguments]
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=errors, env={**os.environ, **(environment or {})})
        jvm = python = 0
        cpu: dict[int, float] = {}
        while process.poll() is None:
            held = _held(psutil.Process(process.pid), cpu)
            jvm, python = max(jvm, held[0]), max(python, held[1])
            time.sleep(LOOK_SECONDS)
        seconds = time.perf_counter() - started
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{errors.read()[-3000:]}")
        return Watched(json.loads(output.read().strip().splitlines()[-1]), seconds, sum(cpu.values()), jvm, python)


def _held(root: psutil.Process, cpu: dict[int, float]) -> tuple[int, int]:
    """Resident bytes of Java and of Python, at this moment; CPU seconds of each process go into `cpu`."""
    jvm = python = 0
    try:
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0, 0
    for process in family:
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
