"""Answers leave a journal with what they quote and with the prompts that showed it; all others stay readable."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from synalign.errors import BusyError
from synalign.generation.journal import Entry, Journal
from synalign.querylog.trace import Trace
from synalign.tables import content_id
from synalign.upkeep.journals import Shown, forget

QUERY = "where do herons nest"


def fill(folder: Path) -> None:
    async def add() -> None:
        with Journal(folder) as journal:
            for key, text in (("a" * 64, QUERY), ("b" * 64, "something else"), ("c" * 64, "shown in its prompt")):
                await journal.add(Entry(key, json.dumps({"queries": [text]}), "m", 1, 1, 0.1))

    asyncio.run(add())


def test_what_goes_is_counted_and_the_rest_can_be_read(tmp_path: Path) -> None:
    fill(tmp_path)
    shown = [Shown("write", "batch", content_id("write", "batch", "c" * 64))]
    before = (tmp_path / "responses.jsonl").read_bytes()
    assert forget(str(tmp_path), shown, Trace(QUERY), dry=True) == 2
    assert (tmp_path / "responses.jsonl").read_bytes() == before
    assert forget(str(tmp_path), shown, Trace(QUERY), dry=False) == 2
    assert forget(str(tmp_path), shown, Trace(QUERY), dry=False) == 0
    with Journal(tmp_path) as journal:
        assert len(journal) == 1 and journal.get("b" * 64) is not None
    assert not any(QUERY.encode() in path.read_bytes() for path in tmp_path.iterdir())


def test_a_journal_that_a_step_writes_to_is_left_alone(tmp_path: Path) -> None:
    fill(tmp_path)
    with Journal(tmp_path), pytest.raises(BusyError, match="is being written"):
        forget(str(tmp_path), [], Trace(QUERY), dry=False)
