"""Airflow tasks whose job is a pod of Kubernetes: what the job came to is read from the pod's own termination message.

Imported only where a retriever's file asks for pods: Airflow's provider for Kubernetes is an extra.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from airflow.exceptions import AirflowException
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import BaseOperatorLink

from synalign.orchestration.credentials import Credential
from synalign.orchestration.deferral import Waits
from synalign.orchestration.job_outcomes import LONGEST_LOG, failure
from synalign.steps import outcome

TERMINATION_LOG = "/dev/termination-log"
"""File of a container whose content, up to 4096 bytes, Kubernetes keeps with the pod when it ends."""


class PodJobOperator(KubernetesPodOperator):
    """Runs a job as a pod; its summary is the task's return value.

    Args:
        command: The job, word by word; templates.
        env_vars: Environment variables of the pod beside those of its template; templates.
        links: Buttons of the task.
        credentials: What the triggerer needs from Airflow connections while the job waits. The pod gets none of it: its
            template has secrets of the cluster.
    """

    def __init__(
        self,
        *,
        command: Sequence[str],
        env_vars: dict[str, str] | None = None,
        links: Sequence[BaseOperatorLink] = (),
        credentials: Sequence[Credential] = (),
        **arguments: Any,
    ) -> None:
        super().__init__(
            cmds=list(command[:1]),
            arguments=list(command[1:]),
            env_vars={**(env_vars or {}), outcome.VARIABLE: TERMINATION_LOG},
            # A pod's specification may hold what its template puts into the environment.
            log_pod_spec_on_failure=False,
            deferrable=False,
            do_xcom_push=False,
            **arguments,
        )
        # The task has a return value; the provider means by this name a second container that would carry it.
        self.do_xcom_push = True
        self.operator_extra_links = tuple(links)
        self.credentials = list(credentials)

    def execute(self, context: Any) -> dict[str, Any] | None:
        """Run the pod.

        Raises:
            JobFailed: The job failed, or the pod did.
        """
        self.do_xcom_push = False
        try:
            super().execute(context)
        except AirflowException as error:
            code, said = ended(self.remote_pod, self.base_container_name)
            if said.exit_code is not None:
                raise failure(f"{said.error}: {said.message}", said.exit_code) from None
            # Exit codes of ours say the cause where the message was too long for Kubernetes.
            raise failure(f"The pod's job failed (exit code {code}). {str(error)[:LONGEST_LOG]}", code) from error
        finally:
            self.do_xcom_push = True
        return ended(self.remote_pod, self.base_container_name)[1].summary


class WaitingPodJobOperator(Waits, PodJobOperator):
    """Runs a job as a pod; defers while its summary says that it waits, and runs it again, until it is done."""


def ended(pod: Any, container: str) -> tuple[int | None, outcome.Outcome]:
    """Return a pod's exit code, and what its job said of how it ended; None and nothing where it did not say.

    Args:
        pod: As Kubernetes tells of it.
        container: Name of the job's container.
    """
    statuses = getattr(getattr(pod, "status", None), "container_statuses", None) or []
    for status in statuses:
        terminated = status.state.terminated if status.name == container and status.state else None
        if terminated is not None:
            return terminated.exit_code, _said(terminated.message or "")
    return None, outcome.Outcome()


def _said(message: str) -> outcome.Outcome:
    try:
        return outcome.Outcome(**json.loads(message))
    except (ValueError, TypeError):
        return outcome.Outcome()
