"""How a job of a task ended: read once, from a folder or from object storage, and told in the job's words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from airflow.exceptions import AirflowException

from synalign.errors import BusyError
from synalign.orchestration import job_outcomes
from synalign.orchestration.job_outcomes import JobFailed, in_the_jobs_words, taken
from synalign.steps import outcome
from synalign.steps.outcome import Outcome

ENDED = Outcome({"step": "ingest"})


def test_an_outcome_in_a_folder_is_taken_once(tmp_path: Path) -> None:
    (tmp_path / "o.json").write_text(json.dumps(ENDED._asdict()))
    assert taken(str(tmp_path / "o.json")) == ENDED
    assert taken(str(tmp_path / "o.json")) == Outcome()


def test_a_task_that_has_no_address_has_no_outcome() -> None:
    assert taken("") == Outcome()


def test_storage_that_is_away_fails_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nobody listens there, and no try is repeated for long.
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setattr(job_outcomes, "SECONDS", 5.0)
    assert taken("s3://bucket/o.json") == Outcome()


def test_a_job_that_said_why_is_quoted() -> None:
    failed = outcome.failure(BusyError("somebody is here.", remedy="wait"))
    with pytest.raises(JobFailed) as caught, in_the_jobs_words(lambda: failed):
        raise RuntimeError("the application ended with FAILED")
    assert str(caught.value) == "BusyError: somebody is here.\nWhat to do: wait"
    assert caught.value.exit_code == BusyError.exit_code


def test_a_job_that_said_nothing_is_given_no_cause() -> None:
    with pytest.raises(JobFailed, match=r"without saying why.*it was killed") as caught, in_the_jobs_words(Outcome):
        raise AirflowException("it was killed")
    assert caught.value.exit_code is None


def test_a_server_that_was_away_failed_no_job() -> None:
    with pytest.raises(ConnectionError, match="no route"), in_the_jobs_words(Outcome):
        raise ConnectionError("no route")
