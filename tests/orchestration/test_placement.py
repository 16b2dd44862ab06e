"""Where tasks run, as the DAG files say it: read back from what Airflow's scheduler works with."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from synalign import flow, retriever_files
from synalign.errors import ConfigurationError
from synalign.orchestration import placement

ROOT = Path(__file__).parent.parent.parent
FILE = (
    "retriever: {name}\nschedule: {{start: 2026-01-01}}\nsource: {{kind: beir, path: x}}\n"
    "training: {{trigger: training_set}}\n"
)
POD = """
apiVersion: v1
kind: Pod
metadata: {labels: {team: search}}
spec:
  containers:
    - name: base
      image: registry.example.org/jobs:1
      env: [{name: MODEL_API_KEY, valueFrom: {secretKeyRef: {name: llm, key: key}}}]
"""
PLAIN = """
airflow:
  default: {pool: night, queue: cpu}
  steps:
    generate: {pool: llm, trigger_rule: none_failed, executor_config: {slots: 2}}
    embed: {queue: gpu}
    turn: {queue: light}
    publish: {queue: light}
    train: {queue: gpu}
"""
PODS = """
generation: {mode: batch}
airflow:
  default: {run: pod, image: "registry.example.org/jobs:2", namespace: search, kubernetes_connection: cluster}
  steps:
    sample: {pod_template: pod.txt}
    register: {run: process, pod_template: pod.txt}
"""
KUBERNETES = importlib.util.find_spec("airflow.providers.cncf") is not None
needs_kubernetes = pytest.mark.skipif(not KUBERNETES, reason="the extra `kubernetes` is not installed")

LOAD = f"""
import json
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import BaseSerialization, DagSerialization
bag = DagBag({str(ROOT / "dags")!r})
POD = ("image", "namespace", "kubernetes_conn_id", "cmds", "arguments", "pod_template_dict")

def kept(dag):
    # As in Airflow's database.
    data = json.loads(json.dumps(DagSerialization.serialize_dag(dag)))
    return DagSerialization.deserialize_dag(data)

def described(dag):
    back = kept(dag)
    return {{
        task.task_id: {{
            "kind": type(dag.get_task(task.task_id)).__name__,
            "pool": task.pool, "queue": task.queue, "rule": str(getattr(task.trigger_rule, "value", task.trigger_rule)),
            "executor": {{
                key: value.to_dict() if hasattr(value, "to_dict") else value
                for key, value in task.executor_config.items()
            }},
            "pod": {{name: getattr(dag.get_task(task.task_id), name, None) for name in POD}},
            "page": dag.get_task(task.task_id).doc_md,
        }}
        for task in back.tasks
    }}

print("RESULT" + json.dumps({{
    "dags": {{name: described(dag) for name, dag in bag.dags.items()}},
    "errors": list(bag.import_errors.values()),
}}))
"""


def load(folder: Path, **variables: str) -> dict[str, Any]:
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
        "PYTHONWARNINGS": "ignore",
        "SYNALIGN_RETRIEVERS": str(folder),
        **variables,
    }
    done = subprocess.run(
        [sys.executable, "-c", LOAD], env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.rsplit("RESULT", 1)[1])
    return found


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("placed")
    (folder / "plain.yaml").write_text(FILE.format(name="plain") + PLAIN)
    (folder / "wrong.yaml").write_text(FILE.format(name="wrong") + "airflow: {steps: {mine: {run: pod}}}\n")
    (folder / "pod.txt").write_text(POD)
    if KUBERNETES:
        (folder / "pods.yaml").write_text(FILE.format(name="pods") + PODS)
    return load(folder)


def test_pool_queue_and_rule_of_a_step_are_those_of_its_task(loaded: dict[str, Any]) -> None:
    dag = loaded["dags"]["refresh__plain"]
    placed = {name: (task["pool"], task["queue"], task["rule"]) for name, task in dag.items()}
    special = {
        "generate": ("llm", "cpu", "none_failed"),
        "embed": ("night", "gpu", "all_success"),
        "turn": ("night", "light", "all_success"),
        "publish": ("night", "light", "all_success"),
    }
    assert placed == dict.fromkeys(dag, ("night", "cpu", "all_success")) | special
    assert dag["generate"]["executor"] == {"slots": 2}
    assert loaded["dags"]["train__plain"]["train"]["queue"] == "gpu"


def test_a_file_that_cannot_be_placed_has_no_dag_and_takes_no_other_down(loaded: dict[str, Any]) -> None:
    assert "refresh__wrong" not in loaded["dags"]
    (text,) = loaded["errors"]
    assert "wrong.yaml: airflow.steps.mine.run == 'pod', mine must be a process" in text


@needs_kubernetes
def test_steps_that_spark_does_not_run_are_pods_where_the_file_says_so(loaded: dict[str, Any]) -> None:
    dag = loaded["dags"]["refresh__pods"]
    kinds = {step.name: dag[step.name]["kind"] for step in flow.STEPS}
    driver = {step.name: "PodJobOperator" for step in flow.STEPS if step.engine == "driver"}
    spark = {step.name: "SparkJobOperator" for step in flow.STEPS if step.engine == "spark"}
    assert kinds == driver | spark | {"generate": "WaitingPodJobOperator", "register": "JobOperator"}
    assert loaded["dags"]["train__pods"]["train"]["kind"] == "PodJobOperator"
    assert "as a pod" in dag["sample"]["page"] and "as a process" in dag["register"]["page"]
    pod = dag["screen"]["pod"]
    assert (pod["image"], pod["namespace"], pod["kubernetes_conn_id"]) == (
        "registry.example.org/jobs:2", "search", "cluster",
    )  # fmt: skip
    words = [*pod["cmds"], *pod["arguments"]]
    assert words[1:4] == [str(ROOT / "synalign" / "jobs" / "application.py"), "screen", "--config"]
    assert Path(words[4]).name == "pods.yaml" and words[5:7] == ["--step", "screen"]
    assert words[7] == "--start" and words[9] == "--end"


@needs_kubernetes
def test_a_template_is_the_pod_of_a_job_or_of_the_worker_that_runs_it(loaded: dict[str, Any]) -> None:
    dag = loaded["dags"]["refresh__pods"]
    assert dag["sample"]["pod"]["pod_template_dict"]["metadata"]["labels"] == {"team": "search"}
    assert dag["sample"]["executor"] == {}
    override = dag["register"]["executor"]["pod_override"]
    (container,) = override["spec"]["containers"]
    assert (container["name"], container["image"]) == ("base", "registry.example.org/jobs:1")
    assert container["env"][0]["value_from"]["secret_key_ref"]["key"] == "key"


def problem(folder: Path, section: str, monkeypatch: pytest.MonkeyPatch | None = None) -> ConfigurationError:
    (folder / "shop.yaml").write_text(FILE.format(name="shop") + section)
    if monkeypatch is not None:
        # Whether or not it is installed here.
        monkeypatch.setitem(sys.modules, "airflow.providers.cncf.kubernetes.pod_generator", None)
    with pytest.raises(ConfigurationError) as caught:
        placement.check(folder / "shop.yaml", retriever_files.load(folder / "shop.yaml"))
    assert caught.value.message.startswith(f"{folder / 'shop.yaml'}: ")
    return caught.value


@pytest.mark.parametrize(
    "section",
    ["airflow: {default: {run: pod, image: x}}\n", "airflow: {steps: {embed: {pod_template: pod.txt}}}\n"],
)
def test_where_the_provider_is_missing_the_extra_is_named(
    tmp_path: Path, section: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pod.txt").write_text(POD)
    error = problem(tmp_path, section, monkeypatch)
    assert "SynAlign's extra kubernetes, which is not installed" in error.message
    assert "synalign[airflow,kubernetes]" in error.remedy


def test_a_template_that_is_no_pod_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pod.txt").write_text("kind: Deployment\nspec: {}\n")
    assert "pod_template == 'pod.txt', is no pod" in problem(
        tmp_path, "airflow: {steps: {sample: {pod_template: pod.txt}}}\n"
    ).message  # fmt: skip
    assert "there is no such file" in problem(
        tmp_path, "airflow: {steps: {sample: {pod_template: other.txt}}}\n"
    ).message  # fmt: skip


@needs_kubernetes
def test_a_pod_needs_an_image(tmp_path: Path) -> None:
    error = problem(tmp_path, "airflow: {steps: {sample: {run: pod}}}\n")
    assert "airflow.steps.sample: image and pod_template are missing" in error.message


@pytest.mark.parametrize("task", ["turn", "publish", "embed"])
def test_what_runs_no_process_of_its_own_is_refused_as_a_pod(tmp_path: Path, task: str) -> None:
    error = problem(tmp_path, f"airflow: {{steps: {{{task}: {{run: pod, image: x}}}}}}\n")
    assert f"airflow.steps.{task}.run == 'pod', {task} must be a process" in error.message


@needs_kubernetes
def test_where_somebody_else_runs_spark_its_steps_can_be_pods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop.yaml").write_text(FILE.format(name="shop") + "airflow: {default: {run: pod, image: x}}\n")
    configuration = retriever_files.load(tmp_path / "shop.yaml")
    assert not placement.as_pod(configuration, "embed") and placement.as_pod(configuration, "sample")
    monkeypatch.setenv("SPARK_REMOTE", "sc://spark.example.org:15002")
    assert placement.as_pod(configuration, "embed")
