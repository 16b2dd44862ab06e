"""One line of a benchmark: what was done, how ours and a rival did in the same minutes, and what that is to reach."""

from __future__ import annotations

import gc
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table


class Measurement(NamedTuple):
    """A line of the table.

    Attributes:
        task: What is measured, such as `variance sampling`.
        size: On what, such as `n=10k T=50 k=7, made`.
        ours: Our figure.
        rival: The rival's figure on the same input, taken in turns with ours.
        rival_name: Who the rival is, with version.
        unit: Of both figures, such as `s` or `mean distance`.
        ratio: How many times better ours is; or, where the goal is a bound, the figure that is held against it.
        goal: What the ratio is to reach, such as `>= 60`.
        met: Whether it does.
        memory: Peak memory of ours and, where measured, of the rival, such as `0.4 GB / 1.9 GB`.
        accuracy: What was checked of the result, such as `50/50 anchors equal`.
    """

    task: str
    size: str
    ours: float
    rival: float
    rival_name: str
    unit: str
    ratio: float
    goal: str
    met: bool
    memory: str = ""
    accuracy: str = ""


def seconds(work: Callable[[], Any]) -> float:
    """Wall-clock seconds of one call."""
    gc.collect()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def interleaved(ours: Callable[[], Any], rival: Callable[[], Any], rounds: int = 3) -> tuple[float, float]:
    """Median seconds of ours and of a rival, called in turns so that a busy minute slows both."""
    pairs = [(seconds(ours), seconds(rival)) for _ in range(rounds)]
    return median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)


def peak_memory() -> int:
    """Most bytes that this process has held at once; it only ever grows, so measure in a process of its own."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def in_own_process(module: str, *arguments: str) -> dict[str, Any]:
    """Run `python -m module arguments` and read the JSON object on its last line: for peaks of memory."""
    command = [sys.executable, "-m", module, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ.copy())
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(ended.stdout.strip().splitlines()[-1])
    return result


def show(measurements: Iterable[Measurement], target: Path) -> list[Measurement]:
    """Print each line as it comes, the whole table at the end, and write it as JSON after every line."""
    console = Console(width=None if sys.stdout.isatty() else 200)
    found: list[Measurement] = []
    target.parent.mkdir(parents=True, exist_ok=True)
    for measurement in measurements:
        found.append(measurement)
        console.print(f"{measurement.task} | {measurement.size} | ratio {measurement.ratio:.3g} ({measurement.goal})")
        target.write_text(json.dumps([line._asdict() for line in found], indent=1) + "\n")
    table = Table("task", "size", "ours", "rival", "unit", "ratio", "goal", "memory", "accuracy")
    for line in found:
        rival = f"{line.rival:.4g} ({line.rival_name})"
        goal = f"{line.goal} {'met' if line.met else 'MISSED'}"
        table.add_row(
            line.task, line.size, f"{line.ours:.4g}", rival, line.unit, f"{line.ratio:.3g}", goal, line.memory,
            line.accuracy,
        )  # fmt: skip
    console.print(table)
    console.print(f"written to {target}")
    return found
