"""The DAG of a retriever's trainings: only where it is asked for, light, and on the asset that the refresh emits."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PLAIN = "retriever: {name}\nschedule: {{start: 2026-01-01}}\nsource: {{kind: beir, path: x}}\n"

LOAD = f"""
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag({str(ROOT / "dags")!r})
heavy = [name for name in ("torch", "pyspark", "mlflow", "numpy", "pandas", "pyarrow", "sentence_transformers")
         if name in sys.modules]
dag = bag.dags["train__learns"]
emitted = [asset.uri for asset in bag.dags["refresh__learns"].get_task("publish").outlets]
(task,) = dag.tasks
print("RESULT" + json.dumps({{
    "names": sorted(bag.dags),
    "asset": [asset.uri for asset in dag.timetable.asset_condition.objects],
    "emitted": emitted,
    "task": task.task_id,
    "command": task.bash_command,
    "retry": type(task.retry_policy).__name__,
    "catchup": dag.catchup,
    "pages": [dag.doc_md, task.doc_md],
    "errors": {{str(path): text for path, text in bag.import_errors.items()}},
    "heavy": heavy,
}}))
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = tmp_path_factory.mktemp("retrievers")
    (folder / "plain.yaml").write_text(PLAIN.format(name="plain"))
    (folder / "learns.yaml").write_text(PLAIN.format(name="learns") + "training: {trigger: training_set}\n")
    (folder / "bad.yaml").write_text(PLAIN.format(name="bad") + "training: {trigger: always}\n")
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
        "SYNALIGN_RETRIEVERS": str(folder),
        "PYTHONWARNINGS": "ignore",
    }
    done = subprocess.run(
        [sys.executable, "-c", LOAD], env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.rsplit("RESULT", 1)[1])


def test_only_retrievers_that_ask_for_it_have_the_dag(loaded: dict) -> None:
    assert loaded["names"] == ["refresh__learns", "refresh__plain", "train__learns"]


def test_it_waits_for_what_the_refresh_emits(loaded: dict) -> None:
    assert loaded["asset"] == loaded["emitted"]
    assert not loaded["catchup"]


def test_a_mistake_is_told_by_its_key_and_nothing_heavy_is_imported(loaded: dict) -> None:
    (text,) = loaded["errors"].values()
    assert "training.trigger == 'always'" in text
    assert loaded["heavy"] == []


def test_its_one_task_is_the_job_and_is_tried_again_by_cause(loaded: dict) -> None:
    assert loaded["task"] == "train"
    assert loaded["command"].startswith("exec ") and "jobs/application.py train --config " in loaded["command"]
    assert loaded["retry"] == "ByCause"
    assert "Trains the retriever learns" in loaded["pages"][0]
    assert "When it fails" in loaded["pages"][1]
