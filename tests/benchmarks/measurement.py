"""One line of a benchmark: what was done, how ours and a rival did in the same minutes, and what that is to reach."""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rich.console import Console
from rich.table import Table

Size = Literal["smoke", "quick", "full"]
"""How much is measured: in seconds, only to see that it runs; in minutes; in an hour or more."""

COLUMNS = ("task", "size", "ours", "rival", "unit", "ratio", "goal", "memory", "accuracy")


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


class Skipped(NamedTuple):
    """A line that was not measured.

    Attributes:
        task: What would have been measured.
        rival: Against whom.
        reason: Why it was not.
    """

    task: str
    rival: str
    reason: str


def add_size(parser: argparse.ArgumentParser, *, quick: str = "") -> None:
    """Add `--smoke` and, where there is such a form, `--quick`; both set `size`."""
    parser.set_defaults(size="full")
    forms = parser.add_mutually_exclusive_group()
    if quick:
        forms.add_argument("--quick", dest="size", action="store_const", const="quick", help=quick)
    forms.add_argument(
        "--smoke", dest="size", action="store_const", const="smoke",
        help="tiny sizes, made data: seconds, to see that it runs; its figures mean nothing",
    )  # fmt: skip


def seconds(work: Callable[[], Any]) -> float:
    """Wall-clock seconds of one call."""
    gc.collect()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def console() -> Console:
    """Return a console that does not wrap lines where nobody looks at a terminal."""
    return Console(width=None if sys.stdout.isatty() else 200)


def show(lines: Iterable[Measurement | Skipped], target: Path) -> list[Measurement]:
    """Print each line as it comes, the whole table at the end, and write it as JSON after every line."""
    out, found = console(), list[Measurement]()
    target.parent.mkdir(parents=True, exist_ok=True)
    for line in lines:
        if isinstance(line, Skipped):
            out.print(f"{line.task} | {line.rival} | skipped: {line.reason}", markup=False)
            continue
        found.append(line)
        out.print(f"{line.task} | {line.size} | ratio {line.ratio:.3g} ({line.goal})", markup=False)
        target.write_text(json.dumps([each._asdict() for each in found], indent=1) + "\n")
    table = Table(*COLUMNS)
    for line in found:
        rival = f"{line.rival:.4g} ({line.rival_name})"
        goal = f"{line.goal} {'met' if line.met else 'MISSED'}"
        table.add_row(
            line.task, line.size, f"{line.ours:.4g}", rival, line.unit, f"{line.ratio:.3g}", goal, line.memory,
            line.accuracy,
        )  # fmt: skip
    out.print(table)
    out.print(f"written to {target}")
    return found
