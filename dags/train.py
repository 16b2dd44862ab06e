"""One DAG for Airflow per retriever that trains by itself: `train__<retriever>`, made by `synalign/dags/train.py`."""

from pathlib import Path

from synalign.dags import train_dags

train_dags(Path(__file__).resolve().parent / "retrievers")
