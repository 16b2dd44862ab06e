"""The model that stands for a training set, as MLflow keeps it: this file itself is what `load_model` runs.

It is copied into the run's artefacts and imports nothing of SynAlign, so that whoever has MLflow can ask it.
"""

from __future__ import annotations

from typing import Any

import mlflow
import pandas as pd


class Pointer(mlflow.pyfunc.PythonModel):
    """Tells where a training set is, and what it is."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return the same answer for each row that is asked: `location`, `digest`, `interval` and `retriever`."""
        return pd.DataFrame([dict(context.model_config)] * len(model_input))


mlflow.models.set_model(Pointer())
