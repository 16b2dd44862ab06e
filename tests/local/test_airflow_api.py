"""The demo's calls of Airflow's REST API, against a server that remembers what was asked of it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from synalign.errors import SetupError
from synalign.local import airflow_api
from synalign.local.airflow_api import AirflowApi, wait_for


class _Airflow(BaseHTTPRequestHandler):
    """Speaks as much of Airflow's REST API as the calls need, and remembers what was asked of it."""

    asked: list[tuple[str, str, Any]]

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.asked.append((self.command, self.path, body))
        status, content = 200, {"access_token": "secret", "state": "running"}
        if self.path != "/auth/token" and self.headers["Authorization"] != "Bearer secret":
            status = 401
        if "refused" in self.path:
            status, content = 409, {"detail": "answered already"}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    do_GET = do_POST = do_PATCH = _answer

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    _Airflow.asked = []
    with HTTPServer(("127.0.0.1", 0), _Airflow) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_a_run_is_queued_before_its_dag_is_let_go(server: HTTPServer) -> None:
    api = AirflowApi(f"http://127.0.0.1:{server.server_port}/", "admin", "x")
    api.trigger("d", "r", "2026-03-16T00:00:00Z")
    api.answer("d", "r", "Reject")
    assert api.state("d", "r") == "running"
    assert [(method, path) for method, path, _ in _Airflow.asked] == [
        ("POST", "/auth/token"),
        ("POST", "/api/v2/dags/d/dagRuns"),
        ("PATCH", "/api/v2/dags/d"),
        ("PATCH", "/api/v2/dags/d/dagRuns/r/taskInstances/approve/-1/hitlDetails"),
        ("GET", "/api/v2/dags/d/dagRuns/r"),
    ]
    assert _Airflow.asked[2][2] == {"is_paused": False}
    assert _Airflow.asked[3][2] == {"chosen_options": ["Reject"]}


def test_a_refusal_and_a_silent_server_are_told(server: HTTPServer) -> None:
    api = AirflowApi(f"http://127.0.0.1:{server.server_port}", "admin", "x")
    with pytest.raises(SetupError, match=r"Airflow refused PATCH .*: 409 .*answered already"):
        api.answer("refused", "r", "Approve")
    with pytest.raises(SetupError, match="does not answer"):
        AirflowApi("http://127.0.0.1:1", "admin", "x")


def test_waiting_ends_with_what_was_looked_for_or_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airflow_api.time, "sleep", lambda _: None)
    answers = iter([None, "", "here"])
    assert wait_for(lambda: next(answers), "it", 60) == "here"
    with pytest.raises(SetupError, match="waited 0 s for it, in vain"):
        wait_for(lambda: None, "it", 0.01)
