"""One DAG per retriever for Airflow: `refresh__<retriever>`, made by `synalign/dags/refresh.py`."""

from pathlib import Path

from synalign.dags import refresh_dags

refresh_dags(Path(__file__).resolve().parent / "retrievers")
