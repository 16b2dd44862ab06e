"""Attempts that registered training sets refer to: by where a set lies, and by the inputs of its run."""

from __future__ import annotations

from pathlib import Path

from mlflow.entities import Dataset, DatasetInput

from synalign.registry.locations import referred
from tests.registry.shop import client_of

SET, PAIRS, FOREIGN = "20260301T010203Z-0123abcd", "20260301T010204Z-4567abcd", "20260301T010205Z-89abcdef"


def test_attempts_are_those_of_the_retrievers_versions_and_their_runs(uri: str, tmp_path: Path) -> None:
    client = client_of(uri)
    run = client.create_run(client.create_experiment("e", (tmp_path / "artefacts").as_uri()))
    source = f'{{"uri": "s3://bucket/runs/shop/i/ingest/{PAIRS}/pairs"}}'
    client.log_inputs(run.info.run_id, datasets=[DatasetInput(Dataset("pairs", "d", "s3", source))])
    for model, tags in (
        ("shop-training-set", {"location": f"/old/runs/shop/i/assemble/{SET}/training_set"}),
        ("other-training-set", {"location": f"/runs/other/i/assemble/{FOREIGN}/training_set"}),
    ):
        client.create_registered_model(model)
        client.create_model_version(model, "s3://set", run.info.run_id if model.startswith("shop") else None, tags)
    # A version that was killed before it was complete counts too: it has a run and no tags.
    client.create_model_version("shop-training-set", "s3://set", run.info.run_id)
    found = referred("shop", uri)
    assert found.attempts == {SET, PAIRS}
    assert found.versions == {"1": run.info.run_id, "2": run.info.run_id}
    assert referred("nobody", uri) == ({}, frozenset())
