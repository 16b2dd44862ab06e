"""Tasks that run jobs: what they return, how they fail, what they pass on. Real processes, a real spark-submit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from synalign.config import overrides
from synalign.steps import outcome

ROOT = Path(__file__).parent.parent.parent
YAML = "retriever: shop\nschedule: {start: 2026-01-01}\nsource: {kind: beir, path: nowhere}\n"

# A job of the test's: says what it was told, then ends as asked.
JOB = """
import os, signal, sys
from synalign.errors import BusyError
from synalign.steps.job import conclude

def work():
    if sys.argv[1] == "busy":
        raise BusyError("somebody is here.", remedy="wait")
    if sys.argv[1] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if sys.argv[1] == "mistake":
        raise KeyError("x")
    return {"step": "ingest", "told": os.environ.get("SYNALIGN_OVERRIDES"), "proxy": os.environ.get("HTTPS_PROXY")}

conclude(work)
"""

IN_AIRFLOW = """
import json, sys
from types import SimpleNamespace
from synalign.orchestration.operators import REPORT, TRACKING_RUN, JobFailed, JobOperator, SparkJobOperator
from synalign.orchestration.credentials import Credential
from synalign.orchestration.engines.connect import ConnectJobOperator

asked = json.loads(sys.argv[1])

def run(operator):
    try:
        return {"returned": operator.execute({})}
    except JobFailed as error:
        return {"failed": str(error), "exit_code": error.exit_code}

found = {}
for name in ("fine", "busy", "killed", "mistake", "99"):
    command = "exit 99" if name == "99" else f"exec {sys.executable} {asked['job']} {name}"
    found[name] = run(JobOperator(task_id=name, bash_command=command, env={"SYNALIGN_OVERRIDES": '{"seed": 3}'}))
lent = [Credential("proxy", "way_out")]
command = f"exec {sys.executable} {asked['job']} fine"
found["connect"] = run(ConnectJobOperator(task_id="c", bash_command=command, connection=None, credentials=lent))
for name, code in asked["spark"].items():
    task = SparkJobOperator(
        task_id=name, application=code[0], application_args=code[1:], name="test", credentials=lent
    )
    found[name] = run(task)

summaries = {"register": {"metrics": {"url": "http://mlflow/run"}}, "report": {"metrics": {"url": "file:///r.html"}}}
ended = SimpleNamespace(xcom_pull=lambda task_ids: summaries.get(task_ids))
lost = SimpleNamespace(xcom_pull=lambda task_ids: None)
links = [link.get_link(None, ti_key=ti) for link in (TRACKING_RUN, REPORT) for ti in (ended, lost)]
print("RESULT" + json.dumps({"found": found, "links": links}))
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("operators")
    (folder / "job.py").write_text(JOB)
    (folder / "shop.yaml").write_text(YAML)
    when = ["--start", "2026-02-28", "--end", "2026-03-01"]
    asked = {
        "job": str(folder / "job.py"),
        "spark": {
            "spark_fine": [str(folder / "job.py"), "fine"],
            "spark_input": [str(ROOT / "jobs" / "ingest.py"), "--config", str(folder / "shop.yaml"), *when],
        },
    }
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYSPARK_SUBMIT_ARGS"},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
        "AIRFLOW_CONN_SPARK_DEFAULT": json.dumps({"conn_type": "spark", "host": "local[1]"}),
        "AIRFLOW_CONN_WAY_OUT": json.dumps({"conn_type": "http", "host": "proxy.example.test", "password": "p"}),
        "SYNALIGN_HOME": str(folder / "home"),
        "PYTHONWARNINGS": "ignore",
    }
    done = subprocess.run(
        [sys.executable, "-c", IN_AIRFLOW, json.dumps(asked)],
        env=environment, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.rsplit("RESULT", 1)[1].splitlines()[0])
    return found


@pytest.mark.parametrize("kind", ["connect", "spark_fine"])
def test_a_driver_on_the_worker_is_lent_what_a_connection_holds(ran: dict[str, Any], kind: str) -> None:
    assert ran["found"][kind]["returned"]["proxy"] == "http://p@proxy.example.test"
    assert ran["found"]["fine"]["returned"]["proxy"] != "http://p@proxy.example.test"


@pytest.mark.parametrize("kind", ["fine", "spark_fine"])
def test_a_task_returns_its_jobs_summary(ran: dict[str, Any], kind: str) -> None:
    assert ran["found"][kind]["returned"]["step"] == "ingest"


def test_a_job_is_told_what_this_run_changes(ran: dict[str, Any]) -> None:
    assert overrides.VARIABLE in JOB
    assert ran["found"]["fine"]["returned"]["told"] == '{"seed": 3}'


def test_a_task_fails_with_its_jobs_own_words_and_exit_code(ran: dict[str, Any]) -> None:
    assert ran["found"]["busy"] == {
        "failed": "BusyError: somebody is here.\nWhat to do: wait",
        "exit_code": 5,
    }


def test_the_cause_is_known_behind_spark_submit_too(ran: dict[str, Any]) -> None:
    found = ran["found"]["spark_input"]
    assert found["exit_code"] == 3
    assert found["failed"].startswith("InputError: ")
    assert "nowhere" in found["failed"]


@pytest.mark.parametrize("ending", ["killed", "mistake", "99"])
def test_a_job_that_says_nothing_is_not_given_a_cause(ran: dict[str, Any], ending: str) -> None:
    assert ran["found"][ending]["exit_code"] is None
    assert "without saying why" in ran["found"][ending]["failed"]


def test_links_lead_to_pages_only(ran: dict[str, Any]) -> None:
    assert ran["links"] == ["http://mlflow/run", "", "", ""]
    assert outcome.VARIABLE == "SYNALIGN_OUTCOME"
