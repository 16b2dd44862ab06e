"""Older versions of Airflow: the DAGs load under each, tasks run jobs, and what a version lacks is said.

`make test-airflow-versions` makes their environments; without them only this environment's version is tried.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from synalign import flow
from tests.airflow_versions import VERSIONS, python

ROOT = Path(__file__).parent.parent.parent
FOLDER = os.environ.get("SYNALIGN_TEST_AIRFLOWS", "")
HERE = "3.3"
FILES = {
    "clock": "schedule: {start: 2026-01-01, cron: '0 6 * * *', time_zone: Europe/Berlin}\ngeneration: {mode: batch}\n"
    "training: {trigger: training_set}\nairflow: {default: {pool: night}, connections: {model: my_llm}}\n",
    "asset": "schedule: {start: 2026-01-01, asset: ['s3://lake/log', documents]}\n",
    "tested": "schedule: {start: 2026-01-01}\nexperiment: {exposures: e, outcomes: o}\n",
}

# A job of the test's, under the Python that has all packages.
JOB = """
import sys
from synalign.errors import BusyError, InputError
from synalign.steps.job import conclude

def work():
    if sys.argv[1] == "fine":
        return {"step": "ingest"}
    raise {"busy": BusyError, "input": InputError}[sys.argv[1]]("no.")

conclude(work)
"""

IN_AIRFLOW = """
import json, sys
try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag
import airflow
from airflow.exceptions import AirflowFailException
try:
    from airflow.serialization.serialized_objects import DagSerialization as Serialization
except ImportError:
    from airflow.serialization.serialized_objects import SerializedDAG as Serialization

asked = json.loads(sys.argv[1])
bag = DagBag(asked["dags"])
for dag in bag.dags.values():
    serialise = getattr(Serialization, "serialize_dag", None) or Serialization.to_dict
    json.dumps(serialise(dag))

from synalign.orchestration.operators import JobFailed, JobOperator

def run(name):
    try:
        return JobOperator(task_id=name, bash_command=f"exec {asked['python']} {asked['job']} {name}").execute({})
    except JobFailed as error:
        return [str(error), error.exit_code, isinstance(error, AirflowFailException)]

print("RESULT" + json.dumps({
    "version": airflow.__version__,
    "dags": {name: sorted(dag.task_dict) for name, dag in bag.dags.items()},
    "pools": sorted({task.pool for task in bag.dags["refresh__clock"].tasks}),
    "timetables": {name: type(dag.timetable).__name__ for name, dag in bag.dags.items()},
    "errors": list(bag.import_errors.values()),
    "ran": {name: run(name) for name in ("fine", "busy", "input")},
}))
"""


@pytest.fixture(scope="module", params=[HERE, *VERSIONS])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if request.param != HERE and not FOLDER:
        pytest.skip("`make test-airflow-versions` makes the environments of older versions")
    folder = tmp_path_factory.mktemp("airflow")
    for name, content in FILES.items():
        (folder / f"{name}.yaml").write_text(f"retriever: {name}\n{content}source: {{kind: beir, path: x}}\n")
    (folder / "job.py").write_text(JOB)
    asked = {"dags": str(ROOT / "dags"), "python": sys.executable, "job": str(folder / "job.py")}
    interpreter = sys.executable if request.param == HERE else str(python(Path(FOLDER).absolute(), request.param))
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
        "PYTHONWARNINGS": "ignore",
        "SYNALIGN_RETRIEVERS": str(folder),
    }
    done = subprocess.run(
        [interpreter, "-c", IN_AIRFLOW, json.dumps(asked)],
        env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.rsplit("RESULT", 1)[1].splitlines()[0])
    assert found["version"].startswith(f"{request.param}.")
    return found


def test_every_dag_loads_and_can_be_stored(loaded: dict[str, Any]) -> None:
    expected = {"refresh__clock", "refresh__asset", "refresh__tested", "train__clock"}
    asks = {"read_experiment__tested"} if not loaded["version"].startswith("3.0.") else set()
    assert set(loaded["dags"]) == expected | asks
    steps = {step.name for step in flow.STEPS}
    assert set(loaded["dags"]["refresh__clock"]) == steps | {"turn", "publish"}
    assert loaded["pools"] == ["night"]
    assert loaded["timetables"]["refresh__clock"] == "CronDataIntervalTimetable"
    assert loaded["timetables"]["refresh__asset"] == "AssetTriggeredTimetable"


def test_what_a_version_lacks_is_an_import_error_that_says_so(loaded: dict[str, Any]) -> None:
    if loaded["version"].startswith("3.0."):
        (text,) = loaded["errors"]
        assert "tested.yaml: experiment needs Airflow 3.1 or newer, here is 3.0." in text
    else:
        assert loaded["errors"] == []


def test_a_task_returns_its_jobs_summary_and_what_no_time_mends_is_not_tried_again(loaded: dict[str, Any]) -> None:
    # From 3.3 on the retry policy says so; before, the error's class does.
    old = not loaded["version"].startswith(HERE)
    assert loaded["ran"] == {
        "fine": {"step": "ingest"},
        "busy": ["BusyError: no.", 5, False],
        "input": ["InputError: no.", 3, old],
    }
