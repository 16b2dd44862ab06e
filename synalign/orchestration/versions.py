"""What differs between the versions of Airflow that run the DAGs, 3.0 to 3.3: the same names for all, or none.

Where an older Airflow lacks something, its name here is None, and `check` refuses files that need it. Imported by DAG
files: nothing heavier than Airflow.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import airflow
from airflow.exceptions import AirflowException

from synalign.config import Configuration
from synalign.errors import ConfigurationError

# Each as Any: the type checker knows one version.
CronDataIntervalTimetable: Any
RetryDecision: Any
RetryPolicy: Any
ApprovalOperator: Any
BaseHook: Any
deadlines: Any

BACKOFF: float = 2.0 if tuple(map(int, airflow.__version__.split(".")[:2])) >= (3, 2) else True
"""By how much the wait between two tries grows; until 3.1 whether it grows."""

try:
    from airflow.sdk import CronDataIntervalTimetable
except ImportError:
    # Until 3.1.
    from airflow.timetables.interval import CronDataIntervalTimetable  # type: ignore[no-redef]  # noqa: F401

try:
    from airflow.sdk import BaseHook
except ImportError:
    # In 3.0.
    from airflow.hooks.base import BaseHook  # type: ignore[no-redef]  # noqa: F401

try:
    from airflow.sdk import RetryDecision, RetryPolicy
except ImportError:
    # Until 3.2.
    RetryDecision = RetryPolicy = None

try:
    from airflow.providers.standard.operators.hitl import ApprovalOperator  # type: ignore[no-redef]
except (ImportError, AirflowException):
    # In 3.0.
    ApprovalOperator = None

try:
    from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference  # type: ignore[attr-defined]

    deadlines = (AsyncCallback, DeadlineAlert, DeadlineReference)
except ImportError:
    # Until 3.1.
    deadlines = None


def taken(kind: Any, **arguments: Any) -> dict[str, Any]:
    """Return those of some arguments that a class takes in this version; the others only show more to people.

    Args:
        kind: The class.
        arguments: What newer versions take.
    """
    known = inspect.signature(kind).parameters
    return {name: value for name, value in arguments.items() if name in known}


def check(path: Path, configuration: Configuration) -> None:
    """Check that this Airflow has what a retriever's file needs.

    Raises:
        ConfigurationError: It is too old.
    """
    if configuration.experiment is not None and ApprovalOperator is None:
        raise ConfigurationError(
            f"{path}: experiment needs Airflow 3.1 or newer, here is {airflow.__version__}.",
            cause="a person approves what an experiment found, and Airflow asks people since 3.1",
            remedy="upgrade Airflow, or leave the section `experiment` out",
        )
