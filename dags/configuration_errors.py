"""Turns every retriever's mistake into one Airflow import error, without taking the other retrievers' DAGs down.

No DAG is made here. (Airflow looks into files that mention a DAG of `airflow`; this sentence does.)
"""

from __future__ import annotations

from pathlib import Path

from synalign.orchestration import alerts
from synalign.retriever_files import check_all, retriever_files

# Notifiers are tried here alone: their providers take time to import.
check_all(retriever_files(Path(__file__).resolve().parent / "retrievers"), also=alerts.check)
