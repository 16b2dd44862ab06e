"""The DAG of a retriever with each engine: which operator a Spark step has, and what it is given once rendered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from synalign import flow
from tests.orchestration.engines.test_elsewhere import installed

ROOT = Path(__file__).parent.parent.parent.parent
YAML = "retriever: shop\nschedule: {start: 2026-01-01}\nsource: {kind: log, path: x, documents: {path: y}}\n"
PLACED = (
    "airflow: {default: {queue: cpu}, connections: {proxy: way_out}, "
    "steps: {ingest: {pool: night, trigger_rule: none_failed, executor_config: {slots: 2}}}}\n"
)
COMMON = "retrievers: /mnt/retrievers, environment: {SYNALIGN_HOME: /mnt/home}"
WHEEL = "/Volumes/search/synalign.whl"
FILES = {
    "submit": "spark: {connection: cluster}",
    "yarn": "spark: {engine: yarn, python: ./env/bin/python, "
    f"options: {{archives: 'env.tgz#env', pool: any}}, {COMMON}}}",
    "kubernetes": f"spark: {{engine: kubernetes, options: {{track_driver_via_k8s_api: true}}, {COMMON}}}",
    "connect": "spark: {engine: connect, connection: sc}",
    "livy": f"spark: {{engine: livy, application: hdfs:///a.py, options: {{queue: nights}}, {COMMON}}}",
    "databricks": f"spark: {{engine: databricks, application: /Volumes/search/a.py, {COMMON}, options: {{"
    f"libraries: [{{whl: {WHEEL}}}], new_cluster: {{num_workers: 2, spark_env_vars: "
    "{MODEL_API_KEY: '{{secrets/search/key}}'}}}}",
    "serverless": f"spark: {{engine: databricks, application: /Volumes/search/a.py, {COMMON}, options: {{"
    f"environments: [{{environment_key: synalign, spec: {{client: '4', dependencies: [{WHEEL}]}}}}]}}}}",
    "emr": f"spark: {{engine: emr, application: 's3://code/a.py', {COMMON}, options: {{application_id: app, "
    "execution_role_arn: 'arn:aws:iam::1:role/r', "
    "job_driver: {sparkSubmit: {sparkSubmitParameters: '--conf a=b'}}}}",
}
WRONG = {
    "unknown_option": "spark: {engine: yarn, options: {archive: env.tgz, application: x}}",
    "unknown_engine": "spark: {engine: yran}",
    "no_application": "spark: {engine: livy}",
    "lacking": "spark: {engine: emr, application: x}",
    "secret": "spark: {engine: yarn, environment: {MODEL_API_KEY: abcdefgh}}",
}
MISSING = {"livy": "apache.livy", "databricks": "databricks", "emr": "amazon", "kubernetes": "cncf.kubernetes"}

IN_AIRFLOW = """
import json, os, sys
from pathlib import Path
from types import SimpleNamespace
import pendulum
from airflow.serialization.serialized_objects import DagSerialization
from synalign.dags.refresh import refresh_dag
from synalign.errors import SynAlignError
from synalign.orchestration import engines
from synalign.retriever_files import load

asked = json.loads(sys.argv[1])
path = Path(asked["yaml"])
SHOWN = ("application", "application_args", "name", "_conn_id", "env_vars", "elsewhere", "ended_at", "_archives",
         "_deploy_mode", "_track_driver_via_k8s_api", "spark_params", "_livy_conn_id", "tasks", "environments",
         "run_name", "databricks_conn_id", "job_driver", "application_id", "execution_role_arn", "bash_command", "env",
         "connection", "pool", "queue", "trigger_rule", "executor_config", "credentials",
         "deferrable", "_polling_interval", "aws_conn_id", "waiter_delay", "waiter_max_attempts")

def made(name):
    if name is None:
        os.environ.pop("SYNALIGN_SPARK", None)
    else:
        os.environ["SYNALIGN_SPARK"] = name
    return refresh_dag(path, load(path))

def rendered(name):
    dag = made(name)
    task = dag.get_task("ingest")
    ti = SimpleNamespace(dag_id=dag.dag_id, run_id="r1", task_id="ingest", try_number=1, xcom_push=lambda **_: None)
    when = pendulum.datetime(2026, 3, 1)
    values = dag.params.dump() | {"sampling.batches": 3}
    context = {"ti": ti, "task": task, "dag": dag, "params": values, "data_interval_start": when.subtract(days=1),
               "data_interval_end": when}
    task.render_template_fields(context)
    shown = {key: getattr(task, key) for key in SHOWN if hasattr(task, key)}
    if hasattr(task, "_prepare_submit_json"):
        task.params = dag.params
        shown["sent"] = task._prepare_submit_json(context)
    if hasattr(task, "spark_params"):
        from airflow.providers.apache.livy.hooks.livy import LivyHook
        shown["sent"] = LivyHook.build_post_batch_body(**task.spark_params)
    # As the scheduler and the pages get it.
    kept = json.loads(json.dumps(DagSerialization.serialize_dag(dag)))
    shown["kept"] = sorted(one["__var"]["task_id"] for one in kept["tasks"])
    return {"kind": type(task).__name__, "kinds": {one.task_id: type(one).__name__ for one in dag.tasks}, **shown}

def refused(name):
    try:
        made(name)
    except SynAlignError as error:
        return [type(error).__name__, str(error)]
    return ["", ""]

found = {name: rendered(file) for name, file in asked["files"].items()}
wrong = {name: refused(file) for name, file in asked["wrong"].items()}
missing = {name: refused(file) for name, file in asked["missing"].items()}
del os.environ["SYNALIGN_STORE"]
wrong["no_store"] = refused(asked["files"]["yarn"])
print("RESULT" + json.dumps({"found": found, "wrong": wrong, "missing": missing}, default=str))
"""


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("engines")
    (folder / "shop.yaml").write_text(YAML + PLACED)

    def written(texts: dict[str, str]) -> dict[str, str]:
        for name, text in texts.items():
            (folder / f"{name}.spark.yaml").write_text(text)
        return {name: str(folder / f"{name}.spark.yaml") for name in texts}

    def there(name: str) -> bool:
        return installed(MISSING.get(name.replace("serverless", "databricks"), "standard"))

    files = {name: file for name, file in written(FILES).items() if there(name)}
    wrong = written(WRONG) if installed("amazon") and installed("apache.livy") else {}
    lacking = {name: file for name, file in written(FILES).items() if not there(name)}
    asked = {"yaml": str(folder / "shop.yaml"), "files": files, "wrong": wrong, "missing": lacking}
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
        "AIRFLOW_CONN_DATABRICKS_DEFAULT": json.dumps({"conn_type": "databricks", "host": "dbc.example.org"}),
        "SYNALIGN_HOME": str(folder / "home"),
        "SYNALIGN_STORE": "s3://bucket/store",
        "SYNALIGN_PYTHON": "/opt/venv/bin/python",
        "PYTHONWARNINGS": "ignore",
    }
    done = subprocess.run(
        [sys.executable, "-c", IN_AIRFLOW, json.dumps(asked)], env=environment, capture_output=True, text=True,
        check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
    said: dict[str, Any] = json.loads(done.stdout.rsplit("RESULT", 1)[1].splitlines()[0])
    return said


def of(rendered: dict[str, Any], engine: str) -> dict[str, Any]:
    """The task *ingest* by an engine."""
    if engine not in rendered["found"]:
        pytest.skip(f"needs the extra of {engine}")
    found: dict[str, Any] = rendered["found"][engine]
    return found


ENDED = "s3://bucket/store/outcomes/refresh__shop/r1/ingest.json"
WORDS = ["--step", "ingest", "--start", "2026-02-28T00:00:00+00:00", "--end", "2026-03-01T00:00:00+00:00"]
JOB = ["ingest", "--config", "/mnt/retrievers/shop.yaml", *WORDS]
CHANGED = '{"sampling.batches": 3}'
SET = [
    *("--set", "SYNALIGN_HOME=/mnt/home", "--set", "SYNALIGN_STORE=s3://bucket/store"),
    *("--set", f"SYNALIGN_OVERRIDES={CHANGED}", "--set", f"SYNALIGN_OUTCOME={ENDED}"),
]


@pytest.mark.parametrize(
    ("engine", "kind"),
    [
        ("submit", "SparkJobOperator"), ("yarn", "SparkJobOperator"), ("kubernetes", "SparkJobOperator"),
        ("connect", "ConnectJobOperator"), ("livy", "LivyJobOperator"), ("databricks", "DatabricksJobOperator"),
        ("serverless", "DatabricksJobOperator"), ("emr", "EmrJobOperator"),
    ],
)  # fmt: skip
def test_spark_steps_have_the_operator_of_their_engine_and_the_others_stay(
    rendered: dict[str, Any], engine: str, kind: str
) -> None:
    kinds = of(rendered, engine)["kinds"]
    assert of(rendered, engine)["kept"] == sorted(kinds)
    for step in flow.STEPS:
        assert kinds[step.name] == (kind if step.engine == "spark" else "JobOperator")


def test_submit_stays_on_the_worker_unless_its_connection_says_otherwise(rendered: dict[str, Any]) -> None:
    task = of(rendered, "submit")
    assert task["_conn_id"] == "cluster" and task["_deploy_mode"] is None
    assert task["application"].endswith("synalign/jobs/application.py") and Path(task["application"]).is_file()
    assert task["application_args"][0] == "ingest" and task["application_args"][3:] == WORDS
    assert task["env_vars"] == {
        "PYSPARK_PYTHON": "/opt/venv/bin/python",
        "PYSPARK_DRIVER_PYTHON": "/opt/venv/bin/python",
        "SYNALIGN_OVERRIDES": CHANGED,
    }
    assert task["ended_at"] == ENDED


def test_yarn_gets_its_driver_everything_in_the_cluster(rendered: dict[str, Any]) -> None:
    task = of(rendered, "yarn")
    assert (task["_deploy_mode"], task["_archives"], task["_conn_id"]) == ("cluster", "env.tgz#env", "spark_default")
    assert task["application_args"] == JOB
    assert task["env_vars"]["PYSPARK_PYTHON"] == "./env/bin/python"
    assert task["elsewhere"] == {"SYNALIGN_HOME": "/mnt/home", "SYNALIGN_STORE": "s3://bucket/store"}
    assert task["ended_at"] == ENDED


def test_kubernetes_starts_the_application_of_the_image(rendered: dict[str, Any]) -> None:
    task = of(rendered, "kubernetes")
    assert task["application"] == "local:///opt/synalign/synalign/jobs/application.py"
    assert (task["_deploy_mode"], task["_track_driver_via_k8s_api"]) == ("cluster", True)
    assert task["application_args"] == JOB


def test_connect_is_a_process_and_what_a_template_gives_is_a_variable_of_its_shell(rendered: dict[str, Any]) -> None:
    task = of(rendered, "connect")
    assert task["connection"] == "sc"
    assert task["bash_command"].startswith("exec /opt/venv/bin/python ")
    assert task["bash_command"].endswith('--step ingest --start "$ARGUMENT_4" --end "$ARGUMENT_6"')
    assert (task["env"]["ARGUMENT_4"], task["env"]["ARGUMENT_6"]) == (WORDS[3], WORDS[5])
    assert task["env"]["SYNALIGN_OVERRIDES"] == CHANGED


def test_livy_is_sent_a_batch(rendered: dict[str, Any]) -> None:
    task = of(rendered, "livy")
    assert (task["deferrable"], task["_livy_conn_id"], task["ended_at"]) == (True, "livy_default", ENDED)
    assert task["sent"] == {
        "file": "hdfs:///a.py",
        "args": [*SET, *JOB],
        "queue": "nights",
        "name": "synalign ingest shop r1 1",
    }


def test_databricks_is_sent_one_task_and_a_reference_to_its_secret(rendered: dict[str, Any]) -> None:
    task = of(rendered, "databricks")
    assert (task["deferrable"], task["databricks_conn_id"], task["ended_at"]) == (True, "databricks_default", ENDED)
    assert task["sent"] == {
        "run_name": "synalign ingest shop",
        "tasks": [
            {
                "task_key": "ingest",
                "spark_python_task": {"python_file": "/Volumes/search/a.py", "parameters": [*SET, *JOB]},
                "libraries": [{"whl": WHEEL}],
                # The provider sends numbers as text.
                "new_cluster": {"num_workers": "2", "spark_env_vars": {"MODEL_API_KEY": "{{secrets/search/key}}"}},
            }
        ],
    }


def test_serverless_databricks_names_the_environment_of_its_task(rendered: dict[str, Any]) -> None:
    sent = of(rendered, "serverless")["sent"]
    assert sent["tasks"][0]["environment_key"] == sent["environments"][0]["environment_key"] == "synalign"
    assert "new_cluster" not in sent["tasks"][0]


def test_emr_is_given_a_job_driver_as_boto3_takes_it(rendered: dict[str, Any]) -> None:
    task = of(rendered, "emr")
    assert (task["application_id"], task["aws_conn_id"], task["ended_at"]) == ("app", "aws_default", ENDED)
    assert task["waiter_delay"] * task["waiter_max_attempts"] == 24 * 3600
    assert task["job_driver"] == {
        "sparkSubmit": {
            "entryPoint": "s3://code/a.py",
            "entryPointArguments": [*SET, *JOB],
            "sparkSubmitParameters": "--conf a=b",
        }
    }
    # botocore knows the service's own description of a request.
    import botocore.session
    from botocore.validate import ParamValidator

    client = botocore.session.get_session().create_client(
        "emr-serverless", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    request = {
        "applicationId": task["application_id"], "clientToken": "t", "executionRoleArn": task["execution_role_arn"],
        "jobDriver": task["job_driver"],
    }  # fmt: skip
    shape = client.meta.service_model.operation_model("StartJobRun").input_shape
    assert not ParamValidator().validate(request, shape).has_errors()


@pytest.mark.parametrize("engine", FILES)
def test_a_retrievers_file_says_where_airflow_runs_the_task_of_any_engine(
    rendered: dict[str, Any], engine: str
) -> None:
    task = of(rendered, engine)
    assert (task["pool"], task["queue"], task["trigger_rule"]) == ("night", "cpu", "none_failed")
    assert task["executor_config"] == {"slots": 2}


@pytest.mark.parametrize("engine", FILES)
def test_secrets_are_for_what_the_worker_starts(rendered: dict[str, Any], engine: str) -> None:
    task = of(rendered, engine)
    here = engine in ("submit", "yarn", "kubernetes", "connect")
    assert task.get("credentials") == ([["proxy", "way_out", None, None]] if here else None)


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("unknown_option", "ConfigurationError", "spark.options: application, archive cannot be set for spark.engine"),
        ("unknown_engine", "ConfigurationError", "spark.engine == 'yran'"),
        ("no_application", "ConfigurationError", "spark.application is missing, spark.engine == 'livy' needs it"),
        ("lacking", "ConfigurationError", "missing keyword arguments 'application_id', 'execution_role_arn'"),
        ("secret", "ConfigurationError", "spark.environment: MODEL_API_KEY holds a secret"),
        ("no_store", "ConfigurationError", "spark.engine == 'yarn', needs SYNALIGN_STORE"),
    ],
)
def test_a_wrong_file_is_refused_when_dags_are_read(rendered: dict[str, Any], name: str, kind: str, words: str) -> None:
    if name not in rendered["wrong"]:
        pytest.skip("needs the extras of the engines")
    assert rendered["wrong"][name][0] == kind
    assert words in rendered["wrong"][name][1]


def test_a_provider_that_is_missing_is_named_with_its_extra(rendered: dict[str, Any]) -> None:
    if not rendered["missing"]:
        pytest.skip("every provider is installed here")
    for name, (kind, message) in rendered["missing"].items():
        extra = name.replace("serverless", "databricks")
        assert kind == "SetupError" and f"needs the extra `{extra}`" in message
        assert f"'synalign[{extra}]'" in message
