"""Settings and dataset inputs of a refresh's MLflow run."""

from __future__ import annotations

import json

from synalign.registry import artifacts
from synalign.registry.release import Release
from synalign.tables import schema
from tests.registry.conftest import DIGEST


def test_settings_are_single_values_of_sections_that_define_the_set(release: Release) -> None:
    found = {param.key: param.value for param in artifacts.settings(release)}
    # Not `runtime` and `owner`, which change no result; no null, no list, no section within a section.
    assert found == {"seed": "0", "sampling.batches": "3"}


def test_a_dataset_has_schema_source_rows_and_digest(release: Release) -> None:
    (pairs,) = (entry for entry in artifacts.datasets(release) if entry.dataset.name == "pairs")
    assert json.loads(pairs.dataset.source) == {"uri": str(release.folders["pairs"])}
    assert json.loads(pairs.dataset.profile) == {"num_rows": 3}
    columns = json.loads(pairs.dataset.schema)["mlflow_colspec"]
    assert [column["name"] for column in columns] == schema("pairs").names
    assert {tag.key: tag.value for tag in pairs.tags} == {"mlflow.data.context": "real pairs", "sha256": DIGEST}
    assert len(pairs.dataset.digest) == 36 and DIGEST.startswith(pairs.dataset.digest)


def test_the_sets_schema_has_where_each_written_row_came_from(release: Release) -> None:
    (found,) = [dataset.dataset for dataset in artifacts.datasets(release) if dataset.dataset.name == "training_set"]
    columns = {column["name"]: column for column in json.loads(found.schema)["mlflow_colspec"]}
    for name in ("batch_id", "request_id", "interval"):
        assert columns[name] == {"name": name, "type": "string", "required": False}
