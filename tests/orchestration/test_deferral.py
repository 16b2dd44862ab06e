"""The task that waits without a slot: through Airflow's own machinery, against the embedded writer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from synalign.writer.faults import Faults
from synalign.writer.server import embedded_writer
from tests.steps.test_generate import prepared, settings

KEY = "sk-secret-of-the-tests"
JOB = Path(__file__).parent.parent.parent / "jobs" / "generate.py"

# A DAG of the one task, run as `airflow dags test` runs it: the trigger in line.
DAG_FILE = """
import os, shlex
from datetime import datetime, UTC
from airflow.sdk import DAG
from synalign.orchestration.deferral import WaitingJobOperator
with DAG("waiting", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None) as dag:
    WaitingJobOperator(task_id="generate", bash_command=os.environ["TEST_COMMAND"])
"""

# `airflow db migrate` and `airflow dags test` in one process.
DAGS_TEST = """
from datetime import datetime, UTC
from airflow.utils.db import initdb
initdb()
from airflow.__main__ import main
import sys
sys.argv = ["airflow", "dags", "test", "waiting", "2026-01-02"]
main()
"""

# Triggers as the triggerer makes them, from what was serialised; and an operator whose task is ended.
IN_AIRFLOW = """
import asyncio, json, sys, threading, time
from pathlib import Path
from synalign.orchestration.deferral import BatchTrigger, WaitingJobOperator

async def first(arguments):
    path, kept = BatchTrigger(**arguments).serialize()
    assert path == "synalign.orchestration.deferral.BatchTrigger", path
    async for event in BatchTrigger(**kept).run():
        return {"serialised": kept, "event": event.payload}

asked = json.loads(sys.argv[1])
found = [asyncio.run(first(arguments)) for arguments in asked["triggers"]]

operator = WaitingJobOperator(task_id="generate", bash_command=asked["job"])
def kill():
    while not Path(asked["begun"]).exists():
        time.sleep(0.02)
    operator.on_kill()
threading.Thread(target=kill).start()
try:
    operator.execute({})
except Exception as error:
    print("RESULT" + json.dumps({"found": found, "killed": type(error).__name__}))
"""


def environment(folder: Path, **variables: str) -> dict[str, str]:
    return {
        **os.environ,
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "PYTHONWARNINGS": "ignore",
        **variables,
    }


@pytest.mark.airflow
def test_the_task_defers_and_resumes_until_the_step_is_finished(tmp_path: Path) -> None:
    home = tmp_path / "home"
    run = prepared(home / "runs", mode="batch")
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(settings(mode="batch")))
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "waiting.py").write_text(DAG_FILE)
    arguments = f"--config {tmp_path / 'r.yaml'} --start 2026-01-01 --end 2026-01-02"
    with embedded_writer(0, Faults(batch_seconds=1.0)) as url:
        variables = environment(
            tmp_path,
            SYNALIGN_HOME=str(home),
            SYNALIGN_WRITER_URL=url,
            OPENAI_API_KEY=KEY,
            TEST_COMMAND=f"exec {sys.executable} {JOB} {arguments}",
        )
        done = subprocess.run(
            [sys.executable, "-c", DAGS_TEST], env=variables, capture_output=True, text=True, check=False
        )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-3000:]
    assert output.count("Pausing task as DEFERRED") == 2
    assert run.read("candidates").num_rows == 36
    assert KEY not in output
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path


class Provider(BaseHTTPRequestHandler):
    """Says 500, a broken body, a body that is no batch, in progress, completed: one after the other."""

    server: ThreadingHTTPServer
    told: ClassVar[list[str]] = []
    azure: ClassVar[list[tuple[str, str | None, str | None]]] = []

    def do_GET(self) -> None:
        if self.path.startswith("/openai"):
            self.azure.append((self.path, self.headers["api-key"], self.headers["Authorization"]))
            self._send(200, b'{"status": "completed"}')
            return
        self.told.append(self.headers["Authorization"])
        bodies = [b"{}", b"{", b"[]", b'{"status": "in_progress"}', b'{"status": "completed"}']
        body = bodies[min(len(self.told), len(bodies)) - 1]
        self._send(500 if len(self.told) == 1 else 200, body)

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Stay silent."""


@pytest.fixture(scope="module")
def in_airflow(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of each trigger, and of a task that was ended, in one process: Airflow takes seconds to load."""
    folder = tmp_path_factory.mktemp("airflow")
    begun, ended = folder / "begun", folder / "ended"
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    nowhere = {"url": "http://127.0.0.1:9/v1", "batches": ["b1"], "first_pause": 0.01, "blind_seconds": 0.1}
    with embedded_writer() as url:
        asked = {
            "triggers": [
                {
                    "batches": ["b1"],
                    "url": f"http://127.0.0.1:{server.server_port}/v1",
                    "api_key_variable": "OPENAI_API_KEY",
                    "first_pause": 0.01,
                },
                {**nowhere, "api_key_variable": "NO_SUCH_KEY"},
                {**nowhere, "api_key_variable": None},
                {"batches": ["b1", "b2"], "url": url, "api_key_variable": None},
                {
                    "batches": ["b1"],
                    "url": f"http://127.0.0.1:{server.server_port}/openai/?api-version=2024-10-21",
                    "api_key_variable": None,
                    "headers_variable": {"api-key": "AZURE_KEY"},
                },
                {**nowhere, "api_key_variable": None, "headers_variable": "NO_SUCH_HEADERS"},
            ],
            "job": f"trap 'touch {ended}; exit 143' TERM; touch {begun}; while true; do sleep 0.1; done",
            "begun": str(begun),
        }
        variables = environment(folder, OPENAI_API_KEY=KEY, AZURE_KEY="azure-" + KEY, no_proxy="127.0.0.1")
        done = subprocess.run(
            [sys.executable, "-c", IN_AIRFLOW, json.dumps(asked)],
            env=variables, capture_output=True, text=True, check=False, timeout=200,
        )  # fmt: skip
    server.shutdown()
    server.server_close()
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.rsplit("RESULT", 1)[1].splitlines()[0])
    return {**found, "asked": asked["triggers"], "output": done.stdout + done.stderr, "ended": ended.exists()}


def test_a_trigger_outlives_errors_and_carries_the_keys_name_not_the_key(in_airflow: dict[str, Any]) -> None:
    found = in_airflow["found"][0]
    assert found["event"] == {"batches": {"b1": "completed"}}
    assert Provider.told == [f"Bearer {KEY}"] * 5
    assert KEY not in in_airflow["output"]
    assert found["serialised"].items() >= in_airflow["asked"][0].items()


def test_a_trigger_that_cannot_see_lets_the_job_look(in_airflow: dict[str, Any]) -> None:
    for nth in (1, 2):
        assert in_airflow["found"][nth]["event"] == {"batches": {}, "unseen": ["b1"]}


def test_a_batch_that_the_provider_does_not_know_ends_the_wait(in_airflow: dict[str, Any]) -> None:
    assert in_airflow["found"][3]["event"] == {"batches": {"b1": "unknown", "b2": "unknown"}}


def test_the_query_of_the_address_and_headers_go_with_every_poll(in_airflow: dict[str, Any]) -> None:
    found = in_airflow["found"][4]
    assert found["event"] == {"batches": {"b1": "completed"}}
    assert Provider.azure == [("/openai/batches/b1?api-version=2024-10-21", "azure-" + KEY, None)]
    assert found["serialised"]["headers_variable"] == {"api-key": "AZURE_KEY"}
    assert in_airflow["found"][5]["event"] == {"batches": {}, "unseen": ["b1"]}


def test_the_end_of_the_task_ends_the_job(in_airflow: dict[str, Any]) -> None:
    assert (in_airflow["killed"], in_airflow["ended"]) == ("JobFailed", True)
