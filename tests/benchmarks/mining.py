"""`make bench-mining`: hard negatives of 100,000 pairs among 1,000,000 documents of width 384, by the step itself.

Vectors are random, queries lie near their documents. The tables are written as steps write them, the step *mine* runs
in its own Spark on two cores, the encoder alone proposing. CPU seconds of all processes are held against those of the
matrix products alone; what is found, against sorting all cosines of some queries.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from synalign.screening.nearest import COLUMNS, ROWS
from tests.benchmarks.datasets import kept_folder
from tests.benchmarks.measurement import Measurement, Size, add_size, show
from tests.benchmarks.mining_step import WIDTH, World, run_of
from tests.benchmarks.processes import watch, watch_here

SIZES: dict[Size, tuple[int, int]] = {"smoke": (30, 300), "quick": (20_000, 100_000), "full": (100_000, 1_000_000)}
"""Pairs and documents."""

CHECKED = 200
"""Queries whose negatives are found by sorting, too."""

DEAREST = 2.0
"""Times the CPU of the products that mining may cost."""

STEP = "tests.benchmarks.mining_step"
HEAP = "2g"


class Product(NamedTuple):
    """What the multiplication alone costs.

    Attributes:
        seconds: CPU seconds of all products, from some of them.
        share: Share of the products that was measured.
    """

    seconds: float
    share: float


def main(argv: list[str] | None = None) -> None:
    """Read the command line, mine, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_size(parser, quick="20,000 pairs among 100,000 documents")
    parser.add_argument("--output", type=Path, default=kept_folder() / "mining.json")
    arguments = parser.parse_args(argv)
    show(measured(arguments.size), arguments.output)


def measured(size: Size) -> Iterator[Measurement]:
    """Mine once, and yield what it cost."""
    pairs, documents = SIZES[size]
    # Below $SYNALIGN_HOME: a temporary folder may be memory.
    kept_folder().mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="mining-", dir=kept_folder()))
    numbers = (str(pairs), str(documents))
    try:
        with patch.dict(os.environ, SYNALIGN_HOME=str(home)):
            World(pairs, documents).write(run_of())
            if size == "smoke":
                found = watch_here(STEP, *numbers)
            else:
                submit = f"--master local[2] --driver-memory {HEAP} --conf spark.ui.enabled=false pyspark-shell"
                found = watch(STEP, *numbers, environment=os.environ | {"PYSPARK_SUBMIT_ARGS": submit})
            product = product_seconds(pairs * documents, (ROWS, COLUMNS))
            right, checked = _checked(World(pairs, documents), min(pairs, CHECKED))
    finally:
        shutil.rmtree(home, ignore_errors=True)
    ratio = found.cpu_seconds / product.seconds
    yield Measurement(
        "mine",
        f"{pairs:,} pairs, {documents:,} documents of width {WIDTH}, {found.seconds:.0f} s",
        found.cpu_seconds,
        product.seconds,
        f"products alone, {product.share:.0%} of them",
        "CPU s",
        ratio,
        f"<= {DEAREST:g}",
        ratio <= DEAREST,
        f"JVM {found.jvm_bytes / 2**30:.1f} GiB, Python {found.python_bytes / 2**30:.1f} GiB",
        f"{right}/{checked} as by sorting",
    )


def product_seconds(pairs: int, tile: tuple[int, int]) -> Product:
    """Multiply some tiles, and return what so many cosines take.

    Args:
        pairs: How many cosines.
        tile: Rows and columns of a product.
    """
    from threadpoolctl import threadpool_limits

    random = np.random.default_rng(0)
    left, right = (random.normal(size=(rows, WIDTH)).astype(np.float32) for rows in tile)
    tiles = pairs / (tile[0] * tile[1])
    count = max(2, min(300, int(tiles)))
    with threadpool_limits(1):
        started = time.process_time()
        for _ in range(count):
            left @ right.T
        spent = time.process_time() - started
    return Product(spent / count * tiles, min(1.0, count / tiles))


def _checked(world: World, count: int) -> tuple[int, int]:
    """Return for how many queries the negatives are those that sorting all cosines gives."""
    run = run_of()
    found: dict[str, list[str]] = {}
    wanted = {world.pair(place): place for place in range(0, world.pairs, max(1, world.pairs // count))}
    for file in run.files("negatives"):
        for row in pq.read_table(str(file.local)).to_pylist():
            if row["pair_id"] in wanted and row["rank"]:
                found.setdefault(row["pair_id"], []).append(row["document_id"])
    places = np.array(list(wanted.values()))
    best = _sorted(world, places, 50)
    right = 0
    for pair, place, order, cosines in zip(wanted, places.tolist(), *best, strict=True):
        own = world.own[place]
        cosine = float(world.query(place) @ world.document(int(own)))
        most = cosine - 0.05 * abs(cosine)
        expected = [f"d{number}" for number, near in zip(order, cosines, strict=True) if number != own and near <= most]
        right += found.get(pair) == expected[:4]
    return right, len(places)


def _sorted(world: World, places: NDArray[np.int64], depth: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the nearest documents of some queries and their cosines, from all of them sorted."""
    queries = np.stack([world.query(place) for place in places.tolist()])
    cosines = np.concatenate([queries @ part.T for _, part in world.parts()], axis=1)
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :depth]
    return order, np.take_along_axis(cosines, order, axis=1)


if __name__ == "__main__":
    main()
