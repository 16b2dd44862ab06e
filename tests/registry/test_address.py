"""Where MLflow is: what the environment says is used by every process, or refused before anything is paid for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from synalign import errors
from synalign.local import services
from synalign.registry.address import registry_uri, tracking_uri

PORTS = services.Ports(8080, 5000, 8100)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SYNALIGN_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("value", [None, "", "  "])
def test_without_an_address_it_is_a_database_of_this_home(
    home: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is not None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", value)
    own = f"sqlite:///{home / 'mlflow' / 'mlflow.db'}"
    assert tracking_uri() == own == services.environment(PORTS, servers=False)["MLFLOW_TRACKING_URI"]
    assert services.environment(PORTS, servers=True)["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:5000"
    assert services.external_tracking(PORTS) == ""


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:9",
        "https://user:word@mlflow.example/team",
        "sqlite:////data/m.db",
        "postgresql+psycopg2://h/d",
    ],
)
def test_a_given_address_reaches_every_step(monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f" {uri} ")
    assert tracking_uri() == registry_uri(tracking_uri()) == uri
    for servers in (False, True):
        assert services.environment(PORTS, servers=servers)["MLFLOW_TRACKING_URI"] == uri
    assert services.external_tracking(PORTS) == uri


def test_a_relative_database_is_the_same_file_in_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///team.db")
    assert tracking_uri() == f"sqlite:///{tmp_path / 'team.db'}"
    assert services.environment(PORTS, servers=False)["MLFLOW_TRACKING_URI"] == tracking_uri()


@pytest.mark.parametrize("uri", ["http://127.0.0.1:5000", "http://localhost:5000/", "http://127.0.0.1:5000"])
def test_the_server_that_up_starts_is_its_own(monkeypatch: pytest.MonkeyPatch, uri: str) -> None:
    """Exported from what `synalign up` printed, it must not keep the next `up` from starting it."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert services.external_tracking(PORTS) == ""
    assert services.environment(PORTS, servers=True)["MLFLOW_TRACKING_URI"] == "http://127.0.0.1:5000"
    # Without it, the address is used as it was given, and fails where nothing is there.
    assert services.environment(PORTS, servers=False)["MLFLOW_TRACKING_URI"] == uri


@pytest.mark.parametrize(
    "uri",
    ["htp://host:1", "mlflow:5000", "http://", "http://host:port", "http://host:99999", "file:///tmp/x", "./mlruns",
     "sqlite", "ftp://someone:secret@host/x", "://", "http:/host"],
)  # fmt: skip
@pytest.mark.parametrize("variable", ["MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"])
def test_what_is_no_address_is_told_with_its_variable(monkeypatch: pytest.MonkeyPatch, uri: str, variable: str) -> None:
    monkeypatch.setenv(variable, uri)
    with pytest.raises(errors.ConfigurationError, match=variable) as caught:
        registry_uri(tracking_uri())
    assert "secret" not in str(caught.value) and "unset" in caught.value.remedy
    with pytest.raises(errors.ConfigurationError, match=variable):
        services.environment(PORTS, servers=False)


def test_what_the_environment_says_of_spark_and_python_reaches_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """README: a cluster is the Airflow connection `spark_default`; retrievers and the jobs' Python are variables."""
    said = {
        "AIRFLOW_CONN_SPARK_DEFAULT": "spark://cluster:7077",
        "SPARK_LOCAL_IP": "10.0.0.7",
        "SYNALIGN_PYTHON": "/opt/jobs/bin/python",
        "SYNALIGN_STORE": "s3://bucket/team",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
        "SYNALIGN_RETRIEVERS": "/team/retrievers",
    }
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SPARK_SUBMIT_OPTS", "-Dcom.example=1")
    variables = services.environment(PORTS, servers=True)
    for name in (
        "AIRFLOW_CONN_SPARK_DEFAULT",
        "SPARK_LOCAL_IP",
        "SYNALIGN_PYTHON",
        "SYNALIGN_STORE",
        "AWS_ENDPOINT_URL",
    ):
        assert variables[name] == said[name]
    assert variables["PYSPARK_PYTHON"] == said["SYNALIGN_PYTHON"]
    assert "/team/retrievers" in variables["SYNALIGN_RETRIEVERS"].split(os.pathsep)
    assert variables["SPARK_SUBMIT_OPTS"].endswith("-XX:+UseSerialGC -Dcom.example=1")


@pytest.mark.slow
def test_secrets_made_by_two_processes_at_once_are_one(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from synalign.local.services import _secret\n"
        "print(_secret(Path(sys.argv[1]) / 'airflow' / 'jwt_secret'))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "home")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    secrets = {process.communicate(timeout=60)[0] for process in running}
    assert len(secrets) == 1 and len(secrets.pop().strip()) >= 32


def test_commands_that_only_name_a_run_or_an_address_start_without_mlflow() -> None:
    code = "import sys, synalign.registry.address, synalign.registry.lookup; print('mlflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
