"""What each step costs per unit of its work, at two sizes: a cost that is a formula is the same at both.

CPU seconds of this process, all threads together: on a busy machine a wall clock measures the neighbours.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from synalign.alignment import align
from synalign.alignment.real_side import real_side
from synalign.config import Encoder
from synalign.embedding import encoder
from synalign.retriever.collection import Collection, Pairs
from synalign.retriever.ranking import rank
from synalign.retriever.recipe import Recipe
from synalign.retriever.train import train
from synalign.sampling import sample_demonstrations
from synalign.sampling.landmarks import GAIN_BYTES, LANDMARKS
from synalign.screening.copied import copied_spans
from synalign.screening.real_queries import Closest
from tests.benchmarks.measurement import Size, add_size

WIDTH = 384
_FIRST_CALL = 64
_WORDS = ("red", "blue", "large", "small", "cotton", "kettle", "running", "shoes", "garden", "table", "lamp", "phone")


class Cost(NamedTuple):
    """What a unit of a step's work costs.

    Attributes:
        step: The step, and which part of it.
        unit: Of what there are so many, as a formula in the sizes of the run.
        sizes: Units of work at the two sizes.
        seconds: CPU seconds per unit at the two sizes.
    """

    step: str
    unit: str
    sizes: tuple[float, float]
    seconds: tuple[float, float]


def costs(form: Size = "full") -> Iterator[Cost]:
    """Every cost but those of Spark's steps, which the ingest of the made log has."""
    torch.set_num_threads(1)
    tiny = form == "smoke"
    yield _embedding("embed, a query of 6 words", 6, (8, 16) if tiny else (400, 800))
    yield _embedding("embed, a document of 100 words", 100, (2, 4) if tiny else (24, 48))
    yield _sampling((400, 800) if tiny else (30_000, 60_000), 5 if tiny else 50)
    pairs = ((20, 80), (40, 160))
    yield _scores(
        "screen, cosines", "candidates x (queries + documents)", pairs if tiny else ((500, 40_000), (1000, 80_000))
    )
    yield _copies((20, 40) if tiny else (500, 1000))
    yield _means(pairs if tiny else ((1000, 20_000), (2000, 40_000)))
    yield _weights((40, 80) if tiny else (1000, 2000))
    yield _training((2, 4) if tiny else (50, 100))
    yield _ranking(pairs if tiny else ((500, 20_000), (1000, 40_000)))


def unit_rows(rows: int, seed: int) -> NDArray[np.float32]:
    """Rows in clusters, as queries are: noise around a hundred directions."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(100, WIDTH))
    made = centres[rng.integers(0, 100, rows)] + rng.normal(size=(rows, WIDTH))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def _seconds(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _cost(step: str, unit: str, sizes: tuple[float, float], works: tuple[Callable[[], Any], Callable[[], Any]]) -> Cost:
    # What is imported and compiled once is no part of a unit's cost.
    works[0]()
    first, second = (_seconds(work) / size for size, work in zip(sizes, works, strict=True))
    return Cost(step, unit, sizes, (first, second))


def _embedding(step: str, words: int, counts: tuple[int, int]) -> Cost:
    settings = Encoder(precision="float32")
    rng = np.random.default_rng(words)
    texts = [" ".join(rng.choice(_WORDS, words)) + f" {number}" for number in range(sum(counts))]
    encoder.encode(texts[:_FIRST_CALL], settings)
    small, large = texts[: counts[0]], texts[counts[0] :]
    works = (lambda: encoder.encode(small, settings), lambda: encoder.encode(large, settings))
    return _cost(step, "texts", counts, works)


def _sampling(counts: tuple[int, int], batches: int) -> Cost:
    given = [unit_rows(count, count) for count in counts]
    works = [lambda rows=rows: sample_demonstrations(rows, batches, 7) for rows in given]
    candidates = GAIN_BYTES // 4 // LANDMARKS
    units = [float(candidates * (count + LANDMARKS)) for count in counts]
    unit = f"{candidates} candidates x (train queries + {LANDMARKS} landmarks)"
    return _cost("sample, beyond 20,000 queries", unit, (units[0], units[1]), (works[0], works[1]))


def _scores(step: str, unit: str, sizes: tuple[tuple[int, int], tuple[int, int]]) -> Cost:
    given = [(unit_rows(rows, 1), unit_rows(others, 2)) for rows, others in sizes]
    works = [lambda rows=rows, others=others: Closest(rows, 0.95).add(others) for rows, others in given]
    units = [float(rows * others) for rows, others in sizes]
    return _cost(step, unit, (units[0], units[1]), (works[0], works[1]))


def _copies(counts: tuple[int, int]) -> Cost:
    rng = np.random.default_rng(3)
    words = np.array([f"word{number}" for number in range(2000)])
    documents = [("", " ".join(rng.choice(words, 100))) for _ in range(200)]
    queries = [" ".join(rng.choice(words, 6)) for _ in range(max(counts))]
    works = [
        lambda count=count: copied_spans(queries[:count], documents, np.arange(count) % 200, None) for count in counts
    ]
    return _cost("screen, copied words", "candidates", counts, (works[0], works[1]))


def _means(sizes: tuple[tuple[int, int], tuple[int, int]]) -> Cost:
    given = [(unit_rows(rows, 4), unit_rows(real, 5)) for rows, real in sizes]
    works = [lambda rows=rows, real=real: real_side(rows, real, 1.0) for rows, real in given]
    units = [float(real * (rows + real)) for rows, real in sizes]
    unit = "train queries x (candidates + train queries)"
    return _cost("align, kernels to real rows", unit, (units[0], units[1]), (works[0], works[1]))


def _weights(counts: tuple[int, int]) -> Cost:
    real = unit_rows(4000, 6)
    given = [unit_rows(count, 7) for count in counts]
    sides = [real_side(rows, real, 1.0) for rows in given]
    found = []
    seconds = []
    for rows, side in zip(given, sides, strict=True):
        start = time.process_time()
        found.append(align(rows, side))
        seconds.append(time.process_time() - start)
    units = [found[place].iterations * float(count) ** 2 for place, count in enumerate(counts)]
    each = tuple(spent / unit for spent, unit in zip(seconds, units, strict=True))
    return Cost("align, solving", "iterations x candidates^2", (units[0], units[1]), (each[0], each[1]))


def _training(steps: tuple[int, int]) -> Cost:
    queries, documents = unit_rows(4000, 8), unit_rows(2000, 9)
    texts = [f"text {number}" for number in range(4000)]
    collection = Collection(texts, texts[:2000], queries, documents)
    pairs = Pairs(np.arange(4000), np.arange(4000) % 2000, np.ones(4000))
    none = Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    works = [lambda count=count: train(collection, pairs, none, Recipe("adapter", steps=count)) for count in steps]
    return _cost("evaluate, training the adapter", "trainings x steps", steps, (works[0], works[1]))


def _ranking(sizes: tuple[tuple[int, int], tuple[int, int]]) -> Cost:
    given = [(unit_rows(rows, 10), unit_rows(documents, 11)) for rows, documents in sizes]
    works = [lambda rows=rows, documents=documents: rank(rows, documents, 100) for rows, documents in given]
    units = [float(rows * documents) for rows, documents in sizes]
    unit = "trainings x judged queries x ranked documents"
    return _cost("evaluate, ranking", unit, (units[0], units[1]), (works[0], works[1]))


def main(argv: list[str] | None = None) -> None:
    """Measure all of them, and print each as it comes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    add_size(parser)
    arguments = parser.parse_args(argv)
    output, found = arguments.output, []
    for cost in costs(arguments.size):
        found.append(cost)
        print(f"{cost.step} | {cost.unit} | {cost.seconds[0]:.3g} s | {cost.seconds[1]:.3g} s", flush=True)
    if output is not None:
        output.write_text(json.dumps([cost._asdict() for cost in found], indent=1) + "\n")


if __name__ == "__main__":
    main()
