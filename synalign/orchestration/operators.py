"""Airflow tasks that run a job: as a process, or by spark-submit; with the job's own words where it failed.

Both kinds of task return the job's summary, fail with the job's error, are retried by its cause and carry the same
links. Imported by DAG files: nothing heavier than Airflow and its Spark provider.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs
from airflow.exceptions import AirflowException, AirflowFailException
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import BaseOperatorLink

from synalign.errors import ConfigurationError
from synalign.errors import exit_code as exit_code_entry
from synalign.orchestration.credentials import Credential, lent
from synalign.orchestration.versions import RetryPolicy
from synalign.steps import outcome

PYTHON = os.environ.get("SYNALIGN_PYTHON", sys.executable)
"""The jobs' Python. Set by the deployment; where Airflow and the jobs share one environment it is this very one."""

LONGEST_LOG = 2000
"""Characters of another program's words that an error repeats."""


class JobFailed(AirflowException):
    """A job failed, and said why where it could.

    Args:
        message: Its own words.
        exit_code: That of the error of ours that ended it; None: it was killed, or ended in another way.
    """

    def __init__(self, message: str, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class JobFailedForGood(JobFailed, AirflowFailException):
    """A job failed for a cause that no time mends, under an Airflow that is not told so by `retries.ByCause`."""


def failure(message: str, exit_code: int | None = None) -> JobFailed:
    """Return the error of a task whose job failed.

    Args:
        message: The job's own words.
        exit_code: That of the error of ours that ended it.
    """
    for_good = RetryPolicy is None and not exit_code_entry(exit_code).tries
    return (JobFailedForGood if for_good else JobFailed)(message, exit_code)


class JobOperator(BashOperator):
    """Runs a job as a process of the worker; its summary is the task's return value.

    Args:
        bash_command: The job, ready for a shell.
        env: Environment variables beside those of the worker; templates.
        links: Buttons of the task.
        credentials: What the job needs from Airflow connections.
    """

    env: dict[str, str] | None

    def __init__(
        self,
        *,
        bash_command: str,
        env: dict[str, str] | None = None,
        links: Sequence[BaseOperatorLink] = (),
        credentials: Sequence[Credential] = (),
        **arguments: Any,
    ) -> None:
        # An exit code never means "skip this": a job says how it ended.
        super().__init__(bash_command=bash_command, env=env or {}, append_env=True, skip_on_exit_code=None, **arguments)
        self.operator_extra_links = tuple(links)
        self.credentials = list(credentials)

    def execute(self, context: Any) -> dict[str, Any] | None:
        """Run the job."""
        with outcome.place() as file, _lent(self.credentials), _told(file):
            self.env = {**(self.env or {}), outcome.VARIABLE: str(file)}
            super().execute(context)
            return outcome.read(file).summary


class SparkJobOperator(SparkSubmitOperator):
    """Runs a job by spark-submit; its summary is the task's return value where the driver runs on this machine.

    Args:
        env_vars: Environment variables of the driver; templates.
        links: Buttons of the task.
        credentials: What the job needs from Airflow connections; a driver on another machine does not get it.
    """

    env_vars: dict[str, str]

    def __init__(
        self,
        *,
        env_vars: dict[str, str] | None = None,
        links: Sequence[BaseOperatorLink] = (),
        credentials: Sequence[Credential] = (),
        **arguments: Any,
    ) -> None:
        python = {"PYSPARK_PYTHON": PYTHON, "PYSPARK_DRIVER_PYTHON": PYTHON}
        super().__init__(env_vars={**python, **(env_vars or {})}, **arguments)
        self.operator_extra_links = tuple(links)
        self.credentials = list(credentials)

    def execute(self, context: Any) -> dict[str, Any] | None:
        """Submit the job."""
        with outcome.place() as file, _lent(self.credentials), _told(file):
            self.env_vars = {**self.env_vars, outcome.VARIABLE: str(file)}
            super().execute(context)
            return outcome.read(file).summary


@contextmanager
def _told(file: Path) -> Iterator[None]:
    """Turn the failure of what ran a job into that of the job.

    Raises:
        JobFailed: With the error that ended the job; or, where it said nothing, with the words of what ran it.
    """
    try:
        yield
    except AirflowException as error:
        ended = outcome.read(file)
        if ended.exit_code is None:
            raise JobFailed(f"The job ended without saying why; its log may. {str(error)[:LONGEST_LOG]}") from error
        # What ran the job has nothing to add.
        raise failure(f"{ended.error}: {ended.message}", ended.exit_code) from None


@contextmanager
def _lent(credentials: Sequence[Credential]) -> Iterator[None]:
    """Give a job what connections hold, in the environment that it inherits.

    Raises:
        JobFailed: A connection is missing, or lacks what it is for.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(lent(credentials))
        except ConfigurationError as error:
            raise failure(f"ConfigurationError: {error}", error.exit_code) from error
        yield


@attrs.define()
class SummaryLink(BaseOperatorLink):
    """A button on a task, to the page that a finished job's summary names; no button where there is no page.

    Attributes:
        name: What the button says.
        task: The task whose summary has the address, as `url` among its metrics.
    """

    name: str = ""
    task: str = ""

    @property
    def xcom_key(self) -> str:
        """Where Airflow keeps the address."""
        return f"_link_{self.task}"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Return the address, or nothing; called when the task ends, with the running task instance."""
        summary = ti_key.xcom_pull(task_ids=self.task) or {}
        url = (summary.get("metrics") or {}).get("url") or ""
        # A browser refuses to go from Airflow's page to a file on the disk.
        return url if url.startswith(("http://", "https://")) else ""


REPORT = SummaryLink("Report", "report")
TRACKING_RUN = SummaryLink("MLflow run", "register")
