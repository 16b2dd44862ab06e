"""The file that says where Spark steps run."""

from __future__ import annotations

from pathlib import Path

import pytest

from synalign.errors import ConfigurationError
from synalign.orchestration.engines.settings import INHERITED, VARIABLE, Spark, settings


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (VARIABLE, "SPARK_REMOTE", *INHERITED):
        monkeypatch.delenv(name, raising=False)


def test_without_a_file_spark_submit_starts_drivers_or_a_server_runs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings().engine == "submit"
    monkeypatch.setenv("SPARK_REMOTE", "sc://spark.example.org")
    assert settings().engine == "connect"


def test_a_file_says_it_even_where_a_server_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "spark.yaml").write_text("spark: {engine: yarn, connection: cluster}")
    monkeypatch.setenv("SPARK_REMOTE", "sc://spark.example.org")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "spark.yaml"))
    assert (settings().engine, settings().connection) == ("yarn", "cluster")


def test_a_mistake_is_named_with_its_file_key_and_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "spark.yaml").write_text("spark:\n  engine: yarn\n  conection: cluster\n")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "spark.yaml"))
    with pytest.raises(ConfigurationError, match=r"spark\.yaml: spark\.conection == 'cluster', .* \(line 3\)"):
        settings()


def test_what_is_passed_on_is_the_workers_unless_the_file_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNALIGN_HOME", "/var/lib/synalign")
    monkeypatch.setenv("SYNALIGN_STORE", "s3://bucket/store")
    spark = Spark(engine="yarn", environment={"SYNALIGN_HOME": "/tmp/synalign", "HF_HUB_OFFLINE": "1"})
    assert spark.passed_on() == {
        "SYNALIGN_HOME": "/tmp/synalign",
        "SYNALIGN_STORE": "s3://bucket/store",
        "HF_HUB_OFFLINE": "1",
    }
    assert spark.store() == "s3://bucket/store"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MODEL_API_KEY", "anything"),
        # By its value alone: a variable of the worker holds the same.
        ("HARMLESS", "xx-worker-secret-xx"),
        ("MLFLOW_TRACKING_URI", "https://synalign:hunter22@mlflow.example.org"),
    ],
)
def test_no_secret_is_passed_on(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("SOME_PASSWORD", "worker-secret")
    with pytest.raises(ConfigurationError, match=f"{name} holds a secret") as caught:
        Spark(environment={name: value}).passed_on()
    assert value not in str(caught.value)


def test_a_login_in_an_inherited_address_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://synalign:hunter22@mlflow.example.org")
    with pytest.raises(ConfigurationError, match="MLFLOW_TRACKING_URI holds a secret"):
        Spark().passed_on()


def test_the_retrievers_file_is_where_the_driver_sees_it() -> None:
    file = Path("/etc/synalign/retrievers/shop.yaml")
    assert Spark().config(file) == str(file)
    assert Spark(retrievers="/mnt/retrievers/").config(file) == "/mnt/retrievers/shop.yaml"
