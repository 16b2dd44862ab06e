"""Inputs of a run as MLflow's own classes read them back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow.data
import pytest
from mlflow.data.delta_dataset_source import DeltaDatasetSource
from mlflow.data.spark_dataset_source import SparkDatasetSource

from synalign.registry.datasets import dataset, sources
from synalign.registry.release import Release
from synalign.registry.training_sets import register
from tests.registry.shop import client_of


def read_back(*given: Any, **named: Any) -> Any:
    return mlflow.data.get_source(dataset("log", "ab" * 32, *given, "read", **named))


@pytest.mark.parametrize(
    ("location", "kind", "uri"),
    [
        ("/data/log.parquet", "LocalArtifactDatasetSource", "/data/log.parquet"),
        ("s3://bucket/log", "S3ArtifactDatasetSource", "s3://bucket/log"),
        ("s3a://bucket/log", "S3ArtifactDatasetSource", "s3://bucket/log"),
        ("gs://bucket/log", "GCSArtifactDatasetSource", "gs://bucket/log"),
        ("abfss://c@account.dfs.core.windows.net/log", "AzureDataLakeArtifactDatasetSource",
         "abfss://c@account.dfs.core.windows.net/log"),
    ],
)  # fmt: skip
def test_files_are_of_the_store_that_they_lie_in(location: str, kind: str, uri: str) -> None:
    source = read_back("files", location)
    assert (type(source).__name__, source.uri) == (kind, uri)


def test_tables_and_queries_are_sources_of_spark_and_delta() -> None:
    table = read_back("table", "main.search.log")
    assert isinstance(table, SparkDatasetSource) and table.to_dict() == {"table_name": "main.search.log"}
    query = read_back("query", "SELECT 1")
    assert isinstance(query, SparkDatasetSource) and query.to_dict() == {"sql": "SELECT 1"}
    delta = read_back("table", "main.search.log", version="delta version 12")
    assert isinstance(delta, DeltaDatasetSource)
    assert (delta.delta_table_name, delta.delta_table_version) == ("main.search.log", 12)
    assert read_back("files", "s3a://b/log", version="delta version 3").to_dict()["delta_table_version"] == 3


def test_what_was_read_from_outside_is_told_by_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNALIGN_HOME", str(tmp_path))
    configuration = {"source": {"path": "shop/log", "documents": {"path": "shop/documents.parquet"}}}
    files = {str(tmp_path / "shop" / name): name for name in ("log/1.parquet", "log/2.parquet", "documents.parquet")}
    found = {one.dataset.name: one for one in sources(configuration, files)}
    assert {name: json.loads(one.dataset.source)["uri"] for name, one in found.items()} == {
        "log source": str(tmp_path / "shop/log"), "documents source": str(tmp_path / "shop/documents.parquet"),
    }  # fmt: skip

    def digests(**changed: str) -> dict[str, str]:
        other = {key: changed.get(value, value) for key, value in files.items()}
        return {one.dataset.name: one.dataset.digest for one in sources(configuration, other)}

    before = digests()
    changed = digests(**{"documents.parquet": "another"})
    assert changed["documents source"] != before["documents source"] and changed["log source"] == before["log source"]
    changed = digests(**{"log/2.parquet": "another"})
    assert changed["documents source"] == before["documents source"] and changed["log source"] != before["log source"]


def test_a_table_has_the_version_that_was_read() -> None:
    configuration = {"source": {"table": "main.search.log", "documents": {"table": "main.search.documents"}}}
    outside = {
        "source: table main.search.log": "delta version 12",
        "source.documents: table main.search.documents": "iceberg snapshot id 9",
    }
    found = {one.dataset.name: one for one in sources(configuration, outside)}
    assert json.loads(found["log source"].dataset.source)["delta_table_version"] == 12
    assert json.loads(found["documents source"].dataset.source) == {"table_name": "main.search.documents"}
    assert {tag.key: tag.value for tag in found["documents source"].tags}["version"] == "iceberg snapshot id 9"


def test_the_run_of_a_refresh_has_its_sources(release: Release, uri: str) -> None:
    configuration = {**release.configuration, "source": {"path": "/data/log", "documents": {"table": "main.docs"}}}
    ingest = {**release.manifests["ingest"], "outside": {"/data/log/a": "12", "table main.docs": "delta version 1"}}
    done = register(
        release._replace(configuration=configuration, manifests={**release.manifests, "ingest": ingest}), uri
    )
    run = client_of(uri).get_run(done.run_id)
    kinds = {one.dataset.name: one.dataset.source_type for one in run.inputs.dataset_inputs}
    assert kinds["log source"] == kinds["training_set"] == "local" and kinds["documents source"] == "delta_table"
