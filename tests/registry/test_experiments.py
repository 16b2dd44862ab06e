"""The MLflow run of an experiment's plan."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from synalign.errors import RegistryError
from synalign.experiment import ExperimentPlan
from synalign.experiment.assignment import description, vectors
from synalign.registry import serving
from synalign.registry.experiments import experiment_run, stored_plan
from tests.registry.shop import client_of

Make = Callable[..., ExperimentPlan]


def test_the_experiment_has_all_that_an_outside_tool_needs(plan: Make, uri: str, tmp_path: Path) -> None:
    made = plan()
    run_id = serving.register_arms(made, uri).run_id
    assert experiment_run(made, uri) == run_id
    folder = Path(client_of(uri).download_artifacts(run_id, "", str(tmp_path)))
    assert hashlib.sha256((folder / "plan.json").read_bytes()).hexdigest() == made.digest
    assert json.loads((folder / "plan.schema.json").read_text())["title"] == "ExperimentPlan"
    assert (folder / "arms" / "treatment" / "model_uri.txt").read_text() == "s3://models/shop/42\n"
    assert (folder / "ASSIGNMENT.md").read_text() == description()
    assert json.loads((folder / "assignment_vectors.json").read_text()) == vectors()
    assert stored_plan("shop", made.digest, uri) == made
    assert client_of(uri).get_experiment_by_name("experiments/shop") is not None
    with pytest.raises(RegistryError, match="has no plan"):
        stored_plan("shop", "0" * 64, uri)
