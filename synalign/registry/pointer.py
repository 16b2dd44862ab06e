"""A model for registries that keep nothing else: asked for a prediction, it says where the training set is.

Unity Catalog takes a version only where its source is a model with a signature of inputs and outputs. The training set
itself is Parquet, which readers open as a folder of nothing else; so the model lies beside it, in each run, as `model`.
"""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from synalign.registry.release import Release

FOLDER = "model"
"""Name of its folder among the artefacts of a run."""

ANSWERS = ("digest", "interval", "location", "retriever")
"""Columns of what it predicts, in the order that MLflow keeps a configuration in."""

_ASKED = "ask"
_CODE = Path(__file__).with_name("pointer_model.py")
_SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec(DataType.string, _ASKED)]),
    outputs=Schema([ColSpec(DataType.string, name) for name in ANSWERS]),
)


def log_pointer(client: MlflowClient, release: Release, run_id: str) -> None:
    """Log the model of a release's training set among the artefacts of its run."""
    answer = (release.digest, release.interval, str(release.location), release.retriever)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / FOLDER
        mlflow.pyfunc.save_model(
            place,
            # A file of code, and no pickle: people can read what they load.
            python_model=str(_CODE),
            model_config=dict(zip(ANSWERS, answer, strict=True)),
            signature=_SIGNATURE,
            input_example=pd.DataFrame({_ASKED: ["training set"]}),
            # MLflow would load it in another process to find that out.
            pip_requirements=[f"{name}=={version(name)}" for name in ("mlflow", "pandas")],
        )
        client.log_artifacts(run_id, str(place), FOLDER)
