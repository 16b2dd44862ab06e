"""Telling people that a task failed for good, or that a refresh is late, through any of Airflow's notifiers.

The retriever's file names notifiers and what they are made with (`alerts`); their texts are Jinja templates over one
variable, `alert`, whatever happened. Imported by DAG files and by the triggerer: a notifier is imported where it is
used.
"""

from __future__ import annotations

import asyncio
import html
import logging
import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from airflow.sdk import BaseNotifier

from synalign.config import Alerts, Notifier
from synalign.errors import ConfigurationError
from synalign.orchestration.versions import deadlines, taken

log = logging.getLogger(__name__)

LONGEST_TEXT = 4000
"""Characters of an error that a message repeats."""

WATCHED = "SYNALIGN_WATCHED"
"""Environment variable that `synalign refresh` sets: the run has somebody's eyes on it."""


class Alert(NamedTuple):
    """What a notifier's templates call `alert`.

    Attributes:
        subject: One line.
        text: What happened, and what to do, as plain text.
        url: The page of Airflow's that shows it.
    """

    subject: str
    text: str
    url: str

    @property
    def html(self) -> str:
        """The text and the address as HTML; an error may quote what users typed."""
        lines = html.escape(self.text).replace("\n", "<br>\n")
        return f'<p>{lines}</p>\n<p><a href="{html.escape(self.url)}">{html.escape(self.url)}</a></p>'


class Failure:
    """A task's `on_failure_callback`: tells one notifier; called when no try is left.

    Args:
        notifier: Whom to tell.
    """

    def __init__(self, notifier: Notifier) -> None:
        self.notifier = notifier

    def __call__(self, context: Any) -> None:
        """Tell the notifier.

        Args:
            context: Airflow's, of the task that failed.
        """
        made(self.notifier)({**context, "alert": failed(context)})


def failed(context: Mapping[str, Any]) -> Alert:
    """Say in an alert that a task failed."""
    task = context["ti"]
    error = str(context.get("exception") or "The task was lost: its worker ended, or no longer answered.")
    text = (
        f"Task {task.task_id} of {task.dag_id} failed (run {task.run_id}, try {task.try_number}).\n\n"
        f"{error[:LONGEST_TEXT]}\n\n"
        "Finished steps are kept: mend what the error names, then clear the task in Airflow, and the run goes on there."
    )
    # Where the task was lost, the one who tells has no address of its own.
    return Alert(f"{task.dag_id}: {task.task_id} failed", text, getattr(task, "log_url", None) or _page(task))


def deadline(alerts: Alerts) -> Any:
    """Say when a refresh of a retriever is late, and who is told then; None: it never is.

    Nor is one that somebody watches: `airflow dags test` (3.3) cannot end a run that has a deadline, for it looks the
    alert up by an id that only stored DAGs have. Before 3.2 Airflow has no such deadlines.
    """
    watched = os.environ.get(WATCHED, "") or sys.argv[1:3] == ["dags", "test"]
    if alerts.deadline_hours is None or watched or deadlines is None:
        return None
    AsyncCallback, DeadlineAlert, DeadlineReference = deadlines
    told = [notifier.model_dump(mode="json") for notifier in alerts.notifiers]
    return DeadlineAlert(
        # From here on somebody waits for it; its interval may have ended long before.
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(hours=alerts.deadline_hours),
        # The triggerer is there with every kind of executor.
        callback=AsyncCallback(tell_late, {"notifiers": told, "hours": alerts.deadline_hours}),
        **taken(DeadlineAlert, name=f"done within {alerts.deadline_hours:g} hours"),
    )


def dag_deadline(alerts: Alerts) -> dict[str, Any]:
    """Return the argument of a DAG that has a deadline; none where it has none: older DAGs do not take it."""
    found = deadline(alerts)
    return {} if found is None else {"deadline": found}


async def tell_late(notifiers: list[dict[str, Any]], hours: float, context: Any) -> str:
    """Tell every notifier that a run is late; runs in the triggerer.

    Args:
        notifiers: As in the retriever's file.
        hours: After which the run is late.
        context: Airflow's: `dag_run` and `deadline`, as mappings.

    Returns:
        What was said.
    """
    alert = late(context["dag_run"], hours)
    log.warning("%s", alert.text)
    failures = []
    for settings in notifiers:
        try:
            await _tell(made(Notifier.model_validate(settings)), {**context, "alert": alert})
        except Exception as error:
            # One that cannot be reached must not keep the others from being told.
            log.exception("%s could not be told", settings["notifier"])
            failures.append(f"{settings['notifier']}: {error}")
    if failures:
        raise RuntimeError("; ".join(failures))
    return alert.text


async def _tell(notifier: BaseNotifier, context: dict[str, Any]) -> None:
    """Use what the notifier has: many know only one of the two ways."""
    if type(notifier).async_notify is not BaseNotifier.async_notify:
        notifier.context = context
        await notifier
    else:
        await asyncio.to_thread(notifier, context)


def late(run: Mapping[str, Any], hours: float) -> Alert:
    """Say in an alert that a run is late."""
    text = (
        f"Run {run['dag_run_id']} of {run['dag_id']} is not finished {hours:g} hours after it was queued.\n\n"
        "Its page shows which task is running, waits for another try, or has failed."
    )
    return Alert(f"{run['dag_id']}: late", text, _address(run["dag_id"], run["dag_run_id"]))


def made(notifier: Notifier) -> BaseNotifier:
    """Make a notifier, ready to be called.

    Raises:
        ConfigurationError: There is no such class, it is no notifier, or it does not take the arguments.
    """
    module, _, name = notifier.notifier.rpartition(".")
    try:
        kind = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"alerts.notifiers: notifier == {notifier.notifier!r}, cannot be imported: {error}.",
            cause="its Airflow provider is not installed here, or the name is misspelt",
            remedy="install the provider where Airflow runs, or mend the name",
        ) from error
    if not (isinstance(kind, type) and issubclass(kind, BaseNotifier)):
        raise ConfigurationError(f"alerts.notifiers: notifier == {notifier.notifier!r}, must be a notifier of Airflow.")
    try:
        return kind(**notifier.arguments)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"alerts.notifiers: arguments of {notifier.notifier} do not fit: {error}.",
            remedy="see the notifier's documentation for what it takes",
        ) from error


def check(path: Path, alerts: Alerts) -> None:
    """Make every notifier once, to tell mistakes before the first alert.

    Raises:
        ConfigurationError: One cannot be made; the message names the file.
    """
    for notifier in alerts.notifiers:
        try:
            made(notifier)
        except ConfigurationError as error:
            raise ConfigurationError(f"{path}: {error.message}", cause=error.cause, remedy=error.remedy) from error


def _page(task: Any) -> str:
    return f"{_address(task.dag_id, task.run_id)}/tasks/{quote(task.task_id, safe='')}"


def _address(dag: str, run: str) -> str:
    """Return Airflow's page of a run."""
    from airflow.sdk.configuration import conf

    base = str(conf.get("api", "base_url", fallback="")).rstrip("/")
    return f"{base}/dags/{quote(dag, safe='')}/runs/{quote(run, safe='')}"
