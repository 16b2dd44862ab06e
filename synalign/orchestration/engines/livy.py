"""Spark steps as batches of Apache Livy; the task waits without a worker slot."""

from __future__ import annotations

from typing import Any

from airflow.providers.apache.livy.operators.livy import LivyOperator
from airflow.sdk import BaseOperator

from synalign.orchestration.engines.elsewhere import Elsewhere
from synalign.orchestration.engines.job import SparkJob, verbatim
from synalign.orchestration.engines.settings import Spark
from synalign.orchestration.job_outcomes import template

OPERATOR = LivyOperator
POLL_SECONDS = 10
OURS = frozenset({"file", "args", "name", "livy_conn_id"})
OWN = frozenset({"queue"})
"""Options that mean something else than the argument of every operator with the same name."""


class LivyJobOperator(Elsewhere, LivyOperator):
    """Runs a job as a batch of Livy.

    Args:
        queue: Of Airflow's workers, as every operator has it; None: the executor's default.
        yarn_queue: The batch's, which `LivyOperator` calls `queue`.
        arguments: The operator's.
    """

    template_fields = (*LivyOperator.template_fields, "ended_at")

    def __init__(self, *, queue: str | None = None, yarn_queue: str | None = None, **arguments: Any) -> None:
        super().__init__(queue=yarn_queue, **arguments)
        if queue is not None:
            self.queue = queue


def task(job: SparkJob, spark: Spark, **common: Any) -> BaseOperator:
    """Return the task of a job.

    Args:
        job: The job.
        spark: Where Spark steps run; `options` are those of `LivyOperator`, such as `conf`, `py_files` and `queue`.
        common: Arguments of every task.
    """
    options: dict[str, Any] = verbatim(spark.options)
    return LivyJobOperator(
        file=spark.needed_application(),
        args=job.words_with_variables(spark),
        name=f"{job.title} {{{{ ti.run_id }}}} {{{{ ti.try_number }}}}",
        livy_conn_id=spark.connection or "livy_default",
        ended_at=template(spark.store()),
        yarn_queue=options.pop("queue", None),
        **{"deferrable": True, "polling_interval": POLL_SECONDS, **options},
        **common,
    )
