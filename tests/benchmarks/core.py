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
from tests.benchmarks.made_data import data_folder
from tests.benchmarks.measurement import Measurement, Size, Skipped, add_size, show
from tests.benchmarks.sampling import coverage_lines, variance_lines


def lines(data: Path | None, form: Size) -> Iterator[Measurement | Skipped]:
    """Every line, in the order sampling, alignment, embedding; those on real data only where there are some."""
    yield from chain(variance_lines(form), coverage_lines(form))
    yield from chain(weights_lines(form), features_lines(form), large_lines(form))
    if form != "quick":
        yield from huge_lines(form)
    if data is not None:
        yield from chain(real_coverage_lines(data, form), pools_lines(data), embedding_lines(data, form))


def main(argv: list[str] | None = None) -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of public data sets; without it only made data is measured")
    add_size(parser, quick="small sizes only: minutes instead of an hour")
    parser.add_argument("--output", type=Path, default=kept_folder() / "core.json")
    arguments = parser.parse_args(argv)
    with data_folder(arguments.data, arguments.size) as data:
        show(lines(data, arguments.size), arguments.output)


if __name__ == "__main__":
    main()
