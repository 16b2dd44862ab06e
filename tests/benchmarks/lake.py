"""`make bench-lake`: 20 million events as a partitioned table, of which a window of a third is read.

Two things are compared with the step *ingest* on the table: plain Spark on the same partitions, without any rule, and
the step itself on the folder of files, which knows nothing of partitions and reads all of them. Bytes are those of the
files that Spark lists for the table's partitions, and of all files.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.datasets import kept_folder
from tests.benchmarks.made_log import LogSize, make_log
from tests.benchmarks.measurement import Measurement, Size, add_size, show
from tests.benchmarks.processes import Watched
from tests.benchmarks.scale import DEAREST, HEAP, MOST_BYTES, watched

LOGS: dict[Size, LogSize] = {
    "smoke": LogSize(3_000, 100, 50),
    "quick": LogSize(2_000_000, 100_000, 20_000),
    "full": LogSize(20_000_000, 1_000_000, 50_000),
}
MOST_OF_FILES = 0.45
"""Share of the bytes of all files that may be read of the table: a window of 28 days of 84, and a day beside it."""


def lines(folder: Path, form: Size) -> Iterator[Measurement]:
    """The table beside plain Spark, and beside the files."""
    size = LOGS[form]
    make_log(folder, size)
    home = folder / "home"
    watched(form, "lake_ingest", "partition", str(folder), home=home)
    shutil.rmtree(folder / "log")
    plain, files, table = (
        watched(form, "lake_ingest", kind, str(folder), home=home) for kind in ("plain", "files", "table")
    )
    yield _line(size, table, plain, "plain Spark, the same partitions", DEAREST, _same(table, files))
    yield _line(size, table, files, "the folder of files", 1.0, _same(table, files))
    read, all_read = table.result["read_bytes"], files.result["read_bytes"]
    yield Measurement(
        "bytes of files", f"28 of 84 days of {size.events / 1e6:g}M events", read / 1e6, all_read / 1e6,
        "the folder of files", "MB", read / all_read, f"<= {MOST_OF_FILES}", read <= MOST_OF_FILES * all_read,
        memory="", accuracy=f"the version of the table took {table.result['version_seconds']:.1f} s",
    )  # fmt: skip


def _same(one: Watched, other: Watched) -> bool:
    return bool(one.result["tables"] == other.result["tables"])


def _line(size: LogSize, table: Watched, rival: Watched, name: str, most: float, right: bool) -> Measurement:
    ratio = table.cpu_seconds / rival.cpu_seconds
    held = table.jvm_bytes + table.python_bytes
    metrics = table.result["metrics"]
    return Measurement(
        "ingest a table", f"28 of 84 days of {size.events / 1e6:g}M events, 2 cores, heap {HEAP}",
        table.cpu_seconds, rival.cpu_seconds, name, "CPU s", ratio,
        f"<= {most:g}, memory <= {MOST_BYTES / 1e9:.1f} GB", ratio <= most and held <= MOST_BYTES and right,
        memory=f"{table.jvm_bytes / 1e9:.1f} + {table.python_bytes / 1e9:.1f} GB / "
        f"{rival.jvm_bytes / 1e9:.1f} + {rival.python_bytes / 1e9:.1f} GB",
        accuracy=f"{metrics['log_rows']} rows read, {metrics['log_rows_usable']} usable: tables "
        f"{'as those of the files' if right else 'WRONG'}; wall {table.seconds:.0f} s / {rival.seconds:.0f} s",
    )  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_size(parser, quick="2 million events")
    parser.add_argument("--output", type=Path, default=kept_folder() / "lake.json")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(dir=kept_folder()) as folder:
        show(lines(Path(folder), arguments.size), arguments.output)


if __name__ == "__main__":
    main()
