"""A job's outcome in storage that driver and task share: written, replaced, read and removed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from synalign.orchestration.job_outcomes import taken
from synalign.steps import outcome, outcome_store
from synalign.steps.outcome import Outcome
from tests import s3

ENDED = Outcome({"step": "ingest", "rows": {"queries": 3}})


@pytest.fixture(params=["folder", "objects"])
def address(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where the outcome of a task goes."""
    if request.param == "folder":
        yield str(tmp_path / "store" / outcome.FOLDER / "dag" / "run+1:00" / "task.json")
        return
    running = s3.server()
    threading.Thread(target=running.serve_forever, daemon=True).start()
    s3.make_bucket(running.port, "synalign")
    for name, value in {
        "AWS_ENDPOINT_URL_S3": f"http://{s3.HOST}:{running.port}",
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE12",
        "AWS_SECRET_ACCESS_KEY": "very/secret+key01234567890123456789",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    yield f"s3://synalign/store/{outcome.FOLDER}/dag/run+1:00/task.json"
    running.shutdown()
    running.server_close()


def test_what_a_job_says_is_what_its_task_takes_once(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(outcome.VARIABLE, address)
    outcome_store.say(ENDED)
    assert taken(address) == ENDED
    assert taken(address) == Outcome()


def test_a_new_try_forgets_what_the_last_one_said(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(outcome.VARIABLE, address)
    outcome_store.say(Outcome(None, "BusyError", "somebody is here.", 5))
    outcome_store.forget()
    outcome_store.forget()
    assert taken(address) == Outcome()


def test_a_job_whose_storage_is_away_has_done_its_work_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(outcome.VARIABLE, "s3://bucket/o.json?no=address")
    outcome_store.say(ENDED)
    outcome_store.forget()
    assert "cannot be written" in caplog.text and "cannot be removed" in caplog.text


def test_a_file_that_nobody_waits_for_makes_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(outcome.VARIABLE, str(tmp_path / "gone" / "outcome.json"))
    outcome_store.say(ENDED)
    monkeypatch.delenv(outcome.VARIABLE)
    outcome_store.say(ENDED)
    outcome_store.forget()
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_nothing_where_there_is_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "synalign.steps.outcome_store"]

    def ask(action: str) -> str:
        return subprocess.run(
            [*command, action, str(tmp_path / "o.json")], capture_output=True, text=True, check=True, env=os.environ
        ).stdout

    assert ask("read") == ""
    (tmp_path / "o.json").write_text(json.dumps(ENDED._asdict()))
    assert Outcome(**json.loads(ask("read"))) == ENDED
    assert ask("remove") == ""
    assert not (tmp_path / "o.json").exists()
