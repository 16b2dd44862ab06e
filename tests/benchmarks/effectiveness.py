"""`make bench-effectiveness DATA=PATH`: what each weighting does to a retriever, on real queries.

Every arm is trained with the same recipe and seeds. Real pairs come 1 to 2 synthetic ones by weight. Validation queries
pick checkpoints and choose among the schemes; test queries are only reported. Trainings that are done are kept in a
file under the benchmarks' home, one line each: a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synalign.config import Negatives
from synalign.config.schemes import SCHEMES
from synalign.evaluation.arms import arms
from synalign.retriever.collection import Pairs
from synalign.retriever.measures import measure
from synalign.retriever.recipe import Kind, Recipe
from synalign.retriever.train import Trained, prepare, train
from tests.benchmarks.datasets import kept_folder
from tests.benchmarks.effectiveness_pools import COLLECTIONS, POOLS, SMOKE, Sizes, World, Written
from tests.benchmarks.effectiveness_report import print_report
from tests.benchmarks.made_data import data_folder
from tests.benchmarks.measurement import add_size

MASS = 2.0
PAIRS_ONLY = ", pairs only"
"""Behind the name of an arm: trained without hard negatives and teacher."""

TAUGHT: dict[Kind, tuple[str, int]] = {"static": ("encoder", Negatives().per_pair)}
"""Who teaches a kind of retriever, on how many hard negatives: what the product does by default."""

REAL_ONLY = "real only"
"""Stands for the pool where there is none."""


class Job(NamedTuple):
    """Trainings that share a pool, of every kind of retriever.

    Attributes:
        name: Of the collection.
        labelled: Real train pairs.
        pool: One of `POOLS`, or `REAL_ONLY` for the arms without synthetic pairs.
    """

    name: str
    labelled: int
    pool: str


class Study(NamedTuple):
    """How much is trained.

    Attributes:
        labelled: Real train pairs, a cell of the table for each.
        seeds: Trainings of every arm.
        recipes: Steps and batch size; learning rates are the product's.
        sizes: Of the pools.
        names: The collections.
        pools: The pools.
    """

    labelled: tuple[int, ...]
    seeds: int
    recipes: dict[Kind, tuple[int, int]]
    sizes: Sizes
    names: tuple[str, ...] = COLLECTIONS
    pools: tuple[str, ...] = POOLS

    def jobs(self) -> list[Job]:
        """Return all of them."""
        return [
            Job(name, labelled, pool)
            for labelled in self.labelled
            for pool in (REAL_ONLY, *self.pools)
            for name in self.names
        ]

    def trainings(self, job: Job) -> int:
        """Count a job's: control with every seed and the retriever before training, or five arms with every seed.

        Where a teacher teaches, control and the three schemes are trained on pairs alone too.
        """
        taught = len(TAUGHT.keys() & self.recipes.keys())
        if job.pool == REAL_ONLY:
            return len(self.recipes) * (self.seeds + 1) + taught * self.seeds
        return (len(self.recipes) * 5 + taught * len(SCHEMES)) * self.seeds

    def made_with(self, retriever: Kind) -> str:
        """Tell results of other sizes or recipes apart."""
        made = [(*self.sizes, MASS), self.recipes[retriever], *TAUGHT.get(retriever, ())]
        return hashlib.sha256(json.dumps(made).encode()).hexdigest()[:12]


FULL = Study((100, 300), 3, {"adapter": (100, 96), "static": (200, 96)}, Sizes())
ON_REQUEST: dict[Kind, tuple[int, int]] = {"full": (150, 32)}
"""Kinds that take hours without a GPU: trained where `--retrievers` names them."""
SMALL = Study((8,), 1, {"adapter": (2, 8), "static": (2, 8)}, SMOKE, ("clapnq",), ("junk", "off domain"))


def main(argv: list[str] | None = None) -> None:
    """Read the command line, train what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of public data sets")
    add_size(parser)
    parser.add_argument("--processes", type=int, default=2)
    kinds = [*FULL.recipes, *ON_REQUEST]
    parser.add_argument("--retrievers", nargs="+", choices=kinds, help="default: all but full, which takes hours")
    parser.add_argument("--collections", nargs="+", choices=COLLECTIONS, default=list(COLLECTIONS))
    parser.add_argument("--pools", nargs="+", choices=POOLS, default=list(POOLS))
    parser.add_argument("--labelled", nargs="+", type=int, choices=FULL.labelled, default=list(FULL.labelled))
    parser.add_argument("--report", action="store_true", help="only print what is there")
    parser.add_argument("--output", type=Path, default=kept_folder() / "effectiveness.jsonl")
    arguments = parser.parse_args(argv)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    study = SMALL if arguments.size == "smoke" else _asked_for(arguments)
    with data_folder(arguments.data, arguments.size) as data:
        if not arguments.report:
            if data is None:
                parser.error("--data is needed")
            # Another process would import torch: the smoke form has none.
            with (
                ThreadPoolExecutor(1)
                if study is SMALL
                else ProcessPoolExecutor(arguments.processes, mp_context=get_context("spawn")) as executor
            ):
                _train_all(study, data, arguments.output, executor)
    print_report(list(kept(study, arguments.output).values()))


def _asked_for(arguments: argparse.Namespace) -> Study:
    """Return the whole study, or the part of it that the command line names."""
    kinds = arguments.retrievers or list(FULL.recipes)
    recipes = {kind: recipe for kind, recipe in {**FULL.recipes, **ON_REQUEST}.items() if kind in kinds}
    return FULL._replace(
        labelled=tuple(arguments.labelled),
        recipes=recipes,
        names=tuple(arguments.collections),
        pools=tuple(arguments.pools),
    )


def kept(study: Study, output: Path) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The trainings that are done and were made with these sizes and recipes, by what they are."""
    if not output.exists():
        return {}
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for line in output.read_text().splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue  # torn by a kill
        if row["retriever"] in study.recipes and row["made_with"] == study.made_with(row["retriever"]):
            rows[row["name"], row["labelled"], row["pool"], row["retriever"], row["arm"], row["seed"]] = row
    return rows


def _train_all(study: Study, data: Path, output: Path, executor: Executor) -> None:
    started, done, finished = time.monotonic(), 0, kept(study, output)
    todo = [job for job in study.jobs() if len([key for key in finished if key[:3] == job]) < study.trainings(job)]
    total = sum(map(study.trainings, todo))
    futures = {executor.submit(_train, study, job, data, output): job for job in todo}
    for future in as_completed(futures):
        job, rows = futures[future], future.result()
        done += study.trainings(job)
        spent = time.monotonic() - started
        print(
            f"{done} of {total} trainings, {' | '.join(map(str, job))}: {rows} new in {spent / 60:.0f} min, "
            f"about {spent / done * (total - done) / 60:.0f} min left",
            file=sys.stderr, flush=True,
        )  # fmt: skip


def _train(study: Study, job: Job, data: Path, output: Path) -> int:
    """Train and judge what is missing of a job; how many that was."""
    finished = {key[3:] for key in kept(study, output) if key[:3] == job}
    world, count = World(data, job.name, job.labelled, study.sizes), 0
    written = None if job.pool == REAL_ONLY else world.written(job.pool)
    for retriever, seed, arm, pairs in _trainings(study, world, written):
        if (retriever, arm, seed) in finished:
            continue
        made_with, recipe = study.made_with(retriever), Recipe(retriever, *study.recipes[retriever], seed=seed)
        if pairs is not None and pairs.negatives is not None:
            recipe = recipe._replace(teacher="encoder")
        row = {**job._asdict(), "retriever": retriever, "made_with": made_with, "arm": arm, "seed": seed}
        row |= _judged(world, pairs, recipe)
        if written is not None:
            row["removed"] = written.removed
        with open(output, "ab") as file:
            file.write((json.dumps(row) + "\n").encode())
        count += 1
    return count


def _trainings(study: Study, world: World, written: Written | None) -> Iterator[tuple[Kind, int, str, Pairs | None]]:
    """Retriever, seed, arm and what it trains on; None: nothing."""
    real, *others = world.with_negatives(world.real("train"), *([written.pairs] if written else []))
    for retriever in study.recipes:
        taught = retriever in TAUGHT
        if written is None:
            yield retriever, 0, "untrained", None
        for seed in range(study.seeds):
            if written is None:
                yield retriever, seed, "control", real if taught else real.alone()
                if taught:
                    yield retriever, seed, "control" + PAIRS_ONLY, real.alone()
                continue
            for arm, weights in arms(written.pool, MASS * len(real.query), seed).items():
                if arm == "control":
                    continue
                pairs = real.joined(others[0], weights)
                yield retriever, seed, arm, pairs if taught else pairs.alone()
                if taught and arm in SCHEMES:
                    yield retriever, seed, arm + PAIRS_ONLY, pairs.alone()


def joined(real: Pairs, written: Pairs, weights: NDArray[np.float64]) -> Pairs:
    rows = weights > 0.0
    return Pairs(
        np.concatenate([real.query, written.query[rows]]),
        np.concatenate([real.document, written.document[rows]]),
        np.concatenate([real.weight, weights[rows]]),
    )


def _judged(world: World, pairs: Pairs | None, recipe: Recipe) -> dict[str, Any]:
    """Train, and ask the test queries."""
    test = world.real("test")
    if pairs is None:
        trained = Trained(prepare(world.collection, recipe).learner(), world.collection, recipe)
    else:
        trained = train(world.collection, pairs, world.real("validation"), recipe)
    found = measure(trained.rank(test.query, 10), [{document} for document in test.document.tolist()])
    return {
        "step": trained.step,
        "validation": trained.validation.get(trained.step),
        "test": found["ndcg_at_10"].round(6).tolist(),
    }


if __name__ == "__main__":
    main()
