"""Where Airflow runs a task: pool, queue, executor's configuration and pod, as the section `airflow` says.

Kubernetes' client and provider are imported only for files that speak of pods. Imported by DAG files: nothing heavy.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from synalign import flow
from synalign.config import Configuration, StepPlacement, settings_file
from synalign.config.airflow import JOBLESS, TASKS
from synalign.errors import ConfigurationError
from synalign.orchestration.assets import awaited
from synalign.orchestration.engines.settings import settings

_SPARK = frozenset(step.name for step in flow.STEPS if step.engine == "spark")
_GENERATOR = "airflow.providers.cncf.kubernetes.pod_generator"


def defaults(path: Path, configuration: Configuration) -> dict[str, Any]:
    """Return the default arguments of every task of a retriever's DAGs that `airflow.default` sets.

    Args:
        path: The retriever's YAML file, at whose folder relative paths start.
        configuration: Its content.
    """
    return _arguments(path, StepPlacement.model_validate(configuration.airflow.default.model_dump(exclude_unset=True)))


def of_task(path: Path, configuration: Configuration, task: str) -> dict[str, Any]:
    """Return the arguments of a task's operator that its step, or `airflow.default`, sets.

    Args:
        path: The retriever's YAML file, at whose folder relative paths start.
        configuration: Its content.
        task: One of `synalign.config.airflow.TASKS`.
    """
    placement = configuration.airflow.of(task)
    rule = {} if placement.trigger_rule is None else {"trigger_rule": placement.trigger_rule}
    return {**_arguments(path, placement), **rule}


def as_pod(configuration: Configuration, task: str) -> bool:
    """Return whether a task runs as a pod of its own; what Spark runs never does, whatever `airflow.default` says."""
    return configuration.airflow.of(task).run == "pod" and _job_process(task)


def pod_arguments(path: Path, configuration: Configuration, task: str) -> dict[str, Any]:
    """Return the arguments of `KubernetesPodOperator` that say which pod a task is.

    Args:
        path: The retriever's YAML file, at whose folder relative paths start.
        configuration: Its content.
        task: One that runs as a pod.
    """
    placement = configuration.airflow.of(task)
    given = {
        "image": placement.image,
        "namespace": placement.namespace,
        "kubernetes_conn_id": placement.kubernetes_connection,
        "pod_template_dict": _template(path, placement),
    }
    return {name: value for name, value in given.items() if value is not None}


def pods() -> ModuleType:
    """Return the module of operators that run pods.

    Raises:
        ConfigurationError: The provider is not installed.
    """
    _kubernetes("airflow: run == 'pod'")
    return import_module("synalign.orchestration.pods")


def check(path: Path, configuration: Configuration) -> None:
    """Make every task's arguments once, to tell mistakes that only Airflow's Python can see.

    Raises:
        ConfigurationError: A pod cannot be read, its provider is not installed, a task cannot be a pod, or what starts
            the DAG is no asset.
    """
    try:
        awaited(configuration.schedule)
        defaults(path, configuration)
        for task in TASKS:
            of_task(path, configuration, task)
        for task in _asked_as_pods(configuration):
            pods()
            arguments = pod_arguments(path, configuration, task)
            if not {"image", "pod_template_dict"} & set(arguments):
                raise ConfigurationError(
                    f"airflow.steps.{task}: image and pod_template are missing, run: pod needs one of them.",
                    remedy="name the image that runs jobs, in airflow.default.image for all of them",
                )
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error.message}", cause=error.cause, remedy=error.remedy) from error


def placeable(files: list[tuple[Path, Configuration]]) -> Iterator[tuple[Path, Configuration]]:
    """Yield the files whose tasks can be placed; `configuration_errors.py` says what is wrong with the others."""
    for path, configuration in files:
        try:
            check(path, configuration)
        except ConfigurationError:
            continue
        yield path, configuration


def _asked_as_pods(configuration: Configuration) -> Iterator[str]:
    """Yield the tasks that run as pods.

    Raises:
        ConfigurationError: A step that no pod can run asks for one.
    """
    for task in TASKS:
        own = configuration.airflow.steps.get(task)
        if own is not None and own.run == "pod" and not _job_process(task):
            raise ConfigurationError(
                f"airflow.steps.{task}.run == 'pod', {task} must be a process.",
                cause="Airflow itself does it"
                if task in JOBLESS
                else "Spark's operator starts it, as $SYNALIGN_SPARK says",
                remedy="leave `run` out; the steps that can be pods are those that the task's page calls a process",
            )
        if as_pod(configuration, task):
            yield task


def _job_process(task: str) -> bool:
    """Return whether a task's job is a plain process, wherever that runs."""
    if task in JOBLESS or task not in _SPARK:
        return task not in JOBLESS
    spark = settings()
    # The address in a connection is for processes of the worker alone; a pod has `SPARK_REMOTE` from its template.
    return spark.engine == "connect" and spark.connection is None


def _arguments(path: Path, placement: StepPlacement) -> dict[str, Any]:
    arguments = {
        "pool": placement.pool,
        "queue": placement.queue,
        "executor_config": _executor_config(path, placement),
    }
    return {name: value for name, value in arguments.items() if value}


def _executor_config(path: Path, placement: StepPlacement) -> dict[str, Any]:
    """Return what the executor is given; a pod as the object that Airflow's Kubernetes executor takes."""
    given: dict[str, Any] = dict(placement.executor_config)
    # Where jobs are pods, the template is theirs, not that of the worker that starts them.
    template = None if placement.run == "pod" else _template(path, placement)
    pod = given.get("pod_override", template)
    if pod is None:
        return given
    generator = _kubernetes("airflow: pod_template, or executor_config.pod_override,")
    try:
        return {**given, "pod_override": generator.PodGenerator.deserialize_model_dict(pod)}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(f"airflow: the pod is none: {error}.", remedy=_POD) from error


def _template(path: Path, placement: StepPlacement) -> dict[str, Any] | None:
    """Return the pod of a template's file."""
    if placement.pod_template is None:
        return None
    file = path.parent / Path(placement.pod_template).expanduser()
    content = settings_file.read(file)
    if content.get("kind") != "Pod" or not isinstance(content.get("spec"), dict):
        raise ConfigurationError(f"airflow: pod_template == {placement.pod_template!r}, is no pod.", remedy=_POD)
    return dict(content)


def _kubernetes(asked: str) -> Any:
    """Return the provider's module of pods.

    Raises:
        ConfigurationError: It is not installed.
    """
    try:
        return import_module(_GENERATOR)
    except ImportError as error:
        raise ConfigurationError(
            f"{asked} needs Airflow's provider for Kubernetes, SynAlign's extra kubernetes, which is not installed "
            "here.",
            cause="not every Airflow has a cluster",
            remedy="pip install 'synalign[airflow,kubernetes]' for Airflow's DAG processor, scheduler and workers",
        ) from error


_POD = "write it as `kubectl get pod --output yaml` does: `kind: Pod`, and a `spec` whose first container is `base`"
