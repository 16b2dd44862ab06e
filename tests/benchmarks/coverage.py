"""Do the demonstrations serve the traffic? On real queries, against the paper's criterion and simple anchors.

The figure is the mean distance from held-out real queries, by their traffic, to the nearest demonstration, at equal
budget: T batches of 8. Pool and held-out queries are disjoint halves, or earlier and later days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn.cluster import kmeans_plusplus

from synalign.sampling import sample_demonstrations
from tests.benchmarks.datasets import Split, bing_days, splits
from tests.benchmarks.measurement import Measurement, Size

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEIGHBOURS = 7


class Budgets(NamedTuple):
    """How much is shown.

    Attributes:
        batches: Numbers of batches that the criteria are compared at.
        intents: The one of them at which intents are counted.
        seeds: Random halves of each data set.
        a_day: Batches a day of the warm start.
    """

    batches: tuple[int, ...] = (10, 25, 50, 100)
    intents: int = 25
    seeds: int = 5
    a_day: tuple[int, ...] = (5, 10, 20)


FULL, SMOKE = Budgets(), Budgets((1, 2), 2, 1, (1,))


class Curve(NamedTuple):
    """Mean distance to the nearest demonstration on one data set: (criteria, budgets), mean over the splits.

    `floor` is the distance when every row of the pool is shown: nothing that is picked from it comes below.
    """

    name: str
    batches: list[int]
    criteria: list[str]
    distance: NDArray[np.float64]
    intents: NDArray[np.float64] | None
    floor: float


def distance_to(shown: NDArray[np.float32], asked: NDArray[np.float32], traffic: NDArray[np.float64]) -> float:
    """Mean over the traffic of the distance to the nearest row shown."""
    nearest = (asked @ shown.T).max(axis=1).astype(np.float64)
    return float(np.average(np.sqrt(np.maximum(2.0 - 2.0 * nearest, 0.0)), weights=traffic))


def _sampled(criterion: str) -> Callable[[Split, int, int], NDArray[np.int64]]:
    def pick(split: Split, batches: int, seed: int) -> NDArray[np.int64]:
        selection = sample_demonstrations(
            split.pool, batches, NEIGHBOURS, criterion=criterion, counts=split.pool_counts  # type: ignore[arg-type]
        )  # fmt: skip
        return np.column_stack([selection.anchors, selection.neighbours])

    return pick


def _with_nearest(split: Split, anchors: NDArray[np.int64]) -> NDArray[np.int64]:
    """Anchors with their nearest rows of the pool."""
    likeness = split.pool[anchors] @ split.pool.T
    likeness[np.arange(len(anchors)), anchors] = np.inf
    return np.argsort(-likeness, axis=1, kind="stable")[:, : NEIGHBOURS + 1]


def _random(split: Split, batches: int, seed: int) -> NDArray[np.int64]:
    return _with_nearest(split, np.random.default_rng(seed).permutation(len(split.pool))[:batches])


def _kmeans_plusplus(split: Split, batches: int, seed: int) -> NDArray[np.int64]:
    _, anchors = kmeans_plusplus(split.pool, batches, sample_weight=split.pool_counts, random_state=seed)
    return _with_nearest(split, anchors)


CRITERIA: dict[str, Callable[[Split, int, int], NDArray[np.int64]]] = {
    "coverage": _sampled("coverage"),
    "variance": _sampled("variance"),
    "random": _random,
    "k-means++": _kmeans_plusplus,
}


def curves(data: Path, shown: Budgets = FULL) -> list[Curve]:
    """Every criterion on every data set and budget."""
    by_name: dict[str, list[Split]] = {}
    for seed in range(shown.seeds):
        for split in splits(data, seed):
            by_name.setdefault(split.name, []).append(split)
    return [_curve(name, cuts, shown.batches) for name, cuts in by_name.items()]


def _curve(name: str, cuts: list[Split], wanted: tuple[int, ...]) -> Curve:
    budgets = [count for count in wanted if count * (NEIGHBOURS + 1) <= len(cuts[0].pool)]
    distance = np.empty((len(CRITERIA), len(budgets), len(cuts)))
    intents = np.full_like(distance, np.nan)
    for at, cut in np.ndenumerate(np.arange(len(cuts))):
        split = cuts[cut]
        for row, pick in enumerate(CRITERIA.values()):
            batches = pick(split, budgets[-1], cut) if row < 2 else None
            for column, budget in enumerate(budgets):
                # Greedy choices are nested: the first T batches of a longer run are the run of T.
                rows = batches[:budget] if batches is not None else pick(split, budget, cut)
                shown = np.unique(rows)
                distance[row, column, at[0]] = distance_to(split.pool[shown], split.held_out, split.held_out_counts)
                if split.pool_labels is not None:
                    intents[row, column, at[0]] = len(set(split.pool_labels[shown]))
    found = intents.mean(axis=2) if cuts[0].pool_labels is not None else None
    floor = np.mean([distance_to(cut.pool, cut.held_out, cut.held_out_counts) for cut in cuts])
    return Curve(name, budgets, list(CRITERIA), distance.mean(axis=2), found, float(floor))


def warm_and_cold(data: Path, batches_a_day: int) -> tuple[list[str], NDArray[np.float64]]:
    """Day by day of the Bing log: distance of the next day's traffic to all shown so far.

    Returns:
        The days judged on, and (2, days): conditioned on the days before, and started afresh each day.
    """
    days = bing_days(data)
    shown: list[list[NDArray[np.float32]]] = [[], []]
    distance = np.empty((2, len(days) - 1))
    for place, (_, vectors, traffic) in enumerate(days[:-1]):
        for way in range(2):
            earlier = np.concatenate(shown[0]) if way == 0 and place else None
            selection = sample_demonstrations(vectors, batches_a_day, NEIGHBOURS, counts=traffic, shown=earlier)
            rows = np.column_stack([selection.anchors, selection.neighbours])
            shown[way].append(vectors[rows.ravel()])
            _, later, later_traffic = days[place + 1]
            distance[way, place] = distance_to(np.concatenate(shown[way]), later, later_traffic)
    return [day for day, *_ in days[1:]], distance


def coverage_lines(data: Path, form: Size) -> Iterator[Measurement]:
    """Lines of the table: each rival on each data set, the intents found, and the warm start."""
    budgets = SMOKE if form == "smoke" else FULL
    for curve in curves(data, budgets):
        for row, rival in enumerate(curve.criteria[1:], start=1):
            ratio = float(np.mean(curve.distance[0] / curve.distance[row]))
            goal = 0.91 if rival == "variance" else 1.0
            yield Measurement(
                task="coverage of real traffic",
                size=f"{curve.name}, T = {', '.join(map(str, curve.batches))}",
                ours=float(curve.distance[0].mean()),
                rival=float(curve.distance[row].mean()),
                rival_name=rival,
                unit="mean distance",
                ratio=ratio,
                goal=f"<= {goal}",
                met=ratio <= goal,
                accuracy=" ".join(f"{one:.3f}/{other:.3f}" for one, other in curve.distance[[0, row]].T)
                + f"; all {curve.floor:.3f}",
            )
        if curve.intents is not None:
            column = curve.batches.index(budgets.intents)
            ours, paper = curve.intents[0, column], curve.intents[1, column]
            yield Measurement(
                task="intents found", size=f"{curve.name}, T = {budgets.intents}", ours=float(ours), rival=float(paper),
                rival_name="variance", unit="of 77", ratio=float(ours / paper), goal="> 1", met=bool(ours > paper),
            )  # fmt: skip
    for batches in budgets.a_day:
        days, distance = warm_and_cold(data, batches)
        ratio = float((distance[0] / distance[1])[1:].mean())
        yield Measurement(
            task="warm start", size=f"bing_covid, {days[1]} to {days[-1]}, {batches} batches a day",
            ours=float(distance[0, 1:].mean()), rival=float(distance[1, 1:].mean()), rival_name="cold start",
            unit="mean distance", ratio=ratio, goal="<= 0.85", met=ratio <= 0.85,
            accuracy=" ".join(f"{one:.3f}/{other:.3f}" for one, other in distance.T),
        )  # fmt: skip
