"""MLflow: its database file, and a server that is down or answers nonsense."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synalign.doctor import Case, Finding

Make, Look = Callable[..., Case], Callable[[str, Case], Finding]


def test_mlflow_without_a_database_will_get_one(case: Make, check: Look, home: Path) -> None:
    found = check("mlflow", case())
    assert found.state == "pass"
    assert "the first refresh makes it" in found.found
    assert not home.exists()


def test_mlflows_database_is_asked(case: Make, check: Look, home: Path, empty_database: bytes) -> None:
    database = home / "mlflow" / "mlflow.db"
    database.parent.mkdir(parents=True)
    database.write_bytes(empty_database)
    found = check("mlflow", case())
    assert found.found == f"{database} answers: 1 experiment, 0 registered models"


def test_a_database_that_is_none_fails(case: Make, check: Look, home: Path) -> None:
    database = home / "mlflow" / "mlflow.db"
    database.parent.mkdir(parents=True)
    database.write_bytes(b"this is no database" * 1000)
    found = check("mlflow", case())
    assert found.state == "fail"
    assert f"MLflow's database {database} cannot be used" in found.found
    assert "file is not a database" in found.found
    assert "from a copy" in found.remedy


def test_an_mlflow_that_is_down_fails_soon_and_shows_no_password(
    case: Make, check: Look, closed_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", closed_url.replace("//", "//someone:secret@"))
    asked = case()
    found = check("mlflow", asked)
    assert found.state == "fail"
    assert "MLFLOW_TRACKING_URI" in found.remedy
    assert "secret" not in found.found + found.remedy
    assert found.seconds < 60
    assert asked.clocks == []


def test_an_mlflow_that_answers_nonsense_fails_and_its_clock_is_read(
    case: Make, check: Look, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    server.status = 500
    asked = case()
    assert check("mlflow", asked).state == "fail"
    assert [clock.theirs.isoformat() for clock in asked.clocks] == ["2026-03-01T00:00:00+00:00"]
    assert check("clock", asked).state == "fail"
