"""Tasks of Spark steps on whatever runs Spark: one factory over Airflow's own operators.

A DAG file says which job; the file of `$SYNALIGN_SPARK` says where (`settings.py`). There is a file here for each way
to start a driver, which imports its provider; it is imported only where that way is chosen.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from importlib import import_module, util
from types import ModuleType
from typing import Any, NamedTuple

from airflow.sdk import BaseOperator

from synalign.errors import ConfigurationError, SetupError, listed
from synalign.orchestration.credentials import Credential
from synalign.orchestration.engines.job import SparkJob
from synalign.orchestration.engines.settings import Spark, settings

__all__ = ["Spark", "SparkJob", "settings", "spark_task"]


class _Way(NamedTuple):
    """How an engine is reached.

    Attributes:
        file: Of this room.
        provider: The package of Airflow's that it needs.
        extra: What installs that.
        here: Whether a process of the worker is the driver, or starts it: that one can be lent secrets.
    """

    file: str
    provider: str
    extra: str
    here: bool = False


_SPARK = "airflow.providers.apache.spark"
_WAYS = {
    "submit": _Way("submit", _SPARK, "airflow", here=True),
    "yarn": _Way("submit", _SPARK, "airflow", here=True),
    "kubernetes": _Way("submit", "airflow.providers.cncf.kubernetes", "kubernetes", here=True),
    "connect": _Way("connect", _SPARK, "airflow", here=True),
    "livy": _Way("livy", "airflow.providers.apache.livy", "livy"),
    "databricks": _Way("databricks", "airflow.providers.databricks", "databricks"),
    "emr": _Way("emr", "airflow.providers.amazon", "emr"),
}


PLACEMENT = frozenset({"pool", "queue", "executor_config", "trigger_rule"})
"""Arguments of every operator that a retriever's file sets, in the place of those among `options`."""


def spark_task(
    job: SparkJob, spark: Spark | None = None, *, credentials: Sequence[Credential] = (), **common: Any
) -> BaseOperator:
    """Return the task that runs a job of a Spark step.

    Args:
        job: The job.
        spark: Where Spark steps run; by default as the file of `$SYNALIGN_SPARK` says.
        credentials: What the job needs from Airflow connections. A driver on another machine gets none of it.
        common: Arguments of every task: `task_id`, `doc_md`, `links` and Airflow's own.

    Raises:
        SetupError: The engine's provider is not installed.
        ConfigurationError: The settings lack something, or have an option that the operator does not know.
    """
    spark = spark or settings()
    module = _module(spark)
    if _WAYS[spark.engine].here:
        common["credentials"] = credentials
    unknown = sorted(spark.options.keys() - (_known(module.OPERATOR) - module.OURS - (common.keys() - PLACEMENT)))
    if unknown:
        raise ConfigurationError(
            f"spark.options: {listed(unknown)} cannot be set for spark.engine == {spark.engine!r}.",
            cause=f"{module.OPERATOR.__name__} has no such argument, or SynAlign sets it",
            remedy=f"use the names of {module.OPERATOR.__name__} in its provider's documentation",
        )
    options = {key: value for key, value in spark.options.items() if key not in common or key in module.OWN}
    spark = spark.model_copy(update={"options": options})
    try:
        task: BaseOperator = module.task(job, spark, **common)
    except TypeError as error:
        raise ConfigurationError(
            f"spark.options: {module.OPERATOR.__name__} cannot be made: {error}.",
            cause="an argument that it must have is missing, or is of another kind",
            remedy="add it under spark.options",
        ) from error
    return task


def _module(spark: Spark) -> ModuleType:
    way = _WAYS[spark.engine]
    try:
        installed = util.find_spec(way.provider) is not None
    except ModuleNotFoundError:
        installed = False
    if not installed:
        raise SetupError(
            f"spark.engine == {spark.engine!r}, needs the extra `{way.extra}`, which is not installed here.",
            cause=f"Airflow's Python has no package {way.provider}",
            remedy=f"`pip install --constraint docker/constraints.txt 'synalign[{way.extra}]'` where Airflow parses "
            "DAG files and where its workers and its triggerer run",
        )
    return import_module(f"{__name__}.{way.file}")


def _known(operator: type[BaseOperator]) -> frozenset[str]:
    """Return the names of all arguments of an operator, those of its bases among them."""
    signatures = (inspect.signature(vars(kind)["__init__"]) for kind in operator.__mro__ if "__init__" in vars(kind))
    named = (one.parameters.values() for one in signatures)
    variadic = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return frozenset(each.name for each_of in named for each in each_of if each.kind not in variadic) - {"self"}
