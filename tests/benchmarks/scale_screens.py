"""What `make bench-scale` measures of screens and targets: memory of the driver, CPU seconds, and verdicts checked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np

from synalign.screening.cosines import ROWS
from tests.benchmarks.measurement import Measurement, Size
from tests.benchmarks.mining import product_seconds
from tests.benchmarks.processes import Watched, watch, watch_here
from tests.benchmarks.scale_screen import DEPTH, THRESHOLD, World, run_of

STEP = "tests.benchmarks.scale_screen"
HEAP = "2g"
MOST_BYTES = 2 * 2**30
"""What the Python process of the driver may hold."""

DEAREST = {"screen": 3.0, "targets": 8.0}
"""Times the CPU of the products alone that a part may cost; few batches are soon multiplied, and long lists kept."""

CHECKED = 50
"""Candidates whose verdicts are compared with cosines in double precision."""


class Screens(NamedTuple):
    """Candidates, and as many documents as real queries; by Spark also where the driver could."""

    candidates: int
    rows: int
    spark: bool


SIZES: dict[Size, tuple[Screens, ...]] = {
    "smoke": (Screens(40, 400, True),),
    "quick": (Screens(2_000, 100_000, False), Screens(2_000, 100_000, True), Screens(2_000, 1_000_000, True)),
    # More candidates among ten million are hours of multiplication on two cores.
    "full": (Screens(100_000, 100_000, True), Screens(100_000, 1_000_000, True), Screens(10_000, 10_000_000, True)),
}


def screen_lines(folder: Path, form: Size) -> Iterator[Measurement]:
    """Yield a line for the screens and one for the targets of each size."""
    for size in SIZES[form]:
        home = folder / f"screens-{size.rows}"
        with patch.dict(os.environ, SYNALIGN_HOME=str(home)):
            _watched(form, "write", size)
            world = World(size.candidates, size.rows)
            done = _watched(form, "screen", size)
            right, checked = _checked(world)
            yield _line("screen", size, done, size.candidates * size.rows * 2, f"{right}/{checked} as exact cosines",
                        right == checked)  # fmt: skip
            done = _watched(form, "targets", size)
            batches = done.result["batches"]
            yield _line("targets", size, done, batches * size.rows, f"{batches} batches, "
                        f"{done.result['documents']} documents", done.result["documents"] <= 12 * batches)  # fmt: skip
        shutil.rmtree(home)


def _watched(form: Size, part: str, size: Screens) -> Watched:
    arguments = (part, str(size.candidates), str(size.rows), "spark" if size.spark else "driver")
    if form == "smoke":
        return watch_here(STEP, *arguments)
    submit = f"--master local[2] --driver-memory {HEAP} --conf spark.ui.enabled=false pyspark-shell"
    environment = {"PYSPARK_SUBMIT_ARGS": submit, "OMP_NUM_THREADS": "1", "SPARK_LOCAL_IP": "127.0.0.1"}
    return watch(STEP, *arguments, environment=environment)


def _line(task: str, size: Screens, done: Watched, pairs: int, accuracy: str, right: bool) -> Measurement:
    product = product_seconds(pairs, (ROWS, 10_000))
    ratio = done.cpu_seconds / product.seconds
    held = done.result["driver_bytes"]
    return Measurement(
        task,
        f"{size.candidates:,} candidates, {size.rows:,} documents and queries, "
        f"{'Spark on 2 cores' if size.spark else 'driver alone'}, {done.seconds:.0f} s",
        done.cpu_seconds,
        product.seconds,
        f"products alone, {product.share:.0%} of them",
        "CPU s",
        ratio,
        f"<= {DEAREST[task]:g}, driver <= {MOST_BYTES / 2**30:g} GiB",
        ratio <= DEAREST[task] and held <= MOST_BYTES and right,
        f"driver {held / 2**30:.2f} GiB, all Python {done.python_bytes / 2**30:.1f}, JVM {done.jvm_bytes / 2**30:.1f}",
        accuracy,
    )


def _checked(world: World) -> tuple[int, int]:
    """Return for how many of some candidates the verdict is what exact cosines say."""
    rows = np.unique(np.linspace(0, world.count - 1, min(CHECKED, world.count)).astype(np.int64))
    found = {row["candidate_id"]: row for row in run_of().read("screening").to_pylist()}
    right = 0
    for row, exact in zip(rows.tolist(), world.verdicts(rows), strict=True):
        verdict = found[f"c{row}"]
        if exact.rank > DEPTH:
            right += (verdict["reason"], verdict["score"]) == ("inconsistent", exact.rank)
        elif max(exact.held_out, exact.train) >= THRESHOLD:
            leaked = exact.held_out >= THRESHOLD
            right += verdict["reason"] == ("leak" if leaked else "near_real") and bool(
                np.isclose(verdict["score"], exact.held_out if leaked else exact.train, atol=1e-6)
            )
        else:
            right += verdict["reason"] == "near_duplicate" or verdict["score"] == exact.rank
    return right, len(rows)
