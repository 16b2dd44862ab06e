"""Made exposures and outcomes of an online test whose truth is known: what the read-out is tried on.

People search, see results of one of two retrievers, click and order. How often a person comes and how often they click
differs from person to person and stays with them, so what they did before the test says something about what they do
in it (there is something for CUPED to explain). The treatment multiplies everybody's chance of a click; nothing else
differs. Arms are those of `synalign.experiment.assignment`, not drawn here.

Every day is drawn with a generator of its own: days made later leave the files of earlier ones as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synalign.errors import ArgumentError
from synalign.experiment.assignment import assign
from synalign.experiment.plan import Baseline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.experiment.plan import Covariate, ExperimentPlan

MOST_CLICKS = 0.8
"""Chance of a click on a search, of those who click most; the treatment must not lift it above 1."""

LONGEST_LAG = 1_800
"""Seconds from seeing results to the outcome, at most; a visit ends on the day on which it began."""

_INSTANT = pa.timestamp("us", tz="UTC")
EXPOSURES = pa.schema(
    [("unit_id", pa.string()), ("arm", pa.string()), ("exposed_at", _INSTANT), ("plan_digest", pa.string())]
)
OUTCOMES = pa.schema(
    [
        *(("unit_id", pa.string()), ("at", _INSTANT), ("searches", pa.int64()), ("clicks", pa.int64())),
        *(("orders", pa.int64()), ("latency_ms", pa.float64())),
    ]
)


class World(NamedTuple):
    """Who searches, and what the treatment does to them.

    Attributes:
        units: People who may come.
        visits: About the share of them that comes on a day.
        uplift: Relative change of the chance of a click under treatment; 0 is an A/A test.
        lost: Share of the treatment's people whose exposures never reach the log, which breaks the sample ratio.
        seed: The same seed gives the same bytes.
    """

    units: int = 20_000
    visits: float = 0.2
    uplift: float = 0.0
    lost: float = 0.0
    seed: int = 0

    def check(self) -> None:
        """Refuse a world that cannot be drawn.

        Raises:
            ArgumentError: A number is out of its bounds.
        """
        if self.units < 1:
            raise ArgumentError("units", self.units, "must be >= 1")
        if not 0.0 < self.visits < 0.9:
            raise ArgumentError("visits", self.visits, "must be > 0 and < 0.9")
        if not -1.0 <= self.uplift <= 1.0 / MOST_CLICKS - 1.0:
            raise ArgumentError("uplift", self.uplift, f"must be >= -1 and <= {1.0 / MOST_CLICKS - 1.0:.2f}")
        if not 0.0 <= self.lost < 1.0:
            raise ArgumentError("lost", self.lost, "must be >= 0 and < 1")


class Made(NamedTuple):
    """Where the logs lie: two folders with one Parquet file per day."""

    exposures: Path
    outcomes: Path


class People(NamedTuple):
    """What stays the same about a person, arrays of shape (units,).

    Attributes:
        names: Ids.
        visit: Chance to come on a day.
        click: Chance of a click on a search, under control.
        lost: Where exposures of the treatment would be lost.
    """

    names: NDArray[np.object_]
    visit: NDArray[np.float64]
    click: NDArray[np.float64]
    lost: NDArray[np.bool_]


class Visits(NamedTuple):
    """One day's visits, arrays of shape (visits,).

    Attributes:
        unit: Place of the person in `People`.
        second: When they came, in seconds since midnight, ascending.
        lag: Seconds from seeing results to the outcome.
        searches: At least one.
        clicks: At most one per search.
        orders: At most one per click.
        latency: Of all the searches together, in milliseconds.
    """

    unit: NDArray[np.int64]
    second: NDArray[np.float64]
    lag: NDArray[np.float64]
    searches: NDArray[np.int64]
    clicks: NDArray[np.int64]
    orders: NDArray[np.int64]
    latency: NDArray[np.float64]


def people(world: World) -> People:
    """Everybody who may come."""
    world.check()
    rng = np.random.default_rng([world.seed, 0])
    names = np.array([f"user-{number:07d}" for number in range(world.units)], dtype=object)
    # Few come daily and many rarely; most click on a third of their searches.
    rate = -np.log1p(-world.visits) * rng.gamma(2.0, 0.5, world.units)
    click = MOST_CLICKS * rng.beta(4.0, 5.0, world.units)
    return People(names, -np.expm1(-rate), click, rng.random(world.units) < world.lost)


def make(plan: ExperimentPlan, folder: Path, world: World, *, until: date | None = None) -> Made:
    """Write the logs of an experiment, from the first day of its pre-period on.

    Memory is some 100 bytes per unit; a day is written before the next is drawn.

    Args:
        plan: Says who gets which arm on which day, and how long the pre-period is.
        folder: Gets the folders `exposures` and `outcomes`; files of the same days are replaced.
        world: The truth.
        until: Last day; default: the plan's last.

    Returns:
        The two folders.

    Raises:
        ArgumentError: The world cannot be drawn.
    """
    everybody = people(world)
    made = Made(folder / "exposures", folder / "outcomes")
    for place in made:
        place.mkdir(parents=True, exist_ok=True)
    before = plan.covariate.days if plan.covariate else 0
    arms = np.full(world.units, "", dtype=object)
    for day in _days(plan.start - timedelta(days=before), until or plan.stop):
        if day >= plan.start:
            arms = _arms(plan, everybody.names, arms, day)
        visits = _visits(everybody, arms == "treatment", world, day)
        pq.write_table(_outcomes(everybody, visits, day), made.outcomes / f"{day}.parquet", compression="zstd")
        if day >= plan.start:
            exposures = _exposures(plan, everybody, arms, visits, day)
            pq.write_table(exposures, made.exposures / f"{day}.parquet", compression="zstd")
    return made


def baseline(world: World, start: date, days: int, covariate: Covariate | None) -> Baseline:
    """Return clicks per search of the days before a test; its size is computed from them.

    Args:
        world: The truth; the treatment plays no part.
        start: First day of the test; the days before it are looked at.
        days: How long the test is to be.
        covariate: What comes before those days is used as the test will use its pre-period.

    Returns:
        Mean, variance per person of the linearised ratio (Deng, Knoblich & Lu 2018, "Applying the delta method in
        metric analytics") less what the covariate explains of it (Deng et al. 2013, CUPED), and new people a day.
    """
    everybody = people(world)
    first = start - timedelta(days=days)
    searches, clicks = _sums(everybody, world, first, days)
    came = searches > 0
    ratio = clicks.sum() / searches.sum()
    variance = float(np.var(_linear(searches, clicks, came), ddof=1))
    if covariate is not None:
        earlier = _sums(everybody, world, first - timedelta(days=covariate.days), covariate.days)
        explained = np.corrcoef(_linear(searches, clicks, came), _linear(*earlier, came))[0, 1] ** 2
        variance *= 1.0 - explained
    return Baseline(mean=float(ratio), variance=variance, units_per_day=float(came.sum()) / days)


def _sums(everybody: People, world: World, first: date, days: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Everybody's searches and clicks under control, over some days."""
    nobody = np.zeros(world.units, dtype=np.bool_)
    searches, clicks = np.zeros((2, world.units))
    for day in _days(first, first + timedelta(days=days - 1)):
        visits = _visits(everybody, nobody, world, day)
        searches[visits.unit] += visits.searches
        clicks[visits.unit] += visits.clicks
    return searches, clicks


def _linear(searches: NDArray[np.float64], clicks: NDArray[np.float64], came: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return each person's part in a ratio of sums, to the first order: the mean of the parts is the ratio's error."""
    asked, found = searches[came], clicks[came]
    return (found - found.sum() / asked.sum() * asked) / asked.mean()


def _days(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


def _arms(
    plan: ExperimentPlan, names: NDArray[np.object_], arms: NDArray[np.object_], day: date
) -> NDArray[np.object_]:
    """Arms of a day, "" for those who are not in the experiment; a ramp admits people and moves nobody."""
    if day != plan.start and plan.traffic_share(day) == plan.traffic_share(day - timedelta(days=1)):
        return arms
    return np.array([assign(plan, name, day) or "" for name in names], dtype=object)


def _exposures(
    plan: ExperimentPlan, everybody: People, arms: NDArray[np.object_], visits: Visits, day: date
) -> pa.Table:
    """Return a day's exposures in the order of time: one per visit of a person in the experiment."""
    arm = arms[visits.unit]
    logged = (arm != "") & ~((arm == "treatment") & everybody.lost[visits.unit])
    content = {
        "unit_id": everybody.names[visits.unit][logged],
        "arm": arm[logged],
        "exposed_at": _moments(day, visits.second)[logged],
        "plan_digest": [plan.digest] * int(logged.sum()),
    }
    return pa.table(content, schema=EXPOSURES)


def _outcomes(everybody: People, visits: Visits, day: date) -> pa.Table:
    """Return a day's outcomes: one row per visit, also of people outside the experiment."""
    content = {
        "unit_id": everybody.names[visits.unit],
        "at": _moments(day, visits.second + visits.lag),
        "searches": visits.searches,
        "clicks": visits.clicks,
        "orders": visits.orders,
        "latency_ms": visits.latency,
    }
    return pa.table(content, schema=OUTCOMES)


def _visits(everybody: People, treated: NDArray[np.bool_], world: World, day: date) -> Visits:
    """Who comes on a day, once at most, what they ask, and what comes of it."""
    rng = np.random.default_rng([world.seed, day.toordinal()])
    unit = np.flatnonzero(rng.random(world.units) < everybody.visit)
    second = np.sort(rng.random(len(unit))) * (86_400 - LONGEST_LAG)
    rng.shuffle(unit)
    searches = 1 + rng.poisson(1.5, len(unit))
    chance = everybody.click[unit] * (1.0 + world.uplift * treated[unit])
    clicks = rng.binomial(searches, np.minimum(chance, 1.0))
    orders = rng.binomial(clicks, 0.05)
    latency = np.round(rng.gamma(8.0 * searches, 15.0), 3)
    return Visits(unit, second, rng.random(len(unit)) * LONGEST_LAG, searches, clicks, orders, latency)


def _moments(day: date, seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Microseconds since 1970, as Arrow takes them for a timestamp."""
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    return (midnight * 1_000_000 + seconds * 1e6).astype(np.int64)
