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


def test_a_registry_apart_is_asked_too(
    case: Make, check: Look, home: Path, empty_database: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TRACKING", "REGISTRY"):
        monkeypatch.setenv(f"MLFLOW_{name}_URI", f"sqlite:///{home / name}.db")
    home.mkdir()
    (home / "TRACKING.db").write_bytes(empty_database)
    found = check("mlflow", case())
    assert (found.state, found.found) == (
        "pass",
        f"{home / 'TRACKING.db'} answers: 1 experiment; no registry at {home / 'REGISTRY.db'} yet; the first refresh "
        "makes it",
    )
    (home / "REGISTRY.db").write_bytes(empty_database)
    found = check("mlflow", case())
    assert found.found.endswith(f"; the registry {home / 'REGISTRY.db'} answers: 0 registered models")
    (home / "REGISTRY.db").write_bytes(b"this is no database" * 1000)
    found = check("mlflow", case())
    assert found.state == "fail" and f"with the registry sqlite:///{home / 'REGISTRY.db'}" in found.found
    assert "MLFLOW_REGISTRY_URI" in found.remedy


@pytest.mark.parametrize(
    ("tracking", "registry", "found", "remedy"),
    [
        ("file:///tmp/mlruns", "", "a folder (file:, ./mlruns) is nothing that MLflow 3 keeps runs in", "unset"),
        ("./mlruns", "", "is nothing that MLflow 3 keeps runs in", "unset MLFLOW_TRACKING_URI"),
        ("", "file:///tmp/models", "the environment variable MLFLOW_REGISTRY_URI == 'file:///tmp/models'", "unset"),
        ("databricks-uc", "", "must be a tracking server: this is a registry", "MLFLOW_TRACKING_URI=databricks"),
        ("", "databricks://team", "must be databricks-uc: a workspace's own registry keeps no aliases",
         "MLFLOW_REGISTRY_URI=databricks-uc://team"),
        ("", "uc:http://127.0.0.1:8080", "MLflow can keep neither tags nor aliases", "unset MLFLOW_REGISTRY_URI"),
        ("", "databricks-uc", "registry.prefix is not set", "registry: {prefix: main.search}"),
        # As MLflow does: the workspace's models are in Unity Catalog.
        ("databricks", "", "registry.prefix is not set", "registry: {prefix: main.search}"),
    ],
)  # fmt: skip
def test_an_address_that_cannot_do_is_answered_by_its_kind(
    case: Make, check: Look, monkeypatch: pytest.MonkeyPatch, tracking: str, registry: str, found: str, remedy: str
) -> None:
    for name, value in {"TRACKING": tracking, "REGISTRY": registry}.items():
        monkeypatch.setenv(f"MLFLOW_{name}_URI", value)
    finding = check("mlflow", case())
    assert finding.state == "fail"
    assert found in finding.found and remedy in finding.remedy


@pytest.fixture
def no_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Databricks' client finds no login of this machine."""
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_CONFIG_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "databricks")


@pytest.mark.usefixtures("no_login")
def test_databricks_without_a_login_says_where_one_goes(case: Make, check: Look) -> None:
    found = check("mlflow", case(registry={"prefix": "main.search"}))
    assert found.state == "fail"
    assert "MLflow at databricks with the registry databricks-uc refused" in found.found
    assert "DATABRICKS_TOKEN" in found.remedy


@pytest.mark.usefixtures("no_login")
def test_databricks_is_asked_for_the_retrievers_own_model(
    case: Make, check: Look, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a server that answers every request alike: no workspace can be had here."""
    monkeypatch.setenv("DATABRICKS_HOST", server.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", "dapi0123456789abcdef")
    found = check("mlflow", case(registry={"prefix": "main.search"}))
    assert (found.state, found.found) == (
        "pass", "databricks answers: 0 experiments; Unity Catalog answers: main.search.shop_training_set is there",
    )  # fmt: skip
    server.status = 403
    server.body = b'{"error_code": "PERMISSION_DENIED", "message": "Invalid access token dapi0123456789abcdef"}'
    found = check("mlflow", case(registry={"prefix": "main.search"}))
    assert found.state == "fail" and "Invalid access token ***" in found.found
    assert "dapi" not in found.found + found.remedy
