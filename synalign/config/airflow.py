"""Settings of Airflow's tasks: in which pool, queue and pod each runs, and which connections hold its secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, JsonValue, WithJsonSchema, field_validator, model_validator
from pydantic_core import PydanticCustomError

from synalign import flow
from synalign.config.closed import CREDENTIALS, SECRET, Closed
from synalign.masking import is_secret

TASKS = (*(step.name for step in flow.STEPS), "turn", "publish", "train")
"""Tasks whose place can be set: all of a refresh, and that of training."""

JOBLESS = frozenset({"turn", "publish"})
"""Tasks that run no job, and so in no pod of their own."""

TriggerRule = Literal[
    "all_success", "all_failed", "all_done", "all_skipped", "one_success", "one_failed", "one_done", "none_failed",
    "none_failed_min_one_success", "none_skipped", "always",
]  # fmt: skip
Purpose = Literal["model", "judge", "teacher", "encoder", "mlflow", "proxy"]
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=250)]


def _known(name: str) -> str:
    if name not in TASKS:
        raise PydanticCustomError("task_name", "must be the name of a step")
    return name


TaskName = Annotated[str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": list(TASKS)})]


class Placement(Closed):
    """Where a task runs, as Airflow's operators take it."""

    run: Literal["process", "pod"] | None = Field(
        None,
        description="`process`: a process of Airflow's worker. `pod`: a pod of its own, by `KubernetesPodOperator`, "
        "for steps that Spark does not run. null: as `airflow.default` says, else `process`.",
    )
    pool: str | None = Field(
        None, min_length=1, max_length=256, description="Airflow's pool. null: its `default_pool`.", examples=["llm"]
    )
    queue: str | None = Field(
        None, min_length=1, max_length=256, description="Queue of a Celery worker. null: the executor's default.",
        examples=["gpu"],
    )  # fmt: skip
    executor_config: dict[str, JsonValue] = Field(
        {},
        description="What the executor takes for the task; under `pod_override` a pod, written as in Kubernetes, whose "
        "first container is named `base`.",
    )
    pod_template: str | None = Field(
        None, min_length=1, max_length=4096,
        description="File with a pod, as Kubernetes writes one; a relative path starts at this file. With `run: "
        "process` it is the `pod_override` of Airflow's Kubernetes executor, with `run: pod` the pod itself.",
        examples=["pod.yaml"],
    )  # fmt: skip
    image: str | None = Field(
        None,
        min_length=1,
        max_length=1000,
        description="Image of the pod, with `run: pod`. null: that of `pod_template`.",
    )
    namespace: Id | None = Field(None, description="Namespace of the pod, with `run: pod`. null: the connection's.")
    kubernetes_connection: Id | None = Field(
        None, description="Connection to Kubernetes, with `run: pod`. null: `kubernetes_default`."
    )

    @field_validator("executor_config")
    @classmethod
    def _no_secrets(cls, given: dict[str, JsonValue]) -> dict[str, JsonValue]:
        # The file is read by many, and Airflow keeps what is given to an executor in its database.
        if _secret_in(given):
            raise PydanticCustomError(SECRET, "must hold no secret: it belongs into an Airflow connection, or a Secret")
        return given

    @model_validator(mode="after")
    def _one_pod(self) -> Placement:
        if self.pod_template is not None and "pod_override" in self.executor_config:
            raise ValueError("must have pod_template or executor_config.pod_override, not both")
        return self


class StepPlacement(Placement):
    """Where one task runs, and what of the tasks before it lets it start."""

    trigger_rule: TriggerRule | None = Field(
        None, description="Airflow's trigger rule. null: `all_success`, every task before it has succeeded."
    )


class Airflow(Closed):
    """Where Airflow runs the tasks, and which of its connections hold their secrets. Nothing here changes a result."""

    default: Placement = Field(Placement(), description="For every task of this retriever's DAGs.")
    steps: dict[TaskName, StepPlacement] = Field(
        {},
        description="For single tasks: a step, `turn`, `publish` or `train`. What is said here goes before `default`.",
    )
    connections: dict[Purpose, Id] = Field(
        {},
        description="Ids of connections that hold the jobs' secrets: a worker asks Airflow for them when a task begins "
        "and gives them to the job's process alone. The password of `model`, `judge`, `teacher` and `encoder` is the "
        "key of that endpoint, for its `api_key_variable`. `mlflow` has the login (without one the password is a "
        "token) and, where it names a host, the address of the tracking server; `proxy` the proxy's type, host, port "
        "and login, and `no_proxy` among its extras.",
        examples=[{"model": "my_llm"}],
    )

    def of(self, task: str) -> StepPlacement:
        """Return where a task runs: what its step says, else what `default` says.

        Args:
            task: One of `TASKS`.
        """
        own = _said(self.steps.get(task, StepPlacement()))
        general = _said(self.default)
        if "pod_override" in own.get("executor_config", {}):
            # One pod takes the place of the other.
            general.pop("pod_template", None)
        if "pod_template" in own:
            general["executor_config"] = {
                key: value for key, value in general.get("executor_config", {}).items() if key != "pod_override"
            }
        return StepPlacement.model_validate(general | own)


def _said(placement: Placement) -> dict[str, Any]:
    """Return what a section says of itself."""
    return placement.model_dump(exclude_unset=True)


_VALUES = re.compile(r"^(value|data|stringData)$")


def _secret_in(given: Any) -> bool:
    """Return whether a value quotes a login, or has a secret under a name that says so."""
    if isinstance(given, Mapping):
        # As Kubernetes writes an environment variable: its name in one key, its value in another.
        named = is_secret(str(given.get("name", ""))) and any(_VALUES.match(str(key)) for key in given)
        text = any(is_secret(str(key)) and isinstance(value, str) for key, value in given.items())
        return named or text or any(map(_secret_in, given.values()))
    if isinstance(given, list):
        return any(map(_secret_in, given))
    return isinstance(given, str) and bool(CREDENTIALS.search(given))
