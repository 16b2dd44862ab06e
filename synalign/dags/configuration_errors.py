"""Turns every retriever's mistake into one Airflow import error, without taking the other retrievers' DAGs down."""

from __future__ import annotations

from pathlib import Path

from synalign.orchestration import alerts
from synalign.retriever_files import check_all, retriever_files


def check(retrievers: Path) -> None:
    """Check every retriever's file, and the notifiers that they name.

    Args:
        retrievers: The folder of the files where `$SYNALIGN_RETRIEVERS` names none.

    Raises:
        ConfigurationError: Some are wrong.
    """
    # Notifiers are tried here alone: their providers take time to import.
    check_all(retriever_files(retrievers), also=alerts.check)
