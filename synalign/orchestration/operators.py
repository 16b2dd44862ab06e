"""Airflow tasks that run a job: as a process, or by spark-submit; with the job's own words where it failed.

Both kinds of task return the job's summary, fail with the job's error, are retried by its cause and carry the same
links. Imported by DAG files: nothing heavier than Airflow and its Spark provider.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import attrs
from airflow.exceptions import AirflowException
from airflow.providers.apache.spark.operators.spark_submit import SparkSubmitOperator
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import BaseOperatorLink

from synalign.errors import ConfigurationError
from synalign.orchestration.credentials import Credential, lent
from synalign.orchestration.job_outcomes import PYTHON, JobFailed, failure, in_the_jobs_words, taken
from synalign.orchestration.versions import BaseHook
from synalign.steps import outcome

__all__ = ["PYTHON", "REPORT", "TRACKING_RUN", "JobFailed", "JobOperator", "SparkJobOperator", "SummaryLink"]


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
        with outcome.place() as file, _lent(self.credentials), in_the_jobs_words(lambda: outcome.read(file)):
            self.env = {**(self.env or {}), outcome.VARIABLE: str(file)}
            super().execute(context)
            return outcome.read(file).summary


class SparkJobOperator(SparkSubmitOperator):
    """Runs a job by spark-submit; its summary is the task's return value.

    Where the connection says `"deploy-mode": "cluster"` (YARN, Kubernetes), the driver runs on another machine: it is
    given `elsewhere` beside `env_vars`, and says how it ended in a place that both machines see.

    Args:
        env_vars: Environment variables of the driver; templates.
        links: Buttons of the task.
        ended_at: Where a driver elsewhere says how it ended; a template. Empty: it cannot, and there is no summary.
        elsewhere: Environment variables that a driver elsewhere cannot inherit; templates.
        credentials: What the job needs from Airflow connections; a driver on another machine does not get it.
    """

    env_vars: dict[str, str]
    template_fields = (*SparkSubmitOperator.template_fields, "ended_at", "elsewhere")

    def __init__(
        self,
        *,
        env_vars: dict[str, str] | None = None,
        links: Sequence[BaseOperatorLink] = (),
        credentials: Sequence[Credential] = (),
        ended_at: str = "",
        elsewhere: Mapping[str, str] | None = None,
        **arguments: Any,
    ) -> None:
        python = {"PYSPARK_PYTHON": PYTHON, "PYSPARK_DRIVER_PYTHON": PYTHON}
        super().__init__(env_vars={**python, **(env_vars or {})}, **arguments)
        self.operator_extra_links = tuple(links)
        self.credentials = list(credentials)
        self.ended_at = ended_at
        self.elsewhere = dict(elsewhere or {})

    def execute(self, context: Any) -> dict[str, Any] | None:
        """Submit the job."""
        if self._in_cluster_mode():
            self.env_vars = {**self.env_vars, **self.elsewhere, outcome.VARIABLE: self.ended_at}
            with in_the_jobs_words(lambda: taken(self.ended_at)):
                super().execute(context)
            return taken(self.ended_at).summary
        with outcome.place() as file, _lent(self.credentials), in_the_jobs_words(lambda: outcome.read(file)):
            self.env_vars = {**self.env_vars, outcome.VARIABLE: str(file)}
            super().execute(context)
            return outcome.read(file).summary

    def _in_cluster_mode(self) -> bool:
        """Return whether the driver will run elsewhere, and have the provider follow it there in a way that it can.

        The provider would follow an application of YARN by the resource manager's REST API alone, to connect to it
        again after a crash, and refuses to start one where the connection names no such address. Without it
        spark-submit itself waits for the end, and another try submits anew: the run folder's lock and the steps' reuse
        keep that right.
        """
        try:
            connection = BaseHook.get_connection(self._conn_id)
        except AirflowException:
            # The provider takes YARN then, in client mode.
            return False
        extra = connection.extra_dejson
        cluster = (self._deploy_mode or extra.get("deploy-mode")) == "cluster"
        if cluster and "yarn" in f"{connection.conn_type} {connection.host}":
            self.durable = self._yarn_track_via_rm_api = bool(extra.get("yarn_resourcemanager_webapp_address"))
        return cluster


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
