"""One DAG per retriever: `refresh__<retriever>`, made from its YAML file and drawn after `synalign.flow`.

A YAML file that is wrong has no DAG; `configuration_errors.py` makes Airflow show why, and the others go on.
Spark steps are started by what the file of $SYNALIGN_SPARK names (spark-submit by default), the others as plain
processes with the Python named by $SYNALIGN_PYTHON, or as pods where the retriever's file says so; where
$SPARK_REMOTE names a Spark Connect server, all are.
Only light modules are imported here: this file is parsed all day long.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from airflow.sdk import (
    DAG,
    BaseOperator,
    Metadata,
    Param,
    TaskGroup,
    get_parsing_context,
    task,
)

from synalign import flow
from synalign.config import Configuration, overrides
from synalign.orchestration import alerts, assets, credentials, intervals, placement, retries, task_pages, turn
from synalign.orchestration.deferral import WaitingJobOperator
from synalign.orchestration.engines import SparkJob, settings, spark_task
from synalign.orchestration.engines.job import APPLICATION
from synalign.orchestration.operators import PYTHON, REPORT, TRACKING_RUN, JobOperator
from synalign.orchestration.versions import CronDataIntervalTimetable, taken
from synalign.retriever_files import retriever_files, valid

LINKS = {"register": (TRACKING_RUN,), "report": (REPORT, TRACKING_RUN)}
# What the trigger form changes; rendered for each run, by the DAG's own macro.
CHANGES = {overrides.VARIABLE: "{{ changes(params) }}"}


def refresh_dag(path: Path, configuration: Configuration) -> DAG:
    """Return the refresh of one retriever.

    Args:
        path: Its YAML file; the jobs read it again.
        configuration: What stands in it.
    """
    schedule, form = configuration.schedule, overrides.fields(configuration)
    with DAG(
        dag_id=f"refresh__{configuration.retriever}",
        description=configuration.description or f"Refreshes the training set of {configuration.retriever}.",
        doc_md=task_pages.refresh_page(configuration),
        schedule=assets.awaited(schedule)
        or CronDataIntervalTimetable(schedule.ticks.expression, timezone=schedule.time_zone),
        start_date=schedule.ticks.midnight(schedule.start),
        catchup=schedule.catchup,
        # Of those that the schedule starts. A backfill has a bound of its own: `turn` keeps its intervals in order.
        max_active_runs=1,
        params={field.key: _param(field) for field in form},
        user_defined_macros={
            "changes": partial(overrides.changed, form),
            intervals.MACRO: partial(intervals.covered, schedule.ticks),
        },
        **alerts.dag_deadline(configuration.alerts),
        default_args={**retries.defaults(configuration), **placement.defaults(path, configuration)},
        tags=["synalign", "refresh", configuration.retriever, configuration.task],
    ) as dag:
        tasks: dict[str, BaseOperator] = {}
        order = turn.order(configuration.pool.nights, configuration.sampling.memory)
        for group in flow.GROUPS:
            steps = {step.name: step for step in flow.members(group)}
            with TaskGroup(
                group.name,
                group_display_name=group.title,
                tooltip=group.purpose,
                **taken(TaskGroup, doc_md=group.purpose),
                prefix_group_id=False,
            ):
                tasks |= {name: _task(step, path, configuration) for name, step in steps.items()}
                if order is not None and order.step in steps:
                    where = placement.of_task(path, configuration, turn.TASK)
                    waiting = turn.TurnOperator(task_id=turn.TASK, until=order.until, doc_md=TURN_PAGE, **where)
                    waiting >> tasks[order.step]
                if "register" in steps:
                    _publish(path, configuration, tasks["register"].output)
        for step in flow.STEPS:
            for before in sorted(_direct(step.name)):
                tasks[before] >> tasks[step.name]
    return dag


def _param(field: overrides.Field) -> Param:
    return Param(
        field.value, title=field.title, section=field.section, description_md=field.description, **field.schema
    )


def _task(step: flow.Step, path: Path, configuration: Configuration) -> BaseOperator:
    arguments = ["--step", step.name]
    interval = ["--start", "{{ data_interval_start.isoformat() }}", "--end", "{{ data_interval_end.isoformat() }}"]
    if configuration.schedule.assets:
        # Airflow gives such a run no data interval.
        interval = ["--start", intervals.START, "--end", intervals.END]
    pod = placement.as_pod(configuration, step.name)
    common: dict[str, Any] = {
        "task_id": step.name,
        "doc_md": task_pages.step_page(step, pod=pod),
        "links": LINKS.get(step.name, ()),
        "credentials": credentials.of_task(configuration, step.name),
        **placement.of_task(path, configuration, step.name),
    }
    title = f"synalign {step.name} {configuration.retriever}"
    job = SparkJob(step.job, path, [*arguments, *interval], title, CHANGES)
    if step.engine == "spark" and not pod:
        return spark_task(job, **common)
    waits = step.waits and configuration.generation.mode == "batch"
    if pod:
        return _pod(step, job, placement.pod_arguments(path, configuration, step.name), waits=waits, **common)
    # Paths are quoted; Airflow's own times need no quotes. `exec` hands Airflow's signals to the job itself.
    command = shlex.join([PYTHON, str(APPLICATION), step.job, "--config", str(path), *arguments])
    operator = WaitingJobOperator if waits else JobOperator
    return operator(bash_command=f"exec {command} {' '.join(interval)}", env=CHANGES, **common)


def _pod(step: flow.Step, job: SparkJob, where: dict[str, Any], *, waits: bool, **common: Any) -> BaseOperator:
    """Return the task of a job that is a pod of its own."""
    words, variables = [job.name, "--config", str(job.file), *job.arguments], dict(job.environment)
    if step.engine == "spark":
        spark = settings()
        words, variables = job.words(spark), {**spark.environment, **variables}
    pods = placement.pods()
    operator = pods.WaitingPodJobOperator if waits else pods.PodJobOperator
    task: BaseOperator = operator(command=[PYTHON, str(APPLICATION), *words], env_vars=variables, **where, **common)
    return task


def _publish(path: Path, configuration: Configuration, registration: Any) -> None:
    """Make the last task, which tells Airflow that a new training set is there, from the return value of `register`."""
    asset = assets.training_set(configuration.retriever)
    where = placement.of_task(path, configuration, "publish")

    @task(task_id="publish", outlets=[asset], doc_md=PUBLISH_PAGE, **where)
    def publish(registration: dict[str, Any]) -> Iterator[Metadata]:
        keys = ("version", "digest", "location", "current", "model", "run_id")
        yield Metadata(asset, extra={key: registration["metrics"][key] for key in keys})

    publish(registration)


PUBLISH_PAGE = (
    "Emits the training set's asset with version, digest and location: DAGs that are scheduled on it start now.\n\n"
    f"**Reads** the summary of `register`. **When it fails**, Airflow itself is at fault. {task_pages.AFTERWARDS}"
)


TURN_PAGE = (
    "Waits until the run of the interval before this one has weighed what it wrote, or is over: an interval takes up "
    "what the *pool.nights* before it wrote, and explores what the *sampling.memory* before it did not show. It takes "
    "no worker slot. A run that failed is not waited for; what was made without it stays as it is.\n\n"
    f"**When it fails**, Airflow itself is at fault. {task_pages.AFTERWARDS}"
)


def _direct(name: str) -> set[str]:
    """Return the upstream steps, less those that another upstream step already waits for: the arrows worth drawing."""
    nearest = flow.upstream(name)
    implied = {far for near in nearest for far in _all_upstream(near)}
    return nearest - implied


def _all_upstream(name: str) -> set[str]:
    nearest = flow.upstream(name)
    return nearest.union(*(_all_upstream(near) for near in nearest))


def dags(retrievers: Path) -> dict[str, DAG]:
    """Return the refresh of every retriever, or of the one that Airflow asks for, by the DAG's id.

    Args:
        retrievers: The folder of their files where `$SYNALIGN_RETRIEVERS` names none.
    """
    wanted = get_parsing_context().dag_id
    made = {}
    for file, configuration in placement.placeable(valid(retriever_files(retrievers))):
        name = f"refresh__{configuration.retriever}"
        if wanted in (None, name):
            made[name] = refresh_dag(file, configuration)
    return made
