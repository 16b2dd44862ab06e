"""One DAG for Airflow per retriever with experiments, made by `synalign/dags/read_experiment.py`."""

from pathlib import Path

from synalign.dags import experiment_dags

experiment_dags(Path(__file__).resolve().parent / "retrievers")
