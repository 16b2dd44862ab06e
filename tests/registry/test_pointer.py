"""The model that stands for a training set: loaded and asked as MLflow's users do."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pandas as pd
import pytest

from synalign.registry.connection import fluent
from synalign.registry.pointer import ANSWERS
from synalign.registry.release import Release
from synalign.registry.training_sets import register
from tests.registry.shop import client_of


def test_the_model_of_a_run_says_where_the_training_set_is(release: Release, uri: str) -> None:
    done = register(release, uri)
    with fluent(uri):
        model = mlflow.pyfunc.load_model(f"runs:/{done.run_id}/model")
    answer = model.predict(model.input_example)
    assert list(answer.columns) == list(ANSWERS) == model.metadata.get_output_schema().input_names()
    assert answer.to_dict("records") == [
        {"location": str(release.location), "digest": release.digest, "interval": release.interval, "retriever": "shop"}
    ]
    assert pd.read_parquet(answer["location"][0])["query"].tolist()[:2] == ["query 0", "query 1"]
    with pytest.raises(mlflow.exceptions.MlflowException, match="Failed to enforce schema"):
        model.predict(pd.DataFrame({"other": [1]}))


def test_the_model_holds_no_pickle_and_needs_no_synalign(release: Release, uri: str, tmp_path: Path) -> None:
    done = register(release, uri)
    folder = Path(client_of(uri).download_artifacts(done.run_id, "model", str(tmp_path)))
    files = {path.name for path in folder.rglob("*") if path.is_file()}
    assert "MLmodel" in files and "input_example.json" in files and not {f for f in files if f.endswith(".pkl")}
    assert "synalign" not in (folder / "requirements.txt").read_text()
    assert "import synalign" not in (folder / "pointer_model.py").read_text()
