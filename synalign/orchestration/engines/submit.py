"""Spark steps by spark-submit: to whatever the connection names, to YARN, or to Kubernetes."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperator

from synalign.orchestration.engines.job import APPLICATION, SparkJob, verbatim
from synalign.orchestration.engines.settings import Spark
from synalign.orchestration.job_outcomes import template
from synalign.orchestration.operators import SparkJobOperator

OPERATOR = SparkJobOperator
CLUSTER = ("yarn", "kubernetes")
_IN_THE_IMAGE = "local:///opt/synalign/synalign/jobs/application.py"
OURS = frozenset({"application", "application_args", "conn_id", "name", "env_vars", "ended_at", "elsewhere"})
OWN: frozenset[str] = frozenset()


def task(job: SparkJob, spark: Spark, **common: Any) -> BaseOperator:
    """Return the task of a job.

    Engine `submit` leaves the driver where the connection has it: on the worker unless it says `"deploy-mode":
    "cluster"`. `yarn` and `kubernetes` put it into the cluster, and need a store that both see.

    Args:
        job: The job.
        spark: Where Spark steps run.
        common: Arguments of every task.
    """
    options = verbatim(spark.options)
    if spark.engine in CLUSTER:
        options = {"deploy_mode": "cluster", **options}
    elif not spark.passed_on().get("SYNALIGN_STORE"):
        # On this machine the job says in a file how it ended.
        return _operator(job, spark, options, common, ended_at="")
    return _operator(job, spark, options, common, ended_at=template(spark.store()))


def _operator(
    job: SparkJob, spark: Spark, options: dict[str, Any], common: dict[str, Any], *, ended_at: str
) -> BaseOperator:
    inside = _IN_THE_IMAGE if spark.engine == "kubernetes" else str(APPLICATION)
    python = {"PYSPARK_PYTHON": spark.python, "PYSPARK_DRIVER_PYTHON": spark.python} if spark.python else {}
    return SparkJobOperator(
        application=spark.application or inside,
        application_args=job.words(spark),
        name=job.title,
        conn_id=spark.connection or "spark_default",
        env_vars={**python, **spark.environment, **job.environment},
        ended_at=ended_at,
        elsewhere=spark.passed_on(),
        **options,
        **common,
    )
