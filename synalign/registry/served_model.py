"""The files of a retriever that serves, fetched from where its version says it is, to be compared with another."""

from __future__ import annotations

import os
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.sentence_transformers import SENTENCE_TRANSFORMERS_DATA_PATH
from requests import RequestException

from synalign.embedding import model_files
from synalign.errors import RegistryError
from synalign.registry.connection import fluent

_FETCHED = ("models:", "runs:", "mlflow-artifacts:", "s3:", "file:")

# A progress bar for each download hides what it is for.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")


def fetch(model_uri: str, folder: Path, uri: str) -> Path:
    """Return the folder of a sentence-transformers model, copied into another where it is elsewhere.

    Args:
        model_uri: Where it is: a folder, or an address that MLflow fetches.
        folder: Where copies go.
        uri: MLflow's address.

    Raises:
        RegistryError: It cannot be fetched, or is no sentence-transformers model.
        SetupError: It holds pickles alone, or names code of its own.
    """
    place = Path(model_uri)
    if model_uri.startswith(_FETCHED):
        try:
            with fluent(uri):
                place = Path(mlflow.artifacts.download_artifacts(model_uri, dst_path=str(folder)))
        except (MlflowException, OSError, RequestException) as error:
            said = next(iter(str(error).splitlines()), type(error).__name__)
            raise _unusable(model_uri, f"it cannot be fetched: {said}") from error
    inner = place / SENTENCE_TRANSFORMERS_DATA_PATH
    found = inner if inner.is_dir() else place
    if not (found / "modules.json").is_file():
        raise _unusable(model_uri, "no sentence-transformers model is there that this machine can read")
    model_files.check(found)
    return found


def _unusable(model_uri: str, why: str) -> RegistryError:
    return RegistryError(
        f"the retriever that serves, {model_uri}, cannot be compared with: {why}.",
        remedy="give its version in MLflow an address that this machine reads: models:/, runs:/, s3:// or a folder",
    )
