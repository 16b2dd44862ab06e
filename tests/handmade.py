"""Tables of hand-made runs, with what a test leaves out: nothing is carried, and the pool is all candidates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from synalign import flow
from synalign.run import Attempt, Run
from synalign.tables import schema

OFTEN_LEFT_OUT = {
    "candidates": ["document_digest"],
    "training_set": ["batch_id", "request_id", "interval", "score"],
    "choice": ["mass"],
}
"""Columns of which few tests say anything."""


def table_of(run: Run, table: str, contents: Mapping[str, pa.Table | dict[str, Any]]) -> pa.Table:
    """Return a table that a test gives, with the columns it left out; empty where it gives none.

    Args:
        run: The run that it is written to; its steps before have finished.
        table: Name of the table.
        contents: What the test gives, by table.
    """
    if table == "pool" and table not in contents:
        return pool_of(run, run.read("candidates"))
    if table == "requests" and table not in contents and "candidates" in contents:
        return _requests(contents["candidates"]["request_id"])
    if table not in contents:
        return schema(table).empty_table()
    given = contents[table]
    given = given if isinstance(given, pa.Table) else pa.table(given)
    for name in OFTEN_LEFT_OUT.get(table, ()):
        if name not in given.column_names and name in schema(table).names:
            given = given.append_column(name, _said_nothing(schema(table).field(name), len(given)))
    return given


def pool_of(run: Run, candidates: pa.Table) -> pa.Table:
    """Return the table `pool` of candidates that are all new."""
    for name, value in {"interval": run.interval.name, "model": "m", "prompt_version": "1"}.items():
        candidates = candidates.append_column(name, pa.array([value] * len(candidates), pa.string()))
    return candidates


def _requests(ids: Any) -> pa.Table:
    """Return the requests behind candidates, of which a test says nothing."""
    rows = [
        {"request_id": str(id), "batch_id": "b", "kind": "write", "outcome": "ok", "model": "m", "prompt_version": "1",
         "seconds": 0.1} for id in dict.fromkeys(map(str, ids))
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema("requests"))


def finish(run: Run, step: flow.Step, contents: Mapping[str, pa.Table | dict[str, Any]]) -> None:
    """Finish a step of a run with tables that are told."""
    attempt = Attempt(run, step)
    attempt.begin()
    for table in step.writes:
        attempt.write(table, table_of(run, table, contents))
    attempt.commit()


def _said_nothing(field: pa.Field, rows: int) -> pa.Array:
    if field.nullable:
        return pa.nulls(rows, field.type)
    return pa.array([2.0 if pa.types.is_floating(field.type) else f"some {field.name}"] * rows, field.type)
