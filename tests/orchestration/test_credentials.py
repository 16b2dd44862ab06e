"""Secrets from Airflow connections: a real task of a real DAG, whose job needs a key and a proxy with a login."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest
import yaml

from synalign import flow
from synalign.config import Configuration
from synalign.errors import ConfigurationError
from synalign.orchestration import credentials
from synalign.orchestration.credentials import Credential
from synalign.writer.faults import Faults
from synalign.writer.server import embedded_writer
from tests.steps.test_generate import prepared, settings

KEY, PROXY_PASSWORD = "sk-kept-in-a-connection", "pass/word of the proxy"
JOBS = Path(__file__).parent.parent.parent / "jobs"
GENERATION = {"endpoint": "http://llm.example.test/v1", "model": "embedded", "api_key_variable": "LLM_OF_THE_HOUSE"}

# The job itself, and a task that tells what is left of its secrets.
DAG_FILE = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from airflow.sdk import DAG, task
from synalign.orchestration import credentials
from synalign.orchestration.deferral import WaitingJobOperator
from synalign.retriever_files import load

file = Path(os.environ["TEST_FILE"])
lent = credentials.of_task(load(file), "generate")

@task
def after():
    print("LEFT BEHIND", sorted({"LLM_OF_THE_HOUSE", "HTTPS_PROXY"} & set(os.environ)))

with DAG("lent", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None) as dag:
    generate = WaitingJobOperator(task_id="generate", bash_command=os.environ["TEST_COMMAND"], credentials=lent)
    generate >> after()
"""

# `airflow db migrate` and `airflow dags test` in one process.
DAGS_TEST = """
import sys
from airflow.utils.db import initdb
initdb()
from airflow.__main__ import main
sys.argv = ["airflow", "dags", "test", "lent", "2026-01-02"]
main()
"""


class Proxy(BaseHTTPRequestHandler):
    """Hands on to the writer what comes with the proxy's login and the model's key, and nothing else."""

    target: ClassVar[str] = ""
    seen: ClassVar[list[tuple[str, str]]] = []
    processes: ClassVar[set[str]] = set()

    def _hand_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        login = self.headers.get("Proxy-Authorization", "").removeprefix("Basic ")
        self.seen.append((base64.b64decode(login).decode(), self.headers.get("Authorization", "")))
        # While the job runs, as anybody on the machine sees it.
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                self.processes.add(file.read_text(errors="replace"))
            except OSError:
                continue
        parts = urlsplit(self.path)
        path = parts.path.removeprefix("/v1") + (f"?{parts.query}" if parts.query else "")
        kept = {name: self.headers[name] for name in ("Content-Type",) if name in self.headers}
        request = urllib.request.Request(self.target + path, body or None, kept, method=self.command)
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
                status, content = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, content = error.code, error.read()
        if self.seen[-1] != (f"joe:{PROXY_PASSWORD}", f"Bearer {KEY}"):
            status, content = 401, b"{}"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _hand_on

    def log_message(self, *given: Any) -> None:
        """Stay silent."""


@pytest.mark.airflow
def test_key_and_proxy_reach_the_job_and_its_trigger_and_are_written_nowhere(tmp_path: Path) -> None:
    home = tmp_path / "home"
    generation = {**GENERATION, "mode": "batch"}
    run = prepared(home / "runs", **generation)
    (tmp_path / "r.yaml").write_text(
        yaml.safe_dump(settings(**generation) | {"airflow": {"connections": {"model": "my_llm", "proxy": "way_out"}}})
    )
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "lent.py").write_text(DAG_FILE)
    arguments = f"--config {tmp_path / 'r.yaml'} --start 2026-01-01 --end 2026-01-02"
    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    out = {"conn_type": "http", "host": "127.0.0.1", "port": server.server_port, "login": "joe"}
    with embedded_writer(0, Faults(batch_seconds=1.0)) as Proxy.target:
        environment = {
            **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
            "AIRFLOW_HOME": str(tmp_path / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path / 'airflow.db'}",
            "AIRFLOW_CONN_MY_LLM": json.dumps({"conn_type": "http", "password": KEY}),
            "AIRFLOW_CONN_WAY_OUT": json.dumps({**out, "password": PROXY_PASSWORD}),
            "PYTHONWARNINGS": "ignore",
            "SYNALIGN_HOME": str(home),
            "TEST_FILE": str(tmp_path / "r.yaml"),
            "TEST_COMMAND": f"exec {sys.executable} {JOBS / 'generate.py'} {arguments}",
        }
        done = subprocess.run(
            [sys.executable, "-c", DAGS_TEST], env=environment, capture_output=True, text=True, check=False, timeout=600
        )
    server.shutdown()
    server.server_close()
    output = done.stdout + done.stderr
    assert done.returncode == 0, output[-5000:]
    assert run.read("candidates").num_rows == 36
    # The trigger's polls, too.
    assert output.count("Pausing task as DEFERRED") == 2
    assert set(Proxy.seen) == {(f"joe:{PROXY_PASSWORD}", f"Bearer {KEY}")}
    assert "LEFT BEHIND []" in output
    assert any("generate.py" in words for words in Proxy.processes)
    quoted = PROXY_PASSWORD.replace("/", "%2F").replace(" ", "%20")
    for secret in (KEY, PROXY_PASSWORD, quoted):
        assert secret not in output
        assert not any(secret in words for words in Proxy.processes)
        for path in tmp_path.rglob("*"):
            assert not path.is_file() or secret.encode() not in path.read_bytes(), path


CONNECTIONS = {
    "judge": SimpleNamespace(
        password="judges-key", extra_dejson={"headers": {"api-key": "azure-key"}}, login=None, host=None
    ),
    "tracking": SimpleNamespace(
        conn_type="http", schema="https", host="mlflow.example.org", port=8443, login="bot", password="tracking-word"
    ),
    "token": SimpleNamespace(conn_type="http", schema=None, host="", port=None, login=None, password="tracking-token"),
    "proxy": SimpleNamespace(
        conn_type="http", schema=None, host="proxy.example.org", port=3128, login=None, password=None,
        extra_dejson={"no_proxy": ".example.org"},
    ),
    "empty": SimpleNamespace(password=None, extra_dejson={}, login=None, host=None),
}  # fmt: skip


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections as Airflow's objects have their fields; the test above asks Airflow itself."""
    monkeypatch.setattr(credentials, "_connection", CONNECTIONS.__getitem__)
    monkeypatch.setattr(credentials, "_mask", lambda secret: None)


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("credential", "variables"),
    [
        (Credential("judge", "judge", "JUDGE_KEY"), {"JUDGE_KEY": "judges-key"}),
        (Credential("judge", "judge", None, {"api-key": "AZURE"}), {"AZURE": "azure-key"}),
        (Credential("judge", "judge", None, "ALL"), {"ALL": '{"api-key": "azure-key"}'}),
        (
            Credential("mlflow", "tracking"),
            {
                "MLFLOW_TRACKING_URI": "https://mlflow.example.org:8443",
                "MLFLOW_TRACKING_USERNAME": "bot",
                "MLFLOW_TRACKING_PASSWORD": "tracking-word",
            },
        ),
        (Credential("mlflow", "token"), {"MLFLOW_TRACKING_TOKEN": "tracking-token"}),
    ],
)
def test_a_connection_becomes_the_variables_that_the_job_reads(
    credential: Credential, variables: dict[str, str]
) -> None:
    assert credentials.variables([credential]) == variables


@pytest.mark.usefixtures("known")
def test_a_proxy_is_named_in_both_spellings_and_not_used_for_this_machine() -> None:
    found = credentials.variables([Credential("proxy", "proxy")])
    assert {found[name] for name in ("HTTP_PROXY", "https_proxy")} == {"http://proxy.example.org:3128"}
    assert found["no_proxy"] == found["NO_PROXY"] == ".example.org,127.0.0.1,localhost"


@pytest.mark.usefixtures("known")
def test_a_connection_without_a_key_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="the connection 'empty' holds no key"):
        credentials.variables([Credential("model", "empty", "KEY")])


@pytest.mark.usefixtures("known")
def test_what_is_lent_is_taken_back_also_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://before:1")
    monkeypatch.delenv("KEY", raising=False)
    with pytest.raises(KeyError), credentials.lent([Credential("judge", "judge", "KEY"), Credential("proxy", "proxy")]):
        assert (os.environ["KEY"], os.environ["HTTP_PROXY"]) == ("judges-key", "http://proxy.example.org:3128")
        raise KeyError("x")
    assert ("KEY" in os.environ, os.environ["HTTP_PROXY"]) == (False, "http://before:1")


def test_a_task_gets_only_what_its_job_needs(configuration: Callable[..., Configuration]) -> None:
    ids = {name: f"my_{name}" for name in ("model", "judge", "teacher", "encoder", "mlflow", "proxy")}
    sections = {
        "screening": {"judge": {"endpoint": "https://judge.example/v1", "model": "j"}},
        "teacher": {"kind": "rerank", "model": "t", "endpoint": "https://t.example/v1", "api_key_variable": "T"},
        "encoder": {"model": "m", "endpoint": "https://e.example/v1", "api_key_variable": "E"},
    }
    made = configuration(airflow={"connections": ids}, **sections)
    needed = {step.name: {each.purpose for each in credentials.of_task(made, step.name)} for step in flow.STEPS}
    special = {
        "embed": {"encoder"}, "embed_candidates": {"encoder"}, "generate": {"model"}, "screen": {"judge", "encoder"},
        "teach": {"teacher"}, "evaluate": {"encoder"}, "register": {"mlflow"}, "report": {"mlflow"},
    }  # fmt: skip
    assert needed == {step.name: {"proxy"} | special.get(step.name, set()) for step in flow.STEPS}
    assert Credential("teacher", "my_teacher", "T") in credentials.of_task(made, "teach")


def test_a_connection_whose_key_nobody_takes_is_refused(configuration: Callable[..., Configuration]) -> None:
    for section, name in (("encoder", "encoder"), ("judge", "screening.judge")):
        with pytest.raises(ValueError, match=f"connections.{section} needs {name}.api_key_variable"):
            configuration(airflow={"connections": {section: "mine"}})
    assert configuration(airflow={"connections": {"model": "mine"}})
