"""The DAG files: light, one DAG per YAML file, mistakes as import errors; documented, patient, and with a form."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from synalign import flow
from synalign.config import overrides

ROOT = Path(__file__).parent.parent.parent
GOOD = "retriever: {name}\nschedule: {{start: 2026-01-01, cron: '0 6 * * *'}}\nsource: {{kind: beir, path: x}}\n"
SMTP = "airflow.providers.smtp.notifications.smtp.SmtpNotifier"
ALERTS = "alerts: {{deadline_hours: 6, notifiers: [{{notifier: {notifier}, arguments: {{to: a@example.com}}}}]}}\n"
# Seconds of this process's own for all files and retrievers, on a core that others use too; usually below one.
LONGEST_PARSE = 5.0


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
import json, sys, time
from airflow.dag_processing.dagbag import DagBag
began = time.process_time()
bag = DagBag({str(ROOT / "dags")!r})
seconds = time.process_time() - began
heavy = [name for name in ("torch", "pyspark", "mlflow", "numpy", "pandas", "pyarrow", "openai") if name in sys.modules]

from airflow.serialization.serialized_objects import DagSerialization

def kept(dag):
    # What the scheduler and the pages work with: DAGs as Airflow writes them to its database.
    data = json.loads(json.dumps(DagSerialization.serialize_dag(dag)))
    return {{task["__var"]["task_id"]: task["__var"] for task in data["tasks"]}}, data

def rendered(dag, values):
    # As a worker renders a task's environment.
    task = dag.get_task("align")
    return dag.get_template_env().from_string(task.env["SYNALIGN_OVERRIDES"]).render(params=values)

def describe(dag):
    tasks, data = kept(dag)
    form = {{key: param.schema | {{"value": param.value}} for key, param in dag.params.items()}}
    plain = dag.params.dump()
    return {{
        "tasks": [task.task_id for task in dag.tasks],
        "arrows": sorted((task.task_id, below) for task in dag.tasks for below in task.downstream_task_ids),
        "kinds": {{task.task_id: type(task).__name__ for task in dag.tasks}},
        "timetable": type(dag.timetable).__name__,
        "schedule": data["timetable"]["__var"] | {{"start": str(dag.start_date)}},
        "runs": dag.max_active_runs,
        "pages": {{"": dag.doc_md, **{{task.task_id: task.doc_md for task in dag.tasks}}}},
        "groups": {{
            name: sorted(group.children) for name, group in dag.task_group.get_task_group_dict().items() if name
        }},
        "form": form,
        "unchanged": rendered(dag, plain),
        "changed": rendered(dag, plain | {{"sampling.batches": 3}}),
        "links": {{name: task.get("_operator_extra_links", {{}}) for name, task in tasks.items()}},
        "retries": {{task.task_id: [task.retries, type(task.retry_policy).__name__] for task in dag.tasks}},
        "told": {{task.task_id: [told.notifier.notifier for told in task.on_failure_callback] for task in dag.tasks}},
        "deadline": [[late["interval"]["__data__"], late["callback"]["__data__"]] for late in data["deadline"] or []],
        "owners": sorted({{task.owner for task in dag.tasks}}),
        "tags": sorted(dag.tags),
    }}

print("RESULT" + json.dumps({{
    "dags": {{name: describe(dag) for name, dag in bag.dags.items()}},
    "errors": {{str(path): text for path, text in bag.import_errors.items()}},
    "heavy": heavy,
    "seconds": seconds,
}}))
"""


def load(folder: Path, **variables: str) -> dict:
    output = python(LOAD, folder, SYNALIGN_RETRIEVERS=str(folder), **variables)
    return json.loads(output.rsplit("RESULT", 1)[1])


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = tmp_path_factory.mktemp("retrievers")
    (folder / "good.yaml").write_text(GOOD.format(name="good") + ALERTS.format(notifier=SMTP))
    labelled = GOOD.format(name="second").replace("beir", "labelled") + "task: classification\n"
    (folder / "second.yaml").write_text(labelled)
    nightly = (
        GOOD.format(name="nightly").replace("'0 6 * * *'", "'@daily', time_zone: Europe/Berlin")
        + "generation: {mode: batch}\nsampling: {memory: 0}\npool: {nights: 0}\nowner: night shift\n"
    )
    (folder / "nightly.yaml").write_text(nightly + "alerts: {deadline_hours: null}\n")
    (folder / "bad.yaml").write_text(GOOD.format(name="bad") + "sampling: {batches: none}\nextra: 1\n")
    (folder / "mute.yaml").write_text(GOOD.format(name="mute") + ALERTS.format(notifier="airflow.no.Notifier"))
    return load(folder)


def test_every_good_file_has_its_dag(loaded: dict) -> None:
    # One whose notifier is wrong refreshes all the same.
    assert set(loaded["dags"]) == {f"refresh__{name}" for name in ("good", "second", "nightly", "mute")}


def test_a_schedule_is_on_the_clock_of_its_time_zone(loaded: dict) -> None:
    assert loaded["dags"]["refresh__good"]["schedule"] == {
        "expression": "0 6 * * *", "timezone": "UTC", "start": "2026-01-01 00:00:00+00:00",
    }  # fmt: skip
    assert loaded["dags"]["refresh__nightly"]["schedule"] == {
        "expression": "0 0 * * *", "timezone": "Europe/Berlin", "start": "2025-12-31 23:00:00+00:00",
    }  # fmt: skip


def test_a_bad_file_is_an_import_error_that_names_file_key_value_and_rule(loaded: dict) -> None:
    assert [Path(path).name for path in loaded["errors"]] == ["configuration_errors.py"]
    (text,) = loaded["errors"].values()
    assert "bad.yaml: sampling.batches == 'none', must be a whole number from 1 to 100,000" in text
    assert "bad.yaml: extra == 1, is not a known setting" in text
    assert "mute.yaml: alerts.notifiers: notifier == 'airflow.no.Notifier', cannot be imported" in text
    assert "good.yaml" not in text


def test_dag_files_import_nothing_heavy_and_parse_fast(loaded: dict) -> None:
    assert loaded["heavy"] == []
    assert loaded["seconds"] < LONGEST_PARSE


def test_the_dag_follows_the_flow(loaded: dict) -> None:
    dag = loaded["dags"]["refresh__good"]
    assert set(dag["tasks"]) == {step.name for step in flow.STEPS} | {"turn", "publish"}
    reachable: dict[str, set[str]] = {task: set() for task in dag["tasks"]}
    for _ in dag["tasks"]:
        for above, below in dag["arrows"]:
            reachable[below] |= {above} | reachable[above]
    for step in flow.STEPS:
        assert flow.upstream(step.name) <= reachable[step.name], step.name
    assert "register" in reachable["publish"]
    for step in flow.STEPS:
        assert dag["kinds"][step.name] == ("SparkJobOperator" if step.engine == "spark" else "JobOperator")


@pytest.mark.airflow
def test_where_somebody_else_runs_spark_every_step_is_a_plain_process(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(GOOD.format(name="good"))
    found = load(tmp_path, SPARK_REMOTE="sc://spark.example.org:15002")
    assert not found["errors"] and found["heavy"] == []
    kinds = found["dags"]["refresh__good"]["kinds"]
    for step in flow.STEPS:
        assert kinds[step.name] == ("ConnectJobOperator" if step.engine == "spark" else "JobOperator")


def test_only_generate_in_batch_mode_waits_without_a_slot(loaded: dict) -> None:
    good = loaded["dags"]["refresh__good"]["kinds"]
    assert {**good, **loaded["dags"]["refresh__nightly"]["kinds"]} == {**good, "generate": "WaitingJobOperator"}


def test_a_classification_has_the_tasks_of_any_other(loaded: dict) -> None:
    good, second = loaded["dags"]["refresh__good"], loaded["dags"]["refresh__second"]
    for part in ("tasks", "arrows", "kinds", "groups", "links"):
        assert second[part] == good[part]


def test_only_what_remembers_earlier_intervals_waits_for_its_turn(loaded: dict) -> None:
    good, alone = loaded["dags"]["refresh__good"], loaded["dags"]["refresh__nightly"]
    assert [below for above, below in map(tuple, good["arrows"]) if above == "turn"] == ["carry"]
    # Not even its own interval's other steps hold it up: a run that failed early has had its turn.
    assert "turn" not in {below for _, below in map(tuple, good["arrows"])}
    assert "turn" not in alone["tasks"]


def test_intervals_are_not_empty_and_runs_do_not_interleave(loaded: dict) -> None:
    dag = loaded["dags"]["refresh__good"]
    assert (dag["timetable"], dag["runs"]) == ("CronDataIntervalTimetable", 1)


def test_groups_hold_every_task_once_under_its_plain_name(loaded: dict) -> None:
    dag = loaded["dags"]["refresh__good"]
    assert list(dag["groups"]) == [group.name for group in flow.GROUPS]
    grouped = [task for tasks in dag["groups"].values() for task in tasks]
    assert sorted(grouped) == sorted(dag["tasks"])


def test_groups_come_in_the_order_of_the_flow() -> None:
    steps = [step for group in flow.GROUPS for step in flow.members(group)]
    assert steps == list(flow.STEPS)


def test_every_task_has_a_page_that_says_what_it_reads_writes_and_how_to_go_on(loaded: dict) -> None:
    pages = loaded["dags"]["refresh__good"]["pages"]
    for step in flow.STEPS:
        assert step.purpose in pages[step.name]
        for table in (*step.reads, *step.writes):
            assert f"*{table}*" in pages[step.name]
        assert "When it fails" in pages[step.name]
        assert "clear the task" in pages[step.name]
    assert "When it fails" in pages["publish"]


def test_the_dags_page_says_what_every_exit_code_leads_to(loaded: dict) -> None:
    page = loaded["dags"]["refresh__good"]["pages"][""]
    assert "| 2 | ConfigurationError: " in page
    assert "not tried again" in page
    assert "tried again after 5, 10, 20, 40 min" in page
    assert "*good-training-set*" in page


def test_the_form_shows_the_file_and_its_rules(loaded: dict) -> None:
    form = loaded["dags"]["refresh__good"]["form"]
    assert form["sampling.batches"] == {
        "value": 24,
        "type": "integer",
        "minimum": 1,
        "maximum": 100_000,
        "title": "Batches",
        "section": "What goes in",
        "description_md": "Batches of demonstrations, each two model requests. (*sampling.batches*)",
    }
    assert "source.window_days" not in form
    assert set(form) < {key for keys in overrides.SETTINGS.values() for key in keys}


def test_an_unchanged_form_changes_nothing_and_a_changed_one_only_what_was_changed(loaded: dict) -> None:
    dag = loaded["dags"]["refresh__good"]
    assert dag["unchanged"] == ""
    assert json.loads(dag["changed"]) == {"sampling.batches": 3}


def test_links_survive_in_airflows_database(loaded: dict) -> None:
    links = {name: found for name, found in loaded["dags"]["refresh__good"]["links"].items() if found}
    assert {name: sorted(found) for name, found in links.items()} == {
        "register": ["MLflow run"],
        "report": ["MLflow run", "Report"],
    }


def test_every_task_is_tried_again_by_cause(loaded: dict) -> None:
    assert set(map(tuple, loaded["dags"]["refresh__good"]["retries"].values())) == {(4, "ByCause")}


def test_failures_and_late_runs_are_told_where_the_file_says_so(loaded: dict) -> None:
    good, second, nightly = (loaded["dags"][f"refresh__{name}"] for name in ("good", "second", "nightly"))
    assert all(told == [SMTP] for told in good["told"].values())
    ((seconds, callback),) = good["deadline"]
    assert (seconds, callback["path"]) == (6 * 3600, "synalign.orchestration.alerts.tell_late")
    assert [told["notifier"] for told in callback["kwargs"]["notifiers"]] == [SMTP]
    assert all(told == [] for told in second["told"].values())
    # Without notifiers a late run still shows on Airflow's own pages.
    assert [seconds for seconds, _ in second["deadline"]] == [24 * 3600]
    assert nightly["deadline"] == []


def test_owner_and_tags_are_those_of_the_file(loaded: dict) -> None:
    dag = loaded["dags"]["refresh__nightly"]
    assert dag["owners"] == ["night shift"]
    assert dag["tags"] == ["nightly", "refresh", "retrieval", "synalign"]


@pytest.mark.airflow
def test_the_files_that_ship_load_without_error(tmp_path: Path) -> None:
    output = python(LOAD, tmp_path)
    found = json.loads(output.rsplit("RESULT", 1)[1])
    assert found["errors"] == {}
    assert set(found["dags"]) == {"refresh__demo"}


def test_every_job_teaches_what_it_takes() -> None:
    for step in flow.STEPS:
        code = (ROOT / "jobs" / f"{step.job}.py").read_text()
        assert f'start("{step.job}")' in code
