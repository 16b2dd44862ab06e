"""Forgetting reaches the pool of all nights, and nothing that a forgotten query was shown for comes back."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from synalign.pool.uptake import forecast, take_up
from synalign.querylog.trace import Trace
from synalign.run import Run
from synalign.tables import content_id
from synalign.upkeep.forget import forget
from tests.pool.conftest import quick as quick
from tests.pool.world import QUERIES, Day, Script, night, run_of, settings

WRITTEN = "is Jane Roe at 12 elm street?"
LATER = Day(queries=QUERIES[20:])
"""A log of other queries than the first ones."""


def shown_by(run: Run) -> dict[str, list[str]]:
    """Texts of the queries that each batch showed."""
    text = {content_id(query): query for query in QUERIES}
    found: dict[str, list[str]] = {}
    for row in run.read("demonstrations").to_pylist():
        found.setdefault(row["batch_id"], []).append(text[row["query_id"]])
    return found


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("neighbours", [2, 0])
def test_what_a_forgotten_query_was_shown_for_is_not_taken_up_again(neighbours: int, exact: bool) -> None:
    configuration = settings(sampling={"neighbours": neighbours})
    runs = [night(run_of(number, configuration), until="generate") for number in range(2)]
    batches = shown_by(runs[0])
    batch, (query, *_) = next(iter(batches.items()))
    voided = {name for run in runs for name, members in shown_by(run).items() if query in members}
    before = take_up(night(run_of(2, configuration), until="ingest"))
    assert batch in set(before.rows["batch_id"].to_pylist())

    assert forget(query.upper(), exact=exact).rows["demonstrations"] >= 1

    found = take_up(run_of(2, configuration))
    kept = [row for row in before.rows.to_pylist() if row["batch_id"] not in voided]
    assert found.rows.to_pylist() == kept
    assert found.left == {"batch_incomplete": len(before.rows) - len(kept)}
    assert forecast(configuration)[1:] == found[1:]  # type: ignore[index]


def test_a_finished_night_says_so_too_when_it_is_refreshed_again() -> None:
    night(run_of(0))
    run = night(run_of(1))
    batch, (query, *_) = next(iter(shown_by(run_of(0)).items()))
    count = run.rows("carried")
    forget(query)
    night(run, Day(queries=[text for text in QUERIES if text != query]))
    assert batch not in set(run.read("carried")["batch_id"].to_pylist())
    assert run.rows("carried") < count


@pytest.mark.slow
def test_a_written_query_leaves_every_table_of_every_night(home: Path) -> None:
    night(run_of(0), script=Script(((WRITTEN, "d1"), ("about thing one", "d1"))))
    for number in (1, 2):
        night(run_of(number), LATER, Script(()))
    known = ids(home)
    assert traces(home, known) == {
        "candidates", "candidate_embeddings", "screening", "weights", "carried", "carried_embeddings", "pool",
    }  # fmt: skip
    told = forget("jane roe", dry=True)
    assert (told.rows["carried"], told.rows["carried_embeddings"], told.rows["pool"]) == (2, 2, 3)
    assert forget("jane roe").rows == told.rows
    assert traces(home, known) == set()
    found = take_up(night(run_of(3), LATER, until="ingest"))
    assert found.rows["query"].to_pylist() == ["about thing one"]


def test_what_only_the_pool_still_holds_is_found_there(home: Path) -> None:
    first = night(run_of(0), script=Script(((WRITTEN, "d1"),)))
    night(run_of(1), LATER, Script(()))
    # The night that wrote it is gone; what the next one carried is all there is.
    first.folder.remove()
    known = ids(home)
    assert traces(home, known) == {"carried", "carried_embeddings", "pool", "screening", "weights"}
    forget("Jane Roe")
    assert traces(home, known) == set()


def test_exact_leaves_what_only_has_it_within(home: Path) -> None:
    night(run_of(0), script=Script(((WRITTEN, "d1"),)), until="generate")
    night(run_of(1), LATER, until="embed")
    known = ids(home)
    before = traces(home, known)
    assert before == {"candidates", "carried", "carried_embeddings"}
    assert forget("jane roe", exact=True).rows == {}
    assert traces(home, known) == before
    forget(WRITTEN, exact=True)
    assert traces(home, known) == set()


def rows(home: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every row of every table that lies anywhere, with the table's name: no step is asked which it writes."""
    for file in home.rglob("*.parquet"):
        for row in pq.read_table(io.BytesIO(file.read_bytes())).to_pylist():
            yield file.parent.name, row


def ids(home: Path) -> set[str]:
    """Under which ids the written query is known."""
    return {row["candidate_id"] for _, row in rows(home) if Trace("jane roe").in_(str(row.get("query", "")))}


def traces(home: Path, known: set[str]) -> set[str]:
    """Tables that have the written query, or an id of it."""
    trace = Trace("jane roe")
    return {
        table
        for table, row in rows(home)
        if any(value in known or trace.in_(value) for value in row.values() if isinstance(value, str))
    }
