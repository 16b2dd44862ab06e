"""The record of what is spent forgets no request that was sent, whoever was killed when."""

from __future__ import annotations

import asyncio
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.config import Budget as Settings
from synalign.errors import RunError
from synalign.generation.budget import RECORD, Budget, held_back


@settings(max_examples=40)
@given(cut=st.integers(0, 400))
def test_a_record_torn_anywhere_never_forgets_a_request_that_was_sent(tmp_path_factory, cut):
    """Cutting off whole and half lines from the end: what a line that is still there says counts at least."""
    path = tmp_path_factory.mktemp("torn") / RECORD

    async def killed():
        budget = Budget(Settings(max_tokens=10_000), record=path)
        for number in range(8):
            reservation = await budget.reserve(100 + number, 50)
            if number % 2:
                budget.settle(reservation, 10, 5)
        budget.close()

    asyncio.run(killed())
    content = path.read_bytes()[: max(0, path.stat().st_size - cut)]
    path.write_bytes(content)
    kept = {}
    for line in content[: content.rfind(b"\n") + 1].splitlines():
        process, number, tokens_in, tokens_out = json.loads(line)
        kept[process, number] = tokens_in + tokens_out
    budget = Budget(Settings(max_tokens=10_000), record=path)
    assert budget.tokens == sum(kept.values())
    budget.close()


def test_a_damaged_record_is_told_apart_from_a_torn_one(tmp_path):
    path = tmp_path / RECORD
    for damage in ('{"a": 1}', "[1, 2]", "[1, 2, -3, 4]", "[1, 2, 3.5, 4]", "nonsense"):
        path.write_text(f"[1, 1, 5, 5]\n{damage}\n")
        with pytest.raises(RunError, match="line 2 is damaged"):
            Budget(Settings(), record=path)


def test_many_share_the_syncing_of_the_record(tmp_path, monkeypatch):

    synced, sync = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(descriptor), sync(descriptor)))

    async def work():
        budget = Budget(Settings(max_tokens=10**6), record=tmp_path / RECORD)
        return await asyncio.gather(*(budget.reserve(1, 1) for _ in range(100)))

    assert len(asyncio.run(work())) == 100
    assert 1 <= len(synced) <= 5


def test_an_answer_in_the_journal_settles_the_last_try_of_its_request_and_no_earlier_one(tmp_path):
    """In object storage a kill can lose the line that says what a try cost, though its answer is in the journal."""

    async def killed():
        budget = Budget(Settings(max_tokens=10_000), record=tmp_path / RECORD)
        await budget.reserve(100, 100, "asked twice")
        await budget.reserve(100, 100, "lost")
        budget.close()
        again = Budget(Settings(max_tokens=10_000), record=tmp_path / RECORD)
        await again.reserve(100, 100, "asked twice")
        again.close()

    asyncio.run(killed())
    answers = {"asked twice": (7, 3)}
    assert Budget(Settings(), record=tmp_path / RECORD, answered=answers.get).tokens == 200 + 200 + 10
    said = held_back(tmp_path / RECORD, Settings(input_price=1000.0, output_price=2000.0), answers.get)
    assert said.startswith("0.6 USD and 400 tokens of it are held back for 2 requests")
    assert held_back(tmp_path / "other" / RECORD, Settings()) == ""
