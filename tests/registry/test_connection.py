"""MLflow's client: a registry of its own, new databases, and servers that cannot be used."""

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
from synalign.registry.address import tracking_uri

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


@pytest.mark.mlflow
def test_a_registry_of_its_own_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRACKING", "REGISTRY"):
        monkeypatch.setenv(f"MLFLOW_{name}_URI", f"sqlite:///{tmp_path / name}.db")
    assert services.environment(PORTS, servers=True)["MLFLOW_REGISTRY_URI"] == f"sqlite:///{tmp_path / 'REGISTRY'}.db"
    with connection.connected(tracking_uri(), "again") as client:
        client.create_registered_model("shop-training-set")
    assert (tmp_path / "REGISTRY.db").is_file()


@pytest.mark.mlflow
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


@pytest.mark.mlflow
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
