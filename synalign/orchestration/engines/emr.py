"""Spark steps as job runs of Amazon EMR Serverless.

The task waits on the worker: to wait in the triggerer the provider needs aiobotocore, which asks for another botocore
than boto3 here. Who has it there says `deferrable: true` among the options.
"""

from __future__ import annotations

from typing import Any

from airflow.providers.amazon.aws.operators.emr import EmrServerlessStartJobOperator
from airflow.sdk import BaseOperator

from synalign.orchestration.engines.elsewhere import Elsewhere
from synalign.orchestration.engines.job import SparkJob, merged, verbatim
from synalign.orchestration.engines.settings import Spark
from synalign.orchestration.job_outcomes import template

OPERATOR = EmrServerlessStartJobOperator
OURS = frozenset({"name", "aws_conn_id", "client_request_token"})
OWN: frozenset[str] = frozenset()
POLL_SECONDS = 30
MOST_POLLS = 2880
"""A day; the operator's own 25 minutes are short for a night's log."""


class EmrJobOperator(Elsewhere, EmrServerlessStartJobOperator):
    """Runs a job as a job run of EMR Serverless."""

    template_fields = (*EmrServerlessStartJobOperator.template_fields, "ended_at")


def task(job: SparkJob, spark: Spark, **common: Any) -> BaseOperator:
    """Return the task of a job.

    Args:
        job: The job.
        spark: Where Spark steps run; `options` are those of `EmrServerlessStartJobOperator`: `application_id` and
            `execution_role_arn`, and where needed `configuration_overrides` or, within `job_driver.sparkSubmit`,
            `sparkSubmitParameters`.
        common: Arguments of every task.
    """
    options: dict[str, Any] = verbatim(spark.options)
    started = {"entryPoint": spark.needed_application(), "entryPointArguments": job.words_with_variables(spark)}
    driver = merged(options.pop("job_driver", {}), {"sparkSubmit": started})
    return EmrJobOperator(
        job_driver=driver,
        name=job.title,
        aws_conn_id=spark.connection or "aws_default",
        ended_at=template(spark.store()),
        **{"waiter_delay": POLL_SECONDS, "waiter_max_attempts": MOST_POLLS, **options},
        **common,
    )
