"""Airflow's database: none yet, none of its own, damaged, not migrated, too slow."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from synalign.doctor import Case, Finding, airflow

Make, Look = Callable[..., Case], Callable[[str, Case], Finding]


def test_airflow_without_a_database_will_get_one(case: Make, check: Look, home: Path) -> None:
    found = check("airflow", case())
    assert found.state == "pass"
    assert "the first refresh makes it" in found.found
    assert not home.exists()


def test_airflow_elsewhere_is_not_looked_for(case: Make, check: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    found = check("airflow", case())
    assert (found.state, "not installed here" in found.found) == ("skipped", True)


@pytest.mark.airflow
def test_an_airflow_database_that_is_none_fails_and_says_how_to_begin_anew(case: Make, check: Look, home: Path) -> None:
    file = home / "airflow" / "airflow.db"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"this is no database" * 1000)
    found = check("airflow", case())
    assert found.state == "fail"
    assert "not a database" in found.found
    assert "synalign down" in found.remedy


@pytest.mark.airflow
def test_the_database_of_somebodys_own_airflow_must_be_migrated(
    case: Make, check: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
    found = check("airflow", case())
    assert found.state == "fail"
    assert "unapplied migrations" in found.found
    assert "airflow db migrate" in found.remedy


@pytest.mark.airflow
def test_an_airflow_that_hangs_is_given_up(
    case: Make, check: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setattr(airflow, "SECONDS", 0.2)
    assert "did not end within 0.2 s" in check("airflow", case()).found
