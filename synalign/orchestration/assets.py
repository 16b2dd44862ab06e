"""What Airflow calls a retriever's training set: the refresh emits it, and the training waits for it."""

from __future__ import annotations

from airflow.sdk import Asset


def training_set(retriever: str) -> Asset:
    """Return the asset of a retriever's training set."""
    return Asset(name=f"{retriever}-training-set", uri=f"synalign://training-set/{retriever}", group="synalign")
