"""Experiments to simulate: what units do, day by day, as the sums that Spark would hand to the read-out.

A world draws what units give; `looks` divides the units at random, adds up per arm, and gives a `Log` for each day, as
`synalign.experiment.logs.read` does from files. A test holds that the sums are those of the raw values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tea_tasting.aggr import Aggregates

from synalign.experiment import ExperimentPlan
from synalign.experiment.effects import BEFORE, columns
from synalign.experiment.logs import Log

START, DAYS = date(2026, 3, 1), 20
Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, int]], dict[str, Floats]]


class World(NamedTuple):
    """What units do.

    Attributes:
        name: In reports.
        draw: Values of columns, arrays (tests, units): of a unit's whole stay, or of one of its days.
        moments: Mean and variance per unit of the primary metric, as a plan's baseline has them; None: not known.
        ratio: Whether the primary metric is `value` per `visits`.
        covariate: Whether the days before are taken out.
        returns: Whether units come back every day: then values are drawn for each, times a factor that stays with the
            unit.
        other: What units of the treatment do instead, if that is of another kind and not a multiple.
        arrive: `evenly`, or `ramp`: a tenth of the traffic for five days, then all.
    """

    name: str
    draw: Draw
    moments: tuple[float, float] | None = None
    ratio: bool = False
    covariate: bool = False
    returns: bool = False
    other: Draw | None = None
    arrive: str = "evenly"


def log_normal(sigma: float, buyers: float) -> World:
    """Revenue: a share of the units buys, for an amount that is log-normal."""
    mean, square = buyers * math.exp(sigma**2 / 2.0), buyers * math.exp(2.0 * sigma**2)

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> dict[str, Floats]:
        return {"value": bought(rng, np.exp(sigma * rng.standard_normal(shape, np.float32)), buyers)}

    return World(f"log-normal {sigma:g}, {buyers:.0%} buy", draw, (mean, square - mean**2))


def bought(rng: np.random.Generator, values: Any, buyers: float) -> Any:
    """Values of those who buy; 0 of the others."""
    return values if buyers >= 1.0 else values * (rng.random(values.shape, np.float32) < buyers)


@cache
def clicks_per_search(sigma: float = 1.0) -> World:
    """A ratio: searches are skewed, and a person's chance of a click stays with them."""

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> dict[str, Floats]:
        visits = 1.0 + rng.poisson(2.0 * np.exp(sigma * rng.standard_normal(shape)))
        return {"value": rng.binomial(visits.astype(int), rng.beta(4.0, 6.0, shape)).astype(float), "visits": visits}

    values = draw(np.random.default_rng(0), (1, 2_000_000))
    ratio = float(values["value"].mean() / values["visits"].mean())
    linear = (values["value"] - ratio * values["visits"]) / values["visits"].mean()
    return World(f"clicks per search, searches {sigma:g}", draw, (ratio, float(linear.var())), ratio=True)


def plan(world: World, share: float, **fields: Any) -> ExperimentPlan:
    """A plan of 20 days for a world."""
    metric = {"name": "metric", "numerator": "value", "denominator": "visits" if world.ratio else None}
    content = {
        "id": "simulated", "retriever": "shop", "hypothesis": "None.", "owner": "bench", "salt": "simulated",
        "start": START, "stop": START + timedelta(days=DAYS - 1), "treatment_share": share, "primary": metric,
        "covariate": {"days": 14} if world.covariate else None,
        "arms": [
            {"name": "control", "model_uri": "a"},
            {"name": "treatment", "model_uri": "b",
             "training_set": {"model": "m", "version": "1", "digest": "0" * 64}},
        ],
    }  # fmt: skip
    return ExperimentPlan.model_validate({**content, **fields})


def looks(
    world: World, made: ExperimentPlan, units: int, tests: int, rng: np.random.Generator, change: float = 0.0
) -> Iterator[tuple[int, list[Log]]]:
    """Logs of many experiments, day by day.

    Args:
        world: What units do.
        made: The plan.
        units: Units of all arms by the last day.
        tests: Experiments.
        rng: Draws units and arms.
        change: What the treatment does: it multiplies `value` by 1 + change.

    Yields:
        A day, from 1 on, and a log per experiment.
    """
    treated = rng.random((tests, units)) < made.treatment_share
    arrived = present(world, units)
    total = {name: np.zeros((tests, units)) for name in columns(made).names}
    factor = rng.gamma(0.5, 2.0, (tests, units)) if world.returns else None
    once = None if world.returns else world.draw(rng, treated.shape)
    if once is not None and world.other is not None:
        once = {"value": np.where(treated, world.other(rng, treated.shape)["value"], once["value"])}
    unit_days, newest = 0.0, 0
    sums = _Sums(made, tests)
    for day in range(1, DAYS + 1):
        here, unit_days = arrived[day - 1], unit_days + arrived[day - 1]
        fresh = slice(0 if world.returns else newest, here)
        values = world.draw(rng, (tests, here)) if once is None else {key: each[:, fresh] for key, each in once.items()}
        for name, each in values.items():
            scaled = each if factor is None else each * factor[:, fresh]
            effect = 1.0 + change * treated[:, fresh] if name == "value" else 1.0
            total[name][:, fresh] += scaled * effect
        if world.returns:
            sums = _Sums(made, tests)
        sums.add({name: each[:, fresh] for name, each in total.items()}, treated[:, fresh])
        newest = here
        yield day, sums.logs(unit_days)


def present(world: World, units: int) -> list[int]:
    """Units of both arms by the end of each day."""
    shares = np.ones(DAYS)
    if world.arrive == "ramp":
        shares[:5] = 0.1
    return [int(each) for each in np.floor(units * np.cumsum(shares) / shares.sum() + 1e-9)]


class _Sums:
    """Sums and sums of products over the units of each arm, of many experiments."""

    def __init__(self, made: ExperimentPlan, tests: int) -> None:
        names, pairs = columns(made).names, columns(made).pairs
        self.names, self.pairs = names, pairs
        self.units = np.zeros((2, tests))
        self.first = {name: np.zeros((2, tests)) for name in names}
        self.second = {pair: np.zeros((2, tests)) for pair in (*pairs, *((name, name) for name in names))}

    def add(self, values: dict[str, Floats], treated: NDArray[np.bool_]) -> None:
        for arm, members in enumerate((~treated, treated)):
            self.units[arm] += members.sum(1)
            mine = {name: each * members for name, each in values.items()}
            for name, each in mine.items():
                self.first[name][arm] += each.sum(1)
            for left, right in self.second:
                self.second[left, right][arm] += np.einsum("tu,tu->t", mine[left], mine[right])

    def logs(self, unit_days: float) -> list[Log]:
        return [self._log(test, unit_days) for test in range(self.units.shape[1])]

    def _log(self, test: int, unit_days: float) -> Log:
        arms = {}
        for arm, label in enumerate(("control", "treatment")):
            units = float(self.units[arm, test])
            mean = {name: float(each[arm, test]) / max(units, 1.0) for name, each in self.first.items()}
            moment = {
                (a, b): (float(each[arm, test]) - units * mean[a] * mean[b]) / max(units - 1.0, 1.0)
                for (a, b), each in self.second.items()
            }
            arms[label] = Aggregates(
                count_=int(units),
                mean_=mean,
                var_={name: moment[name, name] for name in self.names},
                cov_={pair: moment[pair] for pair in self.pairs},
            )
        counts = {label: each.count() for label, each in arms.items()}
        return Log(counts, unit_days, arms, 0, 0, 0, 0, 0, 0, 0, (), ())


def before(values: Floats, explained: Floats) -> dict[str, Floats]:
    """A column and what units did of it before."""
    return {"value": values, BEFORE + "value": explained}
