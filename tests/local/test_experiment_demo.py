"""The demo without servers: its plans, its home, its verdict beside the truth, and its calls of the REST API."""

import json
import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from synalign.errors import SetupError
from synalign.experiment import airflow_api
from synalign.experiment.airflow_api import AirflowApi, wait_for
from synalign.experiment.findings import Readout
from synalign.local import experiment_demo


@pytest.mark.parametrize("case", experiment_demo.CASES, ids=lambda case: case.retriever)
def test_every_case_has_a_plan_that_can_be_run_in_its_days(case: experiment_demo.Case) -> None:
    plan = experiment_demo.plan(case)
    assert plan.expected_days <= experiment_demo.DAYS
    assert plan.stop == experiment_demo.START + timedelta(days=experiment_demo.DAYS - 1)
    assert plan == experiment_demo.plan(case)
    # A test of this size can be told from chance only if what is true is larger than what is looked for.
    assert case.world.uplift == 0.0 or case.world.uplift > plan.minimum_detectable_effect


@pytest.mark.parametrize("found", ["ship", "void"])
def test_a_verdict_is_shown_beside_the_truth(found: Any) -> None:
    case = experiment_demo.CASES[0]
    readout = Readout(
        experiment="one", retriever="uplift", plan_digest="0" * 64, day=experiment_demo.START, look=1, units={},
        planned_units=100,
        valid=True, void_reasons=(), effects=(), verdict=found, sentence="What a person would write.",
    )  # fmt: skip
    text = "\n".join(experiment_demo.show(case, readout))
    assert case.truth in text
    assert "What a person would write." in text
    assert ("WRONG, should be 'ship'" in text) == (found == "void")


def test_its_home_is_its_own_and_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://production:5000")
    monkeypatch.setenv("SYNALIGN_AIRFLOW_PORT", "8080")
    before = dict(os.environ)
    with experiment_demo.own_home(tmp_path / "own"):
        assert os.environ["SYNALIGN_HOME"] == str(tmp_path / "own")
        assert "MLFLOW_TRACKING_URI" not in os.environ
        assert os.environ["SYNALIGN_AIRFLOW_PORT"] != "8080"
    assert dict(os.environ) == before


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
