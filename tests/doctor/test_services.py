"""Spark, the encoder, MLflow and Airflow's database, each as it is and as it should not be."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synalign.doctor import Case, Finding, airflow, spark
from synalign.embedding import encoder

Make, Look = Callable[..., Case], Callable[[str, Case], Finding]


def fake_java(folder: Path, monkeypatch: pytest.MonkeyPatch, then: str) -> None:
    """A Java that names itself and does something else when it is asked for more."""
    command = folder / "bin" / "java"
    command.parent.mkdir()
    command.write_text(
        f'#!/bin/sh\nif [ "$1" = -version ]; then echo \'openjdk version "17.0.1"\' >&2; exit 0; fi\n{then}\n'
    )
    command.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(folder))


@pytest.mark.spark
def test_spark_counts_in_a_process_of_its_own(case: Make, check: Look) -> None:
    found = check("spark", case())
    assert found.state == "pass", found
    assert "counted 10,000 rows" in found.found
    assert "(Java " in found.found


@pytest.mark.spark
def test_a_spark_that_does_not_start_is_told_with_how_to_see_more(
    case: Make, check: Look, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_java(tmp_path, monkeypatch, "echo no such machine >&2; exit 1")
    found = check("spark", case())
    assert found.state == "fail"
    assert "Spark cannot count: " in found.found
    assert "JAVA_GATEWAY_EXITED" in found.found or "Java gateway" in found.found
    assert f"{sys.executable} -m synalign.doctor.spark" in found.remedy


@pytest.mark.spark
def test_a_spark_that_hangs_is_given_up(
    case: Make, check: Look, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_java(tmp_path, monkeypatch, "exec sleep 2")
    monkeypatch.setattr(spark, "SECONDS", 1)
    found = check("spark", case())
    assert found.state == "fail"
    assert "did not count 10,000 rows within 1 s" in found.found


def test_without_java_there_is_no_use_in_starting_spark(
    case: Make, check: Look, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert check("spark", case()).state == "skipped"


def test_the_encoder_in_the_environment_is_the_published_one(case: Make, check: Look) -> None:
    found = check("encoder", case())
    assert found.state == "pass", found
    assert "384 dimensions" in found.found
    assert f"{encoder.EMBEDDED_WEIGHTS[:12]}..., the published one" in found.found


def test_an_encoder_that_was_altered_is_refused(case: Make, check: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "EMBEDDED_WEIGHTS", "0" * 64)
    encoder.revision.cache_clear()
    try:
        found = check("encoder", case())
    finally:
        encoder.revision.cache_clear()
    assert found.state == "fail"
    assert "must be 0000" in found.found
    assert "force-reinstall" in found.remedy


def test_an_encoder_that_is_not_there_is_named(case: Make, check: Look, tmp_path: Path) -> None:
    found = check("encoder", case(encoder={"model": str(tmp_path / "model")}))
    assert found.state == "fail"
    assert "encoder.model" in found.found
    assert "save_pretrained" in found.remedy


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
