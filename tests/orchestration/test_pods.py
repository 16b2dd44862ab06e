"""Tasks that are pods, made and run by Airflow's own operator: what they return, how they fail, what they are given.

Kubernetes is a double (`tests.kubernetes`): it runs a pod's container as a process of this machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from synalign.steps import outcome
from tests.kubernetes import Cluster, cluster

pytest.importorskip("airflow.providers.cncf.kubernetes", reason="the extra `kubernetes` is not installed")
from synalign.orchestration.pods import TERMINATION_LOG, ended

# A job of the test's: says what it was told, then ends as asked.
JOB = """
import os, sys
from synalign.errors import BusyError
from synalign.steps.job import conclude

def work():
    if sys.argv[1] == "busy":
        raise BusyError("somebody is here.", remedy="wait")
    if sys.argv[1] == "mistake":
        raise KeyError("x")
    if sys.argv[1] == "long":
        raise BusyError("much to say: " + "x" * 6000)
    if sys.argv[1] == "waits" and not os.path.exists("begun"):
        open("begun", "w").close()
        waiting = {"batches": ["b1"], "url": os.environ["PROVIDER"], "api_key_variable": None}
        return {"step": "generate", "waiting": waiting}
    return {"step": "sample", "told": os.environ.get("SYNALIGN_OVERRIDES"), "own": os.environ.get("FROM_TEMPLATE")}

conclude(work)
"""

DAG_FILE = """
import json, os, sys
from datetime import UTC, datetime
from pathlib import Path
from airflow.sdk import DAG, task
from synalign.orchestration.pods import PodJobOperator, WaitingPodJobOperator

asked = json.loads(os.environ["TEST_ASKED"])

def failed(context):
    error, name = context["exception"], context["ti"].task_id
    Path(asked["folder"], name).write_text(json.dumps({"failed": str(error), "exit_code": error.exit_code}))

with DAG("pods", start_date=datetime(2026, 1, 1, tzinfo=UTC), schedule=None) as dag:
    for name in ("fine", "busy", "mistake", "long", "waits"):
        pod = (WaitingPodJobOperator if name == "waits" else PodJobOperator)(
            task_id=name, command=[sys.executable, asked["job"], name, "{{ ds }}"], namespace="jobs",
            env_vars={"SYNALIGN_OVERRIDES": '{"seed": 3}', "PROVIDER": asked["provider"]},
            pod_template_dict=asked["pod"], on_failure_callback=failed,
        )
        if name in ("fine", "waits"):
            @task(task_id=f"after_{name}")
            def after(summary, name):
                Path(asked["folder"], name).write_text(json.dumps(summary))
            after(pod.output, name)
"""

# `airflow db migrate` and `airflow dags test` in one process.
DAGS_TEST = """
import sys
from airflow.utils.db import initdb
initdb()
from airflow.__main__ import main
sys.argv = ["airflow", "dags", "test", "pods", "2026-01-02"]
main()
"""


def template(repository: Path) -> dict[str, Any]:
    variables = {"FROM_TEMPLATE": "yes", "PYTHONPATH": str(repository)}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"team": "search"}},
        "spec": {"containers": [{
            "name": "base", "image": "registry.example.org/jobs:1",
            "env": [{"name": name, "value": value} for name, value in variables.items()],
        }]},
    }  # fmt: skip


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Cluster]:
    folder = tmp_path_factory.mktemp("pods")
    (folder / "job.py").write_text(JOB)
    (folder / "dags").mkdir()
    (folder / "found").mkdir()
    (folder / "dags" / "pods.py").write_text(DAG_FILE)
    asked = {
        "job": str(folder / "job.py"),
        "folder": str(folder / "found"),
        "pod": template(Path(__file__).parent.parent.parent),
    }
    with cluster() as kubernetes:
        asked["provider"] = f"{kubernetes.url}/v1"
        environment = {
            **os.environ,
            "AIRFLOW_HOME": str(folder / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
            "AIRFLOW_CONN_KUBERNETES_DEFAULT": kubernetes.connection,
            "PYTHONWARNINGS": "ignore",
            "TEST_ASKED": json.dumps(asked),
        }
        done = subprocess.run(
            [sys.executable, "-c", DAGS_TEST], env=environment, capture_output=True, text=True, check=False, timeout=600
        )
    found = {path.name: json.loads(path.read_text()) for path in (folder / "found").iterdir()}
    assert set(found) == {"fine", "busy", "mistake", "long", "waits"}, done.stdout[-6000:] + done.stderr[-6000:]
    return found, kubernetes


def test_a_pod_returns_its_jobs_summary(ran: tuple[dict[str, Any], Cluster]) -> None:
    # As the next task of the DAG got it.
    assert ran[0]["fine"] == {"step": "sample", "told": '{"seed": 3}', "own": "yes"}


def test_a_pod_fails_with_its_jobs_own_words_and_exit_code(ran: tuple[dict[str, Any], Cluster]) -> None:
    assert ran[0]["busy"] == {"failed": "BusyError: somebody is here.\nWhat to do: wait", "exit_code": 5}


def test_what_was_too_long_for_kubernetes_still_has_its_exit_code(ran: tuple[dict[str, Any], Cluster]) -> None:
    assert ran[0]["long"]["exit_code"] == 5
    assert ran[0]["mistake"]["exit_code"] == 1


def test_a_pod_is_the_templates_with_the_job_in_its_first_container(ran: tuple[dict[str, Any], Cluster]) -> None:
    pods = {pod["spec"]["containers"][0]["args"][1]: pod for pod in ran[1].created}
    assert set(pods) == {"fine", "busy", "mistake", "long", "waits"}
    (container,) = pods["fine"]["spec"]["containers"]
    assert container["image"] == "registry.example.org/jobs:1"
    assert container["command"] == [sys.executable]
    # Rendered as every task is.
    assert container["args"][1:] == ["fine", "2026-01-02"]
    assert {entry["name"]: entry["value"] for entry in container["env"]}[outcome.VARIABLE] == TERMINATION_LOG
    assert pods["fine"]["metadata"]["labels"]["team"] == "search"


def test_a_job_that_waits_for_a_provider_is_run_again_in_a_pod_of_its_own(
    ran: tuple[dict[str, Any], Cluster],
) -> None:
    # The first pod ended with what it waits for; the triggerer saw that the provider has no such batch any more.
    assert ran[0]["waits"]["step"] == "sample"
    names = [pod["metadata"]["name"] for pod in ran[1].created if pod["spec"]["containers"][0]["args"][1] == "waits"]
    assert len(set(names)) == 2


def test_a_pod_that_is_over_is_removed(ran: tuple[dict[str, Any], Cluster]) -> None:
    assert ran[1].pods == {}


def test_a_pod_that_never_ran_says_nothing() -> None:
    assert ended(None, "base") == (None, outcome.Outcome())
