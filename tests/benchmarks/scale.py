"""`make bench-scale`: a made log of 20 million events ingested in bounded memory, and what every other step costs.

The log is ingested with a heap of 2 GiB on two cores, at a tenth of the size and at all of it, by the step itself and
by plain Spark without any of its rules. What is compared is CPU seconds of all processes: Spark's, its Python workers'
and the driver's.

Screens and targets are measured on made vectors: see `scale_screens`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from unittest.mock import patch

from rich.table import Table

from tests.benchmarks.datasets import kept_folder
from tests.benchmarks.made_log import LogSize, Truth, make_log
from tests.benchmarks.measurement import Measurement, Size, add_size, console, show
from tests.benchmarks.processes import Watched, watch, watch_here
from tests.benchmarks.scale_screens import screen_lines
from tests.benchmarks.step_costs import Cost, costs

_SMALL, _LARGE = LogSize(2_000_000, 100_000, 20_000), LogSize(20_000_000, 1_000_000, 50_000)
LOGS: dict[Size, tuple[LogSize, ...]] = {
    "smoke": (LogSize(3_000, 100, 50),),
    "quick": (_SMALL,),
    "full": (_SMALL, _LARGE),
}
HEAP = "2g"
MOST_BYTES = 4 * 2**30
"""What JVM and Python may hold together: the heap, twice over."""

DEAREST = 4.0
"""Times the CPU of plain Spark that the rules, ids, splits and records of what was rejected may cost."""


def ingest_lines(folder: Path, form: Size) -> Iterator[Measurement]:
    """A line for each size of the log."""
    for size in LOGS[form]:
        place = folder / str(size.events)
        truth = make_log(place, size)
        plain, ours = (
            watched(form, "scale_ingest", kind, str(place), home=place / "home") for kind in ("plain", "ours")
        )
        yield _line(size, truth, ours, plain)
        shutil.rmtree(place)


def assemble_cost(folder: Path, form: Size) -> Cost:
    """What a row of the training set costs Spark, with a document of 100 words."""
    rows = (200, 400) if form == "smoke" else (200_000, 400_000)
    seconds = watched(form, "scale_assemble", *map(str, rows), home=folder / "home").result["seconds"]
    return Cost("assemble", "rows of the training set", rows, (seconds[0], seconds[1]))


def watched(form: Size, module: str, *arguments: str, home: Path) -> Watched:
    """Run a part with its own home and a bounded heap; in the smoke form in this process, whose Spark it shares."""
    module = f"tests.benchmarks.{module}"
    if form == "smoke":
        with patch.dict(os.environ, SYNALIGN_HOME=str(home)):
            return watch_here(module, *arguments)
    submit = f"--master local[2] --driver-memory {HEAP} --conf spark.ui.enabled=false pyspark-shell"
    environment = {"PYSPARK_SUBMIT_ARGS": submit, "OMP_NUM_THREADS": "1", "SPARK_LOCAL_IP": "127.0.0.1"}
    return watch(module, *arguments, environment={**environment, "SYNALIGN_HOME": str(home)})


def _line(size: LogSize, truth: Truth, ours: Watched, plain: Watched) -> Measurement:
    found = ours.result
    right = (found["queries"], found["usable"], found["rejected"]) == truth and found["pairs"] == plain.result["pairs"]
    ratio = ours.cpu_seconds / plain.cpu_seconds
    held = ours.jvm_bytes + ours.python_bytes
    return Measurement(
        "ingest", f"{size.events / 1e6:g}M events, {size.queries / 1e6:g}M queries, 2 cores, heap {HEAP}",
        ours.cpu_seconds, plain.cpu_seconds, "plain Spark, no rules", "CPU s", ratio,
        f"<= {DEAREST:g}, memory <= {MOST_BYTES / 1e9:.1f} GB", ratio <= DEAREST and held <= MOST_BYTES and right,
        memory=f"{ours.jvm_bytes / 1e9:.1f} + {ours.python_bytes / 1e9:.1f} GB / "
        f"{plain.jvm_bytes / 1e9:.1f} + {plain.python_bytes / 1e9:.1f} GB",
        accuracy=f"{found['queries']} queries, {found['pairs']} pairs, {found['rejected']} rejected: "
        f"{'as made' if right else 'WRONG'}; wall {ours.seconds:.0f} s / {plain.seconds:.0f} s",
    )  # fmt: skip


def show_costs(found: list[Cost]) -> None:
    """Print the costs of the other steps."""
    table = Table("step", "unit", "units", "CPU s a unit", "ratio of the two")
    for cost in found:
        (small, large), (first, second) = cost.sizes, cost.seconds
        table.add_row(
            cost.step, cost.unit, f"{small:.3g}, {large:.3g}", f"{first:.3g}, {second:.3g}", f"{second / first:.2f}"
        )
    console().print(table)


def main(argv: list[str] | None = None) -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_size(parser, quick="the smaller log only, and few candidates")
    parser.add_argument("--output", type=Path, default=kept_folder() / "scale.json")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(dir=kept_folder()) as folder:
        lines = chain(screen_lines(Path(folder), arguments.size), ingest_lines(Path(folder), arguments.size))
        show(lines, arguments.output)
        found = [assemble_cost(Path(folder), arguments.size), *costs(arguments.size)]
    show_costs(found)
    arguments.output.with_name("step_costs.json").write_text(json.dumps([cost._asdict() for cost in found]) + "\n")


if __name__ == "__main__":
    main()
