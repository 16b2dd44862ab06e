"""Turns every retriever's mistake into one Airflow import error, without taking the other retrievers' DAGs down.

No DAG is made here. (Airflow looks into files that mention a DAG of `airflow`; this sentence does.)
"""

from __future__ import annotations

from pathlib import Path

from synalign.config import Configuration
from synalign.orchestration import alerts, placement, versions
from synalign.retriever_files import check_all, retriever_files


def check(path: Path, configuration: Configuration) -> None:
    """Check what only Airflow's Python can see of a file; its notifiers here alone, for they take time to import."""
    alerts.check(path, configuration.alerts)
    placement.check(path, configuration)
    versions.check(path, configuration)


check_all(retriever_files(Path(__file__).resolve().parent / "retrievers"), also=check)
