"""Turns every retriever's mistake into one Airflow import error, without taking the other retrievers' DAGs down."""

from __future__ import annotations

from pathlib import Path

from synalign.config import Configuration
from synalign.orchestration import alerts, placement, versions
from synalign.retriever_files import check_all, retriever_files


def check(retrievers: Path) -> None:
    """Check every retriever's file, and what Airflow needs for it.

    Args:
        retrievers: The folder of the files where `$SYNALIGN_RETRIEVERS` names none.

    Raises:
        ConfigurationError: Some are wrong.
    """
    check_all(retriever_files(retrievers), also=_check)


def _check(path: Path, configuration: Configuration) -> None:
    """Check what only Airflow's Python can see of a file; its notifiers here alone, for they take time to import."""
    alerts.check(path, configuration.alerts)
    placement.check(path, configuration)
    versions.check(path, configuration)
