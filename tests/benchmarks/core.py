"""`make bench-core`: sampling, alignment and embedding against their rivals, in one table and as JSON."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from tests.benchmarks.alignment import features_lines, huge_lines, large_lines, pools_lines, weights_lines
from tests.benchmarks.coverage import coverage_lines as real_coverage_lines
from tests.benchmarks.datasets import kept_folder
from tests.benchmarks.embedding import embedding_lines
from tests.benchmarks.measurement import Measurement, show
from tests.benchmarks.sampling import coverage_lines, variance_lines

HUGE = 200_000
"""Real rows of the largest problem of weights, for a quarter as many candidates; m=200k and n=1M take some hours."""


def lines(data: Path | None, *, quick: bool) -> Iterator[Measurement]:
    """Every line, in the order sampling, alignment, embedding; those on real data only where there are some."""
    yield from variance_lines(quick)
    yield from coverage_lines(quick)
    yield from chain(weights_lines(quick), features_lines(quick), large_lines(quick))
    if not quick:
        yield from huge_lines(HUGE // 4, HUGE)
    if data is not None:
        yield from chain(real_coverage_lines(data), pools_lines(data), embedding_lines(data, quick))


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of public data sets; without it only made data is measured")
    parser.add_argument("--quick", action="store_true", help="small sizes only: minutes instead of an hour")
    parser.add_argument("--output", type=Path, default=kept_folder() / "core.json")
    arguments = parser.parse_args()
    show(lines(arguments.data, quick=arguments.quick), arguments.output)


if __name__ == "__main__":
    main()
