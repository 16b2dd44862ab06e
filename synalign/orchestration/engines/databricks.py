"""Spark steps as one-time runs of Databricks; the task waits without a worker slot."""

from __future__ import annotations

from typing import Any

from airflow.providers.databricks.operators.databricks import DatabricksSubmitRunOperator
from airflow.sdk import BaseOperator

from synalign.orchestration.engines.elsewhere import Elsewhere
from synalign.orchestration.engines.job import SparkJob, verbatim
from synalign.orchestration.engines.settings import Spark
from synalign.orchestration.job_outcomes import template

OPERATOR = DatabricksSubmitRunOperator
OURS = frozenset({"json", "tasks", "spark_python_task", "run_name", "databricks_conn_id", "do_xcom_push"})
OWN: frozenset[str] = frozenset()
OF_THE_TASK = ("new_cluster", "existing_cluster_id", "libraries")
"""Options that the Jobs API has beside a task's own, since runs have several tasks."""


class DatabricksJobOperator(Elsewhere, DatabricksSubmitRunOperator):
    """Runs a job as a one-time run of Databricks."""

    template_fields = (*DatabricksSubmitRunOperator.template_fields, "ended_at")


def task(job: SparkJob, spark: Spark, **common: Any) -> BaseOperator:
    """Return the task of a job.

    Its application is a Python file and not the wheel's entry point: Airflow would add a DAG's parameters to that.

    Args:
        job: The job.
        spark: Where Spark steps run; `options` are those of `DatabricksSubmitRunOperator`: `new_cluster` or
            `existing_cluster_id` with `libraries`, or else `environments` of serverless compute, whose first is taken.
        common: Arguments of every task.
    """
    options: dict[str, Any] = verbatim(spark.options)
    here = {key: options.pop(key) for key in OF_THE_TASK if key in options}
    environments = options.get("environments") or []
    if environments and not here:
        here["environment_key"] = environments[0].get("environment_key")
    application = {"python_file": spark.needed_application(), "parameters": job.words_with_variables(spark)}
    return DatabricksJobOperator(
        tasks=[{"task_key": common["task_id"], "spark_python_task": application, **here}],
        run_name=job.title,
        databricks_conn_id=spark.connection or "databricks_default",
        ended_at=template(spark.store()),
        **{"deferrable": True, **options},
        **common,
    )
