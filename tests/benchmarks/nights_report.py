"""The tables of the nights' benchmark: night by night and way by way, goals met or missed, and the log that drifts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from synalign.evaluation.comparison import Comparison, Interval, Resampled
from tests.benchmarks.measurement import console
from tests.benchmarks.nights_drift import POOLS

Rows = list[dict[str, Any]]
Goal = tuple[str, str, str, bool]
"""What is to be reached, where, what was found, and whether it was reached."""

CONTROL = "real pairs alone"
CARRIED, ALONE, AT_ONCE = "carried", "nothing carried", "one night"
POINTS = 100.0
"""nDCG@10 is told in points."""

DRIFT = "2020-01-21"
"""The day on which interest explodes."""


class Nights:
    """What was measured on traffic that stands still.

    Args:
        rows: Lines of the kinds `night` and `training`, in any order.
    """

    def __init__(self, rows: Rows) -> None:
        self.figures = {(row["collection"], row["way"], row["night"]): row for row in rows if row["kind"] == "night"}
        self.collections = list(dict.fromkeys(collection for collection, _, _ in self.figures))
        self.last = max((night for _, way, night in self.figures if way == CARRIED), default=0)
        found: dict[tuple[Any, ...], dict[int, list[float]]] = defaultdict(dict)
        for row in rows:
            if row["kind"] == "training":
                found[row["collection"], row["way"], row["night"], row["labelled"]][row["seed"]] = row["test"]
        self._scores = found
        self.labelled = sorted({key[3] for key in found}, key=str)

    def scores(self, collection: str, way: str, night: int, labelled: int | str) -> NDArray[np.float64] | None:
        """Return nDCG@10, (s, q), or None where as many trainings as of the real pairs alone are not there."""
        control = self._scores.get((collection, CONTROL, 0, labelled), {})
        found = self._scores.get((collection, way, night, labelled), {})
        if not control or not control.keys() <= found.keys():
            return None
        return np.array([found[seed] for seed in sorted(control)])

    def against_control(self, collection: str, way: str, night: int, labelled: int | str) -> Comparison | None:
        """Compare a night's written queries and real pairs with the real pairs alone."""
        ours, control = (self.scores(collection, *cell, labelled) for cell in ((way, night), (CONTROL, 0)))
        if ours is None or control is None:
            return None
        return Resampled({"ours": ours, "control": control}).compare("ours", "control")

    def pooled(self, one: tuple[str, int], other: tuple[str, int], labelled: int | str) -> Interval | None:
        """Return the mean difference of two ways' nights over the queries of all collections."""
        apart = []
        for collection in self.collections:
            ours, theirs = (self.scores(collection, *cell, labelled) for cell in (one, other))
            if ours is None or theirs is None:
                return None
            apart.append(ours - theirs)
        return Resampled({"difference": np.concatenate(apart, axis=1)}).mean("difference") if apart else None


def print_report(rows: Rows) -> None:
    """Print what there is: the tables, the goals, and what is not finished."""
    out, nights = console(), Nights(rows)
    if nights.figures:
        _print_nights(out, nights)
        goals = Table("goal", "where", "found", "", title="Goals")
        for goal, where, found, met in _goals(nights):
            goals.add_row(goal, where, found, "met" if met else "MISSED")
        out.print(goals)
    days = sorted((row for row in rows if row["kind"] == "day"), key=lambda row: str(row["day"]))
    if days:
        _print_days(out, days)


def _print_nights(out: Console, nights: Nights) -> None:
    table = Table(
        "collection", "way", "night", "tokens", "queries", "documents", "MMD² x 1000, equal -> aligned", "ESS",
        *(f"{labelled} real pairs - alone [95 %]" for labelled in nights.labelled),
    )  # fmt: skip
    before: tuple[str, str] | None = None
    for (collection, way, night), row in nights.figures.items():
        if before not in (None, (collection, way)):
            table.add_section()
        before = collection, way
        cells = [nights.against_control(collection, way, night, labelled) for labelled in nights.labelled]
        table.add_row(
            collection, way, str(night), f"{row['tokens']:,}", f"{row['candidates']:,}", f"{row['documents']:,}",
            " -> ".join(_thousand(value) for value in row["mmd2"]), f"{row['ess']:,.0f}",
            *("" if cell is None else _told(cell) for cell in cells),
        )  # fmt: skip
    out.print(table)
    out.print(
        "Tokens of the night. MMD² to test queries. Points of nDCG@10 with the aligned pool minus those with the real "
        "pairs alone; intervals over queries and seeds."
    )


def _goals(nights: Nights) -> Iterator[Goal]:
    for collection in nights.collections:
        yield from _goals_of_pool(nights, collection)
    few = next((labelled for labelled in nights.labelled if labelled != "all"), None)
    later = nights.pooled((CARRIED, nights.last), (CARRIED, 1), few) if few is not None else None
    if later is not None:
        goal = f"{few} real pairs: night {nights.last} - night 1 >= +1.5, interval above 0"
        met = later.value * POINTS >= 1.5 and later.lower > 0.0
        yield goal, "all queries of " + ", ".join(nights.collections), _told(later), met
    for labelled in nights.labelled:
        for collection, way, night in nights.figures:
            cell = nights.against_control(collection, way, night, labelled) if way == CARRIED else None
            if cell is not None:
                where = f"{collection}, {labelled} real pairs, night {night}"
                yield "not worse than real pairs alone", where, _told(cell), cell.upper >= 0.0
        both = nights.pooled((CARRIED, nights.last), (AT_ONCE, 1), labelled)
        if both is not None:
            where = f"all queries, {labelled} real pairs"
            yield f"carried, night {nights.last}, not worse than one night", where, _told(both), both.upper >= 0.0


def _goals_of_pool(nights: Nights, collection: str) -> Iterator[Goal]:
    first, last = (nights.figures.get((collection, CARRIED, night)) for night in (1, nights.last))
    if first is None or last is None:
        return
    where = f"{collection}, night {nights.last} against night 1"
    if first["mmd2"][1] and last["mmd2"][1] is not None:
        ratio = last["mmd2"][1] / first["mmd2"][1]
        yield "aligned MMD² <= 0.6 times", where, f"{ratio:.2f}", ratio <= 0.6
    ratio = last["ess"] / first["ess"]
    yield "effective sample size >= 4 times", where, f"{ratio:.1f}", ratio >= 4.0
    alone = nights.figures.get((collection, ALONE, nights.last))
    if alone is not None:
        ratio, tokens = last["documents"] / alone["documents"], last["tokens"] / alone["tokens"]
        where = f"{collection}, night {nights.last} against nothing carried"
        yield "documents >= 3 times, at its tokens", where, f"{ratio:.1f}, tokens {tokens:.2f}", ratio >= 3.0


def _print_days(out: Console, days: Rows) -> None:
    """Print how far each pool is from the next day's queries, and how often which is nearer."""
    for counted, unbiased, words in (
        ("once", False, "every query once"),
        ("once", True, "every query once; without what a written query's pairs with itself add"),
        ("traffic", False, "queries by popularity"),
    ):
        found = [{name: _distance(row, counted, name, unbiased=unbiased) for name in POOLS} for row in days]
        table = Table(
            "day", "batches", "train", "written: carried / alone", "ESS: carried / alone", "next day", *POOLS,
            title=f"Bing log: MMD² x 1000 to the next day's queries, {words}",
        )  # fmt: skip
        for row, distances in zip(days, found, strict=True):
            table.add_row(
                row["day"], str(row["batches"]), f"{row['queries']:,}", _both(row["candidates"]), _both(row["ess"]),
                f"{row['next']:,}", *(_thousand(distance) for distance in distances.values()),
            )  # fmt: skip
        out.print(table)
        for title, first in ((f"before {DRIFT}", True), ("from it on", False)):
            some = [each for row, each in zip(days, found, strict=True) if (row["day"] < DRIFT) == first]
            for name in POOLS if some else ():
                if name != CARRIED:
                    out.print(f"{title}, carried against {name}: {_nearer(some, name)}")


def _distance(row: dict[str, Any], counted: str, name: str, *, unbiased: bool) -> float:
    return float(row["mmd2"][counted][name] - (row["number"][name] if unbiased else 0.0))


def _nearer(found: list[dict[str, float]], other: str) -> str:
    """Compare the carried pool's distances with another's: their means, and days on which it is nearer."""
    ours, theirs = ([distances[name] for distances in found] for name in (CARRIED, other))
    nearer = sum(mine < another for mine, another in zip(ours, theirs, strict=True))
    return (
        f"mean {_thousand(float(np.mean(ours)))} against {_thousand(float(np.mean(theirs)))}, "
        f"nearer on {nearer} of {len(found)} days"
    )


def _both(figures: dict[str, float]) -> str:
    return f"{figures[CARRIED]:,.0f} / {figures[ALONE]:,.0f}"


def _thousand(value: float | None) -> str:
    return "none" if value is None else f"{value * 1000:.2f}"


def _told(found: Comparison | Interval) -> str:
    value, lower, upper = (number * POINTS for number in found[:3])
    return f"{value:+.1f} [{lower:+.1f}, {upper:+.1f}]"
