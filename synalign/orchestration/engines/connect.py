"""Spark steps as processes of Airflow's worker that send their plans to a Spark Connect server."""

from __future__ import annotations

import shlex
from typing import Any

from airflow.providers.apache.spark.hooks.spark_connect import SparkConnectHook
from airflow.sdk import BaseOperator

from synalign.orchestration.engines.job import APPLICATION, SparkJob
from synalign.orchestration.engines.settings import Spark
from synalign.orchestration.job_outcomes import PYTHON
from synalign.orchestration.operators import JobOperator
from synalign.spark.remote import REMOTE

OPERATOR = JobOperator
OURS = frozenset({"bash_command", "env", "connection"})
OWN: frozenset[str] = frozenset()


class ConnectJobOperator(JobOperator):
    """Runs a job as a process whose Spark is the server of a connection.

    Args:
        connection: Id of a connection of the type `spark_connect`; None: the worker's `SPARK_REMOTE` names the server.
        arguments: Of a `JobOperator`.
    """

    def __init__(self, *, connection: str | None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.connection = connection

    def execute(self, context: Any) -> dict[str, Any] | None:
        """Run the job; the address, which may have a token in it, is in its environment alone."""
        if self.connection is not None:
            self.env = {**(self.env or {}), REMOTE: SparkConnectHook(self.connection).get_connection_url()}
        return super().execute(context)


def task(job: SparkJob, spark: Spark, **common: Any) -> BaseOperator:
    """Return the task of a job.

    Args:
        job: The job.
        spark: Where Spark steps run; `options` are those of `BashOperator`.
        common: Arguments of every task.
    """
    variables = {f"ARGUMENT_{number}": word for number, word in enumerate(job.arguments, 1) if "{{" in word}
    names = {word: f'"${name}"' for name, word in variables.items()}
    # Paths are quoted. What a template gives may be a person's words: a variable of the shell, never its code.
    words = [names.get(word) or shlex.quote(word) for word in (PYTHON, str(APPLICATION), *job.words(spark))]
    # `exec` hands Airflow's signals to the job itself.
    return ConnectJobOperator(
        bash_command=f"exec {' '.join(words)}",
        env={**spark.environment, **job.environment, **variables},
        connection=spark.connection,
        **spark.options,
        **common,
    )
