"""`make bench-nights DATA=PATH`: what carrying the pool of written queries from night to night is worth.

Seven nights of the product's own steps, on traffic that stands still, in four ways: as it is; with a pool that does not
steer what is written next; with nothing carried; and all batches in one night. Retrievers are the product's `static`
ones, trained on few or all real pairs with twice their weight of aligned written queries, and judged on test queries.
Then nights on a log that drifts (`tests.benchmarks.nights_drift`).

Lines that are done are kept in a file under the benchmarks' home: a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from synalign.evaluation import material
from synalign.evaluation.arms import arms
from synalign.evaluation.material import Material
from synalign.retriever.collection import Pairs
from synalign.retriever.measures import measure
from synalign.retriever.recipe import Recipe
from synalign.retriever.train import train
from synalign.run import Run
from tests.benchmarks.datasets import kept_folder
from tests.benchmarks.effectiveness import MASS, joined
from tests.benchmarks.made_data import data_folder
from tests.benchmarks.measurement import add_size
from tests.benchmarks.nights_drift import days
from tests.benchmarks.nights_report import ALONE, AT_ONCE, CARRIED, CONTROL, print_report
from tests.benchmarks.nights_steps import Way, midnight, night, run_of
from tests.benchmarks.nights_tables import beir

FIRST = midnight("2026-03-01")
ALL = "all"


class Study(NamedTuple):
    """How much is done.

    Attributes:
        names: The collections.
        nights: Of every way but the last.
        batches: Of a night, at most: early days of the log have queries for three.
        trained: After which nights retrievers are trained.
        labelled: Real train pairs that they have, `all` or how many.
        seeds: Trainings of every cell.
        recipe: Steps and batch size of the static retriever, as in `tests.benchmarks.effectiveness`.
        days: First day of the log that is done, and last day that is judged on.
    """

    names: tuple[str, ...]
    nights: int
    batches: int
    trained: tuple[int, ...]
    labelled: tuple[int | str, ...]
    seeds: int
    recipe: tuple[int, int]
    days: tuple[str, str]

    @property
    def made_with(self) -> str:
        """Tell results of other sizes apart."""
        sizes = (self.nights, self.batches, self.recipe, MASS)
        return hashlib.sha256(json.dumps(sizes).encode()).hexdigest()[:12]

    def ways(self) -> tuple[Way, ...]:
        """Return the ways that are compared."""
        return (
            Way(CARRIED, {}, self.nights),
            Way("carried, unexplored", {"pool": {"explored": False}}, self.nights),
            Way(ALONE, {"pool": {"nights": 0}}, self.nights),
            Way(AT_ONCE, {"pool": {"nights": 0}, "sampling": {"batches": self.nights * self.batches}}, 1),
        )

    def is_trained(self, way: Way, number: int) -> bool:
        """Tell whether retrievers are trained on what a night has."""
        return bool(self.seeds) and (number in self.trained or way.nights == 1)


FULL = Study(("clapnq", "cosqa"), 7, 24, (1, 4, 7), (100, ALL), 3, (200, 96), ("2020-01-14", "2020-01-27"))
SMALL = Study(("clapnq",), 2, 2, (1, 2), (8, ALL), 1, (2, 8), ("2020-01-23", "2020-01-25"))


class Kept:
    """The file of lines that are done.

    Args:
        file: Where.
        made_with: Lines of other sizes are left alone.
    """

    def __init__(self, file: Path, made_with: str) -> None:
        self._file, self._made_with = file, made_with
        self.rows: dict[tuple[Any, ...], dict[str, Any]] = {}
        for line in file.read_text().splitlines() if file.exists() else []:
            try:
                row = json.loads(line)
            except ValueError:
                continue  # torn by a kill
            if row.get("made_with") == made_with:
                self.rows[self._key(row)] = row

    def has(self, **named: Any) -> bool:
        """Tell whether a line is there."""
        return self._key(named) in self.rows

    def add(self, row: dict[str, Any]) -> None:
        """Write a line, and say so."""
        row = {"made_with": self._made_with, **row}
        self.rows[self._key(row)] = row
        with open(self._file, "ab") as file:
            file.write((json.dumps(row) + "\n").encode())
        shown = {key: value for key, value in row.items() if key not in ("made_with", "test")}
        print(json.dumps(shown), file=sys.stderr, flush=True)

    @staticmethod
    def _key(row: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(row.get(name) for name in ("kind", "collection", "way", "night", "labelled", "seed", "day"))


class Cell(NamedTuple):
    """What a retriever is trained on: real pairs, with or without a night's pool.

    Attributes:
        collection: Name of the collection.
        way: Of the night; `CONTROL`: the real pairs alone.
        night: Its number from 1; 0: none.
        labelled: Real train pairs.
        seed: Of the training.
    """

    collection: str
    way: str
    night: int
    labelled: int | str
    seed: int


class Trial:
    """Trains retrievers on what a night has.

    Args:
        run: The night.
        recipe: Steps and batch size.
    """

    def __init__(self, run: Run, recipe: tuple[int, int]) -> None:
        self._run, self._recipe = run, recipe

    def judge(self, cell: Cell) -> list[float]:
        """Train, and return nDCG@10 of each test query."""
        read = self._read
        real = _some(read.real, cell.labelled)
        weights = arms(read.pool, MASS * len(real.query), cell.seed)["control" if cell.way == CONTROL else "aligned"]
        recipe = Recipe("static", *self._recipe, seed=cell.seed, encoder=self._run.configuration.encoder)
        trained = train(read.collection, joined(real, read.written, weights), read.judged["validation"].pairs, recipe)
        test = read.judged["test"]
        scores = measure(trained.rank(test.places, 10), test.relevant, ["ndcg_at_10"])["ndcg_at_10"]
        return [round(score, 6) for score in scores.tolist()]

    @cached_property
    def _read(self) -> Material:
        return material.read(self._run)


def main(argv: list[str] | None = None) -> None:
    """Read the command line, do what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of public data sets")
    add_size(parser)
    parser.add_argument("--report", action="store_true", help="only print what is there")
    parser.add_argument("--output", type=Path, default=kept_folder() / "nights.jsonl")
    arguments = parser.parse_args(argv)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    study = SMALL if arguments.size == "smoke" else FULL
    kept = Kept(arguments.output, study.made_with)
    base = kept_folder() / f"nights-{study.made_with}"
    with data_folder(arguments.data, arguments.size) as data:
        if not arguments.report:
            if data is None:
                parser.error("--data is needed")
            for name in study.names:
                _still(study, data / name, base / name, kept)
            _drift(study, data, base / "bing_covid", kept)
    print_report(list(kept.rows.values()))


def _still(study: Study, folder: Path, base: Path, kept: Kept) -> None:
    """Do the nights of a collection whose traffic stands still, and their trainings."""
    source = {"kind": "beir", "path": str(folder)}
    for way in study.ways():
        missing = [number for number in range(1, way.nights + 1) if _missing(study, folder.name, way, number, kept)]
        # Every night takes up what those before it wrote; what they have done already is reused.
        for number in range(1, max(missing, default=0) + 1):
            start = FIRST + timedelta(days=number - 1)
            run = run_of(base, folder.name, source, way, start, study.batches)
            row = {"kind": "night", "collection": folder.name, "way": way.name, "night": number}
            figures = night(run, beir(folder, start))
            if not kept.has(**row):
                kept.add({**row, **figures})
            trial = Trial(run, study.recipe)
            for cell in _cells(study, folder.name, way, number):
                if not kept.has(kind="training", **cell._asdict()):
                    kept.add({"kind": "training", **cell._asdict(), "test": trial.judge(cell)})


def _missing(study: Study, name: str, way: Way, number: int, kept: Kept) -> bool:
    wanted = [{"kind": "night", "collection": name, "way": way.name, "night": number}]
    wanted += [{"kind": "training", **cell._asdict()} for cell in _cells(study, name, way, number)]
    return not all(kept.has(**row) for row in wanted)


def _cells(study: Study, name: str, way: Way, number: int) -> Iterator[Cell]:
    """Yield what is trained after a night; with the very first one also the real pairs alone."""
    if study.is_trained(way, number):
        own = [(way.name, number)]
        for trained, at in [(CONTROL, 0), *own] if (way.name, number) == (CARRIED, 1) else own:
            for labelled in study.labelled:
                for seed in range(study.seeds):
                    yield Cell(name, trained, at, labelled, seed)


def _drift(study: Study, data: Path, base: Path, kept: Kept) -> None:
    """Do the days of the log; from the first on where the last is missing, for each takes up the others."""
    first, judged = study.days
    if not kept.has(kind="day", day=(midnight(judged) - timedelta(days=1)).date().isoformat()):
        for row in days(data, base, first, judged, study.batches):
            if not kept.has(kind="day", day=row["day"]):
                kept.add({"kind": "day", **row})


def _some(real: Pairs, labelled: int | str) -> Pairs:
    """Return so many real pairs, drawn once for all ways, nights and seeds."""
    if labelled == ALL or len(real.query) <= int(labelled):
        return real
    rows = np.sort(np.random.default_rng(0).permutation(len(real.query))[: int(labelled)])
    return Pairs(real.query[rows], real.document[rows], real.weight[rows])


if __name__ == "__main__":
    main()
