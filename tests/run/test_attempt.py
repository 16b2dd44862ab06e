"""Attempts at a step: what fails, is killed, or writes what it should not."""

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from synalign import flow
from synalign.config import Configuration
from synalign.errors import RunError
from synalign.run import Attempt, Run
from synalign.steps.job import perform
from tests.run.made_steps import DOCUMENTS, INTERVAL, ingest

Make = Callable[..., Configuration]


def test_a_failed_step_leaves_the_finished_one_and_no_rubbish(configuration: Make) -> None:
    run = Run(configuration(), INTERVAL)
    perform(run, "ingest", ingest, {"log": "a"})
    digest = run.digest("documents")

    def fails(attempt: Attempt) -> None:
        attempt.write("documents", DOCUMENTS.slice(1))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        perform(run, "ingest", fails, {"log": "b"})
    assert run.digest("documents") == digest
    assert set(os.listdir(run.folder)) == {".lock", "configuration.json", "ingest"}
    assert [folder.name for folder in (run.folder / "ingest").folders()] == [run.step_folder("ingest").name]


def test_rubbish_of_a_killed_attempt_is_cleared_by_the_next(configuration: Make) -> None:
    run = Run(configuration(), INTERVAL)
    killed = Attempt(run, flow.step("ingest"))
    killed.begin()
    ingest(killed)
    drafts = [
        Path(run.folder) / name for name in (".configuration.json.0a1b2c3d.draft", "ingest/.manifest.json.x.draft")
    ]
    for draft in drafts:
        draft.write_text("{")
    assert run.manifest("ingest") is None and killed.folder.exists()
    perform(run, "ingest", ingest)
    assert not killed.folder.exists() and not any(draft.exists() for draft in drafts)


def test_a_step_without_its_promised_tables_does_not_commit(configuration: Make) -> None:
    run = Run(configuration(), INTERVAL)
    with pytest.raises(RunError, match="'queries' was not written"):
        perform(run, "ingest", lambda attempt: attempt.write("documents", DOCUMENTS))
    assert run.manifest("ingest") is None


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (DOCUMENTS.drop_columns("title"), "does not fit its schema"),
        (DOCUMENTS.set_column(2, "text", pa.array(["a", None])), "does not fit its schema"),
        (DOCUMENTS.set_column(1, "title", pa.array([[1], [2]])), "does not fit its schema"),
    ],
)
def test_a_table_must_fit_its_schema(configuration: Make, content: pa.Table, expected: str) -> None:
    with pytest.raises(RunError, match=expected):
        perform(Run(configuration(), INTERVAL), "ingest", lambda attempt: attempt.write("documents", content))
