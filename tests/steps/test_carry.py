"""The step *carry*: its table, its figures, and when it is made anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from synalign.run import manifests
from synalign.steps.carry import carry, outside
from synalign.steps.job import perform
from tests.pool.conftest import quick as quick
from tests.pool.world import DOCUMENTS, Day, Script, carried, night, run_of, settings

WROTE = (("what is thing one", "d1"), ("how is thing two", "d2"))


def test_the_figures_account_for_all_that_was_found(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "synalign")
    night(run_of(0), script=Script(WROTE), until="generate")
    documents = {name: text for name, text in DOCUMENTS.items() if name != "d2"}
    run = night(run_of(1), Day(documents=documents), until="carry")
    metrics = run.require("carry")["metrics"]
    assert metrics == {"found": 2, "carried": 1, "left": {"document_gone": 1}, "intervals": 1}
    assert run.rows("carried") == 1
    assert "1 of 2 queries of 1 earlier intervals are judged again; left behind: document_gone 1" in caplog.text


def test_the_first_interval_writes_an_empty_table() -> None:
    run = night(run_of(0), until="carry")
    assert run.rows("carried") == 0
    assert outside(run) == {}


def test_it_is_reused_until_an_earlier_interval_says_something_else() -> None:
    night(run_of(0), script=Script(WROTE))
    run = night(run_of(1), until="carry")

    def again() -> bool:
        return bool(perform(run, "carry", carry, outside(run))["reused"])

    assert again()
    night(run_of(0), script=Script(WROTE, weights={WROTE[0][0]: 3.0}))
    assert not again()
    night(run_of(0), script=Script(WROTE, frozenset({WROTE[0][0]})))
    assert not again()
    assert [name for _, name in carried(run)] == [run_of(0).read("candidates")["candidate_id"][1].as_py()]
    assert again()


def test_prompts_are_read_from_outside_only_where_they_decide(home: Path) -> None:
    night(run_of(0), script=Script(WROTE), until="generate")
    interval = run_of(0).interval.name
    assert outside(run_of(1)).keys() == {interval}
    assert outside(run_of(1, settings(pool={"writer": "current"}))).keys() == {
        interval, "prompts/reason", "prompts/write",
    }  # fmt: skip


def test_another_text_in_the_same_prompt_file_makes_it_anew() -> None:
    def worded(words: str) -> object:
        own = settings(pool={"writer": "current"}, generation={"prompts": {"write": "mine.txt"}})
        return own.with_templates({"write": f"{words}\n=== user ===\n<data>\n$data\n</data>\n"})

    night(run_of(0, worded("Write.")), script=Script(WROTE), until="generate")  # type: ignore[arg-type]
    assert night(run_of(1, worded("Write.")), until="carry").rows("carried") == 2  # type: ignore[arg-type]
    assert night(run_of(1, worded("Please write.")), until="carry").rows("carried") == 0  # type: ignore[arg-type]


def test_run_again_it_has_the_same_bytes_whatever_lies_around() -> None:
    night(run_of(0), script=Script(WROTE), until="generate")
    run = night(run_of(1), until="carry")
    before = run.digest("carried")
    (run.folder / "carry" / manifests.NAME).remove()
    assert night(run, until="carry").digest("carried") == before
