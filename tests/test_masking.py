"""Secrets do not get out of a process by what it says."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from synalign import masking
from synalign.errors import GenerationError

CANARY = "canary-6f1d0c27b8"


@pytest.mark.parametrize(
    "name",
    ["OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "MLFLOW_TRACKING_PASSWORD",
     "MLFLOW_TRACKING_TOKEN", "SPARK_AUTHENTICATE_SECRET", "AIRFLOW__CORE__FERNET_KEY", "PGPASSWORD", "my_apikey"],
)  # fmt: skip
def test_what_a_variable_of_the_environment_holds_is_masked_by_its_name(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, CANARY)
    error = GenerationError(f"refused {CANARY}.", cause=f"key {CANARY}", remedy=f"not {CANARY}")
    assert CANARY not in f"{error} {error.args} {error!r}"
    assert str(error).count(masking.MASK) == 3


@pytest.mark.parametrize("name", ["HOME", "LOGIN_PASSWORD_FILE", "POSTGRES_PASSWORD_FILE", "TOKEN_PATH", "MONKEY"])
def test_what_is_no_secret_stays(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "/run/somewhere/file")
    assert masking.mask("in /run/somewhere/file") == "in /run/somewhere/file"


def test_short_values_are_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_TOKEN", "true")
    assert masking.mask("that is true") == "that is true"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (
            f"postgresql+psycopg2://airflow:{CANARY}@db:5432/airflow",
            "postgresql+psycopg2://airflow:***@db:5432/airflow",
        ),
        (f"http://:{CANARY}@h", "http://:***@h"),
        ("http://h:80/a@b", "http://h:80/a@b"),
    ],
)
def test_passwords_in_addresses_are_masked_wherever_they_come_from(text: str, plain: str) -> None:
    assert masking.mask(text) == plain


def test_a_secret_under_another_name_is_masked_once_it_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_learnt", set())
    masking.learn(CANARY)
    assert masking.mask(f"x{CANARY}x") == "x***x"


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger with a handler of its own, as MLflow's have, in a process whose logs are masked, and what it writes."""
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    before, logger, said = logging.getLogRecordFactory(), logging.getLogger("test_masking"), io.StringIO()
    masking.mask_logs()
    handler = logging.StreamHandler(said)
    logger.addHandler(handler)
    yield logger, said
    logger.removeHandler(handler)
    logging.setLogRecordFactory(before)


def test_log_lines_and_their_tracebacks_are_masked(logs: tuple[logging.Logger, io.StringIO]) -> None:
    logger, said = logs
    try:
        raise ValueError(CANARY)
    except ValueError:
        logger.exception("key %s of %d", CANARY, 3)
    assert "key *** of 3" in said.getvalue()
    assert "ValueError: ***" in said.getvalue()
    assert CANARY not in said.getvalue()


def test_a_line_that_a_library_got_wrong_ends_no_work(logs: tuple[logging.Logger, io.StringIO]) -> None:
    logger, said = logs
    logger.warning("three %s and %d", CANARY)
    assert "three" in said.getvalue()
    assert CANARY not in said.getvalue()


def test_a_job_that_dies_of_what_nobody_foresaw_shows_no_secret() -> None:
    program = (
        "from synalign.steps.job import conclude\n"
        "def work():\n"
        "    import os\n"
        "    raise RuntimeError('server said: bad key ' + os.environ['SOME_API_KEY'])\n"
        "conclude(work)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={"SOME_API_KEY": CANARY, "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "RuntimeError: server said: bad key ***" in ended.stderr
    assert CANARY not in ended.stderr + ended.stdout
