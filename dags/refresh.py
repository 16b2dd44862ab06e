"""One DAG per retriever: `refresh__<retriever>`, made from its YAML file and drawn after `synalign.flow`.

A YAML file that is wrong has no DAG; `configuration_errors.py` makes Airflow show why, and the others go on.
Spark steps are started by spark-submit through the connection `spark_default`, the others as plain processes, both
with the Python named by $SYNALIGN_PYTHON. Only light modules are imported here: this file is parsed all day long.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Asset, BaseOperator, CronDataIntervalTimetable, Metadata, get_parsing_context, task

from synalign import flow
from synalign.config import Configuration
from synalign.deferral import WaitingJobOperator
from synalign.retrievers import retriever_files, valid

JOBS = Path(__file__).resolve().parent.parent / "jobs"
# Set by the deployment; where Airflow and the jobs share one environment it is this very Python.
PYTHON = os.environ.get("SYNALIGN_PYTHON", sys.executable)


def refresh_dag(path: Path, configuration: Configuration) -> DAG:
    """The refresh of one retriever.

    Args:
        path: Its YAML file; the jobs read it again.
        configuration: What stands in it.
    """
    schedule = configuration.schedule
    with DAG(
        dag_id=f"refresh__{configuration.retriever}",
        description=configuration.description or f"Refreshes the training set of {configuration.retriever}.",
        doc_md=_documentation(configuration),
        schedule=CronDataIntervalTimetable(schedule.cron, timezone="UTC"),
        start_date=datetime.combine(schedule.start, datetime.min.time(), UTC),
        catchup=schedule.catchup,
        # Steps of one interval never interleave, and an interval may build on what the one before it showed.
        max_active_runs=1,
        default_args={"owner": configuration.owner, "retries": 1, "retry_delay": timedelta(minutes=1)},
        tags=["synalign", "refresh", configuration.retriever],
    ) as dag:
        tasks = {step.name: _task(step, path, configuration) for step in flow.STEPS}
        for step in flow.STEPS:
            for before in sorted(_direct(step.name)):
                tasks[before] >> tasks[step.name]
        _publish(configuration, tasks["register"].output)
    return dag


def _task(step: flow.Step, path: Path, configuration: Configuration) -> BaseOperator:
    application = str(JOBS / f"{step.job}.py")
    arguments = ["--config", str(path), "--step", step.name]
    interval = ["--start", "{{ data_interval_start.isoformat() }}", "--end", "{{ data_interval_end.isoformat() }}"]
    common: dict[str, Any] = {"task_id": step.name, "doc_md": step.purpose}
    if step.engine == "spark":
        return SparkSubmitOperator(
            application=application,
            application_args=[*arguments, *interval],
            name=f"synalign {step.name} {configuration.retriever}",
            env_vars={"PYSPARK_PYTHON": PYTHON, "PYSPARK_DRIVER_PYTHON": PYTHON},
            **common,
        )
    # Paths are quoted; Airflow's own times need no quotes. `exec` hands Airflow's signals to the job itself.
    command = shlex.join([PYTHON, application, *arguments])
    bash_command = f"exec {command} {' '.join(interval)}"
    if step.name == "generate" and configuration.generation.mode == "batch":
        return WaitingJobOperator(bash_command=bash_command, **common)
    # A job's last line is its summary; as the task's return value people see it in the UI.
    return BashOperator(bash_command=bash_command, append_env=True, output_processor=json.loads, **common)


def _publish(configuration: Configuration, registration: Any) -> None:
    """The last task: tells Airflow that a new training set is there, from the return value of `register`."""
    asset = Asset(
        name=f"{configuration.retriever}-training-set",
        uri=f"synalign://training-set/{configuration.retriever}",
        group="synalign",
    )

    @task(
        task_id="publish", outlets=[asset], doc_md="Emits the training set's asset with version, digest and location."
    )
    def publish(registration: dict[str, Any]) -> Iterator[Metadata]:
        keys = ("version", "digest", "location", "current", "model", "run_id")
        yield Metadata(asset, extra={key: registration["metrics"][key] for key in keys})

    publish(registration)


def _direct(name: str) -> set[str]:
    """Upstream steps, less those that another upstream step already waits for: the arrows worth drawing."""
    nearest = flow.upstream(name)
    implied = {far for near in nearest for far in _all_upstream(near)}
    return nearest - implied


def _all_upstream(name: str) -> set[str]:
    nearest = flow.upstream(name)
    return nearest.union(*(_all_upstream(near) for near in nearest))


def _documentation(configuration: Configuration) -> str:
    steps = "\n".join(f"1. **{step.name}**: {step.purpose}" for step in flow.STEPS)
    return f"{configuration.description}\n\n{steps}\n\nRegisters `{configuration.retriever}-training-set` in MLflow."


wanted = get_parsing_context().dag_id
for file, found in valid(retriever_files(Path(__file__).resolve().parent / "retrievers")):
    if wanted in (None, f"refresh__{found.retriever}"):
        globals()[f"refresh__{found.retriever}"] = refresh_dag(file, found)
