"""The table of the effectiveness benchmark: every arm with its difference to real only, and goals met or missed."""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from synalign.config.schemes import SCHEMES
from synalign.evaluation.comparison import Comparison, Resampled

POINTS = 100.0
"""nDCG@10 is told in points."""

Rows = list[dict[str, Any]]


class Cell(NamedTuple):
    """One retriever, collection, number of real pairs and pool.

    Attributes:
        title: What it is.
        pool: Its pool.
        retriever: `static` or `adapter`.
        resampled: Scores of all arms on the test queries.
        validation: Mean over seeds, by arm.
        chosen: The scheme that is best on validation queries.
        removed: Share that the round trip removes, by what was planted.
    """

    title: str
    pool: str
    retriever: str
    resampled: Resampled
    validation: dict[str, float]
    chosen: str
    removed: dict[str, float]


def print_report(rows: Rows) -> None:
    """Print the table and the goals; cells whose trainings are not all there are left out, and named."""
    console = Console(width=None if sys.stdout.isatty() else 160)
    cells, missing = _cells(rows)
    table = Table("cell", "arm", "nDCG@10", "- real only [95 %]", "p", "- equal [95 %]", "validation")
    for cell in cells:
        for place, arm in enumerate(cell.resampled.names):
            _add(table, cell, arm, first=place == 0)
        table.add_section()
    console.print(table)
    console.print("* chosen on validation queries. Points of nDCG@10. Intervals over queries and seeds.")
    _print_removed(console, cells)
    goals = Table("goal", "cell", "found", "", title="Goals")
    for goal in _goals(cells):
        goals.add_row(*goal)
    console.print(goals)
    for title in missing:
        console.print(f"not finished: {title}")


def _print_removed(console: Console, cells: list[Cell]) -> None:
    """What the round trip alone removes of what was planted in the junk pools."""
    for name, removed in {cell.title.split(", ")[1]: cell.removed for cell in cells if cell.pool == "junk"}.items():
        shares = ", ".join(f"{kind} {share:.1%}" for kind, share in sorted(removed.items()))
        console.print(f"{name}, junk: the round trip removes of {shares}.")


def _cells(rows: Rows) -> tuple[list[Cell], list[str]]:
    groups: dict[tuple[str, ...], dict[str, Rows]] = defaultdict(lambda: defaultdict(list))
    for row in sorted(rows, key=lambda row: row["seed"]):
        groups[row["retriever"], row["name"], row["labelled"], row["pool"]][row["arm"]].append(row)
    cells, missing = [], []
    for (retriever, name, labelled, pool), arms in groups.items():
        if pool == "real only":
            continue
        everything = {**groups[retriever, name, labelled, "real only"], **arms}
        title = f"{retriever}, {name}, {labelled} real, {pool}"
        seeds = max(len(trainings) for trainings in everything.values())
        if set(everything) != set(_order(retriever)) or any(
            len(trainings) < seeds for arm, trainings in everything.items() if arm != "untrained"
        ):
            missing.append(title)
            continue
        cells.append(_cell(title, retriever, pool, everything, seeds))
    return cells, missing


def _order(retriever: str) -> list[str]:
    """Return the arms of a kind of retriever, in the order in which they are told."""
    arms = ["untrained", "control", "unweighted", *SCHEMES, "random_subset"]
    return arms + ([f"{arm}, pairs only" for arm in ("control", *SCHEMES)] if retriever == "static" else [])


def _cell(title: str, retriever: str, pool: str, arms: dict[str, Rows], seeds: int) -> Cell:
    scores = {arm: np.array([row["test"] for row in trainings]) for arm, trainings in arms.items()}
    scores["untrained"] = np.repeat(scores["untrained"], seeds, axis=0)
    validation = {
        arm: float(np.mean([row["validation"] for row in trainings]))
        for arm, trainings in arms.items()
        if arm != "untrained"
    }
    resampled = Resampled({arm: scores[arm] for arm in _order(retriever)})
    removed = arms["equal"][0]["removed"]
    # Of equally good ones the simplest, as the product orders them.
    chosen = max(SCHEMES, key=lambda scheme: validation[scheme])
    return Cell(title, pool, retriever, resampled, validation, chosen, removed)


def _add(table: Table, cell: Cell, arm: str, *, first: bool) -> None:
    mean = cell.resampled.mean(arm)
    control = cell.resampled.compare(arm, "control")
    equal = cell.resampled.compare(arm, "equal")
    table.add_row(
        cell.title if first else "",
        f"{arm} *" if arm == cell.chosen else arm,
        f"{mean.value:.3f}",
        "" if arm == "control" else _told(control),
        "" if arm == "control" else f"{control.p_value:.4f}",
        "" if arm == "equal" else _told(equal),
        f"{cell.validation[arm]:.3f}" if arm in cell.validation else "",
    )


def _told(found: Comparison) -> str:
    lower, upper = found.lower * POINTS, found.upper * POINTS
    return f"{found.difference * POINTS:+.1f} [{lower:+.1f}, {upper:+.1f}]"


def _goals(cells: list[Cell]) -> list[tuple[str, str, str, str]]:
    """Every goal in every cell that it is about."""
    weak = [cell for cell in cells if cell.retriever == "static"]
    found = []
    for cell in weak:
        gain = cell.resampled.compare(cell.chosen, "control")
        met = gain.difference * POINTS >= 5.0 and gain.lower > 0.0
        found.append(("chosen - real only >= +5, interval above 0", cell.title, _told(gain), _met(met)))
    for cell in weak:
        better = max(("equal", "equal_mass"), key=lambda arm: float(cell.resampled.scores[arm].mean()))
        loss = cell.resampled.compare(cell.chosen, better)
        found.append(
            (f"chosen - {better} (the better) >= -1", cell.title, _told(loss), _met(loss.difference * POINTS >= -1.0))
        )
    for cell in weak:
        worth = cell.resampled.compare(cell.chosen, f"{cell.chosen}, pairs only")
        met = worth.difference * POINTS >= 1.0 and worth.lower > 0.0
        found.append(("teacher and negatives: >= +1 over pairs only", cell.title, _told(worth), _met(met)))
    for cell in [cell for cell in weak if cell.pool == "off domain"]:
        gain = cell.resampled.compare(cell.chosen, "equal")
        met = gain.difference * POINTS >= 1.0 and gain.lower > 0.0
        found.append(("chosen - equal >= +1, interval above 0, somewhere", cell.title, _told(gain), _met(met)))
    for title, removed in {
        cell.title.split(", ")[1]: cell.removed["mismatched"] for cell in cells if cell.pool == "junk"
    }.items():
        found.append(("planted mismatched pairs removed >= 95 %", title, f"{removed:.1%}", _met(removed >= 0.95)))
    for cell in [cell for cell in cells if cell.retriever == "adapter"]:
        hurt = cell.resampled.compare(cell.chosen, "untrained")
        found.append(("MiniLM with chosen - MiniLM >= -1", cell.title, _told(hurt), _met(hurt.difference >= -0.01)))
    return found


def _met(met: bool) -> str:
    return "met" if met else "MISSED"
