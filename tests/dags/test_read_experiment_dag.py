"""The DAG of a retriever's experiments: only where it is asked for, light, and a yes is the only way to promote."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PLAIN = "retriever: {name}\nschedule: {{start: 2026-01-01}}\nsource: {{kind: beir, path: x}}\n"
TRIED = PLAIN + "experiment: {{exposures: e, outcomes: o, cron: '{cron}', approval_hours: 36}}\n"

LOAD = f"""
import datetime, json, sys
import pendulum
from jinja2 import Environment
from airflow.dag_processing.dagbag import DagBag
bag = DagBag({str(ROOT / "dags")!r})
heavy = [name for name in ("torch", "pyspark", "mlflow", "numpy", "pandas", "pyarrow", "scipy", "tea_tasting")
         if name in sys.modules]

class macros:
    timedelta = datetime.timedelta

class dag_run:
    run_after = pendulum.datetime(2026, 3, 2, 17)

def describe(dag):
    day = Environment().from_string(dag.get_task("experiment").op_kwargs["day"])
    ends = [pendulum.datetime(2026, 3, 2, *time) for time in ((), (6,), (23, 30))]
    approve = dag.get_task("approve")
    return {{
        "arrows": sorted((task.task_id, below) for task in dag.tasks for below in task.downstream_task_ids),
        "kinds": {{task.task_id: type(task).__name__ for task in dag.tasks}},
        "rules": {{task.task_id: task.trigger_rule.value for task in dag.tasks}},
        "timetable": type(dag.timetable).__name__,
        "days": [day.render(data_interval_end=end, dag_run=dag_run, macros=macros) for end in (*ends, None)],
        "defaults": approve.defaults,
        "timeout": approve.response_timeout.total_seconds(),
        "catchup": dag.catchup,
        "pages": {{"": dag.doc_md, **{{task.task_id: task.doc_md for task in dag.tasks}}}},
        "retries": {{task.task_id: type(task.retry_policy).__name__ for task in dag.tasks}},
        "commands": {{name: dag.get_task(name).bash_command for name in ("promote", "reject")}},
    }}

print("RESULT" + json.dumps({{
    "names": sorted(bag.dags),
    "dags": {{name: describe(dag) for name, dag in bag.dags.items() if name.startswith("read_experiment__")}},
    "errors": {{str(path): text for path, text in bag.import_errors.items()}},
    "heavy": heavy,
}}))
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = tmp_path_factory.mktemp("retrievers")
    (folder / "plain.yaml").write_text(PLAIN.format(name="plain"))
    (folder / "tried.yaml").write_text(TRIED.format(name="tried", cron="0 6 * * *"))
    (folder / "weekly.yaml").write_text(TRIED.format(name="weekly", cron="30 23 * * 1"))
    (folder / "bad.yaml").write_text(TRIED.format(name="bad", cron="0 6 * * *").replace("36", "0"))
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


def test_only_retrievers_with_experiments_have_the_dag(loaded: dict) -> None:
    assert loaded["names"] == [
        "read_experiment__tried",
        "read_experiment__weekly",
        *(f"refresh__{name}" for name in ("plain", "tried", "weekly")),
    ]


def test_a_mistake_is_told_once_and_by_its_key(loaded: dict) -> None:
    (text,) = loaded["errors"].values()
    assert "bad.yaml: experiment.approval_hours == 0" in text


def test_the_file_imports_nothing_heavy(loaded: dict) -> None:
    assert loaded["heavy"] == []


def test_nothing_reaches_the_promotion_but_through_the_approval(loaded: dict) -> None:
    dag = loaded["dags"]["read_experiment__tried"]
    assert [tuple(arrow) for arrow in dag["arrows"]] == [
        ("approve", "approved"),
        ("approved", "promote"),
        ("approved", "reject"),
        ("experiment", "read_out"),
        ("read_out", "verdict"),
        ("verdict", "approve"),
    ]
    assert dag["kinds"] == {
        "experiment": "ShortCircuitOperator",
        "read_out": "SparkJobOperator",
        "verdict": "ShortCircuitOperator",
        "approve": "RecordedApproval",
        "approved": "EmptyOperator",
        "promote": "JobOperator",
        "reject": "JobOperator",
    }
    # The tasks after a refusal are skipped, and that is what the one that records it waits for.
    assert dag["rules"] == {
        **dict.fromkeys(dag["kinds"], "all_success"),
        "reject": "all_skipped",
    }


def test_silence_is_a_no(loaded: dict) -> None:
    dag = loaded["dags"]["read_experiment__tried"]
    assert (dag["defaults"], dag["timeout"]) == (["Reject"], 36 * 3600)


def test_the_last_whole_day_is_read_whatever_the_hour(loaded: dict) -> None:
    dag = loaded["dags"]["read_experiment__tried"]
    assert dag["days"] == ["2026-03-01"] * 4
    assert (dag["timetable"], dag["catchup"]) == ("CronDataIntervalTimetable", False)


def test_what_people_wrote_is_never_part_of_a_command(loaded: dict) -> None:
    for command in loaded["dags"]["read_experiment__tried"]["commands"].values():
        assert "{{" not in command
        assert '--by "$BY"' in command


def test_every_task_says_what_it_does_and_what_to_do_when_it_fails(loaded: dict) -> None:
    pages = loaded["dags"]["read_experiment__tried"]["pages"]
    assert "online A/B tests of tried" in pages.pop("")
    assert all(page.strip() for page in pages.values())
    assert all("When it fails" in page for task, page in pages.items() if task != "approved")


def test_only_a_lost_answer_is_asked_for_again_whatever_the_cause(loaded: dict) -> None:
    retries = loaded["dags"]["read_experiment__tried"]["retries"]
    assert retries.pop("approve") == "NoneType"
    assert set(retries.values()) == {"ByCause"}
