"""The DAG files: light, one DAG per YAML file, mistakes as import errors."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from synalign import flow

ROOT = Path(__file__).parent.parent.parent
GOOD = "retriever: {name}\nschedule: {{start: 2026-01-01, cron: '0 6 * * *'}}\nsource: {{kind: beir, path: x}}\n"


def python(code: str, folder: Path, **variables: str) -> str:
    """Run code in a fresh interpreter with Airflow set up in a folder of its own."""
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
        "PYTHONWARNINGS": "ignore",
        **variables,
    }
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


LOAD = f"""
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag({str(ROOT / "dags")!r})
heavy = [name for name in ("torch", "pyspark", "mlflow", "numpy", "pandas", "pyarrow", "openai") if name in sys.modules]
print("RESULT" + json.dumps({{
    "dags": {{name: {{
        "tasks": [task.task_id for task in dag.tasks],
        "arrows": sorted((task.task_id, below) for task in dag.tasks for below in task.downstream_task_ids),
        "kinds": {{task.task_id: type(task).__name__ for task in dag.tasks}},
        "timetable": type(dag.timetable).__name__,
        "runs": dag.max_active_runs,
    }} for name, dag in bag.dags.items()}},
    "errors": {{str(path): text for path, text in bag.import_errors.items()}},
    "heavy": heavy,
    "seconds": max([stat.duration.total_seconds() for stat in bag.dagbag_stats]),
}}))
"""


def load(folder: Path) -> dict:
    import json

    output = python(LOAD, folder, SYNALIGN_RETRIEVERS=str(folder))
    return json.loads(output.rsplit("RESULT", 1)[1])


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = tmp_path_factory.mktemp("retrievers")
    (folder / "good.yaml").write_text(GOOD.format(name="good"))
    labelled = GOOD.format(name="second").replace("beir", "labelled") + "task: classification\n"
    (folder / "second.yaml").write_text(labelled)
    (folder / "nightly.yaml").write_text(GOOD.format(name="nightly") + "generation: {mode: batch}\n")
    (folder / "bad.yaml").write_text(GOOD.format(name="bad") + "sampling: {batches: none}\nextra: 1\n")
    return load(folder)


def test_every_good_file_has_its_dag(loaded: dict) -> None:
    assert set(loaded["dags"]) == {"refresh__good", "refresh__second", "refresh__nightly"}


def test_a_bad_file_is_an_import_error_that_names_file_key_value_and_rule(loaded: dict) -> None:
    assert [Path(path).name for path in loaded["errors"]] == ["configuration_errors.py"]
    (text,) = loaded["errors"].values()
    assert "bad.yaml: sampling.batches == 'none', Input should be a valid integer" in text
    assert "bad.yaml: extra == 1, is not a known setting" in text
    assert "good.yaml" not in text


def test_dag_files_import_nothing_heavy(loaded: dict) -> None:
    assert loaded["heavy"] == []


def test_the_dag_follows_the_flow(loaded: dict) -> None:
    dag = loaded["dags"]["refresh__good"]
    assert set(dag["tasks"]) == {step.name for step in flow.STEPS} | {"publish"}
    reachable: dict[str, set[str]] = {task: set() for task in dag["tasks"]}
    for _ in dag["tasks"]:
        for above, below in dag["arrows"]:
            reachable[below] |= {above} | reachable[above]
    for step in flow.STEPS:
        assert flow.upstream(step.name) <= reachable[step.name], step.name
    assert "register" in reachable["publish"]
    for step in flow.STEPS:
        assert dag["kinds"][step.name] == ("SparkSubmitOperator" if step.engine == "spark" else "BashOperator")


def test_only_generate_in_batch_mode_waits_without_a_slot(loaded: dict) -> None:
    assert loaded["dags"]["refresh__nightly"]["kinds"] == {
        **loaded["dags"]["refresh__good"]["kinds"],
        "generate": "WaitingJobOperator",
    }


def test_a_classification_has_the_dag_of_any_other(loaded: dict) -> None:
    assert loaded["dags"]["refresh__second"] == loaded["dags"]["refresh__good"]


def test_intervals_are_not_empty_and_runs_do_not_interleave(loaded: dict) -> None:
    dag = loaded["dags"]["refresh__good"]
    assert (dag["timetable"], dag["runs"]) == ("CronDataIntervalTimetable", 1)


def test_the_files_that_ship_load_without_error(tmp_path: Path) -> None:
    import json

    output = python(LOAD, tmp_path)
    found = json.loads(output.rsplit("RESULT", 1)[1])
    assert found["errors"] == {}
    assert set(found["dags"]) == {"refresh__demo"}


def test_every_job_teaches_what_it_takes() -> None:
    for step in flow.STEPS:
        code = (ROOT / "jobs" / f"{step.job}.py").read_text()
        assert f'main("{step.job}"' in code
