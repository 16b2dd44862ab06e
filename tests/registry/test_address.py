"""Where MLflow is: what the environment says is used by every process, or refused before anything is paid for."""

import os
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from synalign import errors
from synalign.local import services
from synalign.registry import connection
from synalign.registry.address import registry_uri, tracking_uri

SYNALIGN = str(Path(sys.executable).with_name("synalign"))
PORTS = services.Ports(8080, 5000, 8100)
YAML = """
retriever: small
schedule: {start: 2026-01-01, cron: "0 0 * * *"}
source: {kind: log, path: log.parquet, documents: {path: documents.parquet}}
"""


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


def test_a_registry_of_its_own_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRACKING", "REGISTRY"):
        monkeypatch.setenv(f"MLFLOW_{name}_URI", f"sqlite:///{tmp_path / name}.db")
    assert services.environment(PORTS, servers=True)["MLFLOW_REGISTRY_URI"] == f"sqlite:///{tmp_path / 'REGISTRY'}.db"
    with connection.connected(tracking_uri(), "again") as client:
        client.create_registered_model("shop-training-set")
    assert (tmp_path / "REGISTRY.db").is_file()


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


def test_secrets_made_by_two_processes_at_once_are_one(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from synalign.local.services import _secret\n"
        "print(_secret(Path(sys.argv[1]) / 'airflow' / 'jwt_secret'))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "home")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    secrets = {process.communicate(timeout=60)[0] for process in running}
    assert len(secrets) == 1 and len(secrets.pop().strip()) >= 32


def test_a_new_database_is_made_by_one_of_several_processes(tmp_path: Path) -> None:
    """What was seen: two first refreshes of one home at a time, and MLflow's tables made by both."""
    code = (
        "from synalign.registry.connection import connected, tracking_uri\n"
        "with connected(tracking_uri(), 'again') as client:\n"
        "    print(len(client.search_experiments()))"
    )
    (tmp_path / "mlflow").mkdir()
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in running:
        found, said = process.communicate(timeout=240)
        assert (process.returncode, found) == (0, "1\n"), said[-2000:]


class _Broken(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503)
        self.end_headers()

    do_POST = do_GET

    def log_message(self, *arguments: object) -> None:
        """Nothing of it."""


@pytest.fixture(params=["nobody listens", "503", "no database"])
def unusable(request: pytest.FixtureRequest, tmp_path: Path):
    if request.param == "no database":
        (tmp_path / "text.db").write_text("this is no database, and far from being one " * 50)
        yield f"sqlite:///{tmp_path / 'text.db'}"
        return
    if request.param == "nobody listens":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        yield f"http://127.0.0.1:{port}"
        return
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Broken)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def test_a_refresh_fails_before_anything_is_started(
    home: Path, unusable: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (home / "small.yaml").write_text(YAML)
    began = time.monotonic()
    done = subprocess.run(
        [SYNALIGN, "refresh", str(home / "small.yaml"), "--date", f"{datetime.now(UTC):%Y-%m-%d}"],
        env={**os.environ, "MLFLOW_TRACKING_URI": unusable}, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == errors.RegistryError.exit_code, done.stdout + done.stderr
    said = " ".join(done.stderr.split())
    assert "RegistryError: MLflow" in said and "MLFLOW_TRACKING_URI" in said and "Traceback" not in said
    assert "nothing was started" in said
    # Not this home's own database, and no Airflow.
    assert not (home / "mlflow").exists() and not (home / "airflow").exists() and not (home / "runs").exists()
    assert time.monotonic() - began < 120
