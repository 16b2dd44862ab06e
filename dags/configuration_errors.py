"""Shows what is wrong in retrievers' files among Airflow's import errors; no DAG is made here."""

from pathlib import Path

from synalign.dags import check_configurations

check_configurations(Path(__file__).resolve().parent / "retrievers")
