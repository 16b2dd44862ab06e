"""Registering in Unity Catalog and finding again: runs in a real MLflow, versions in a double of the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient

from synalign.errors import RegistryError
from synalign.prompts.templates import parse
from synalign.registry import lookup, serving, trained, versions
from synalign.registry.connection import fluent, versions_of
from synalign.registry.holdings import Matchers, holdings
from synalign.registry.lineage import unpromoted
from synalign.registry.locations import referred
from synalign.registry.release import Release
from synalign.registry.training_sets import register
from synalign.training.retriever import retriever
from tests.registry import unity
from tests.registry.conftest import DIGEST
from tests.registry.test_trained import figures

NAME = "main.search.shop_training_set"


@pytest.fixture
def catalogue(tmp_path: Path, uri: str, empty_database: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """MLflow's address, beside which Unity Catalog is the registry."""
    (tmp_path / "unity.db").write_bytes(empty_database)
    before = unity.install(f"sqlite:///{tmp_path / 'unity.db'}")
    for name, value in {"TRACKING": uri, "REGISTRY": "databricks-uc"}.items():
        monkeypatch.setenv(f"MLFLOW_{name}_URI", value)
    yield uri
    unity.restore(before)


@pytest.fixture
def of_catalogue(release: Release) -> Release:
    template = parse("You.\n=== user ===\n$count $queries_per_document\n<data>\n$data\n</data>\n", "write", "a test")
    configuration = {**release.configuration, "registry": {"prefix": "main.search"}}
    return release._replace(configuration=configuration, templates={"write": template})


def test_a_release_becomes_a_model_of_three_parts_that_everyone_finds(catalogue: str, of_catalogue: Release) -> None:
    done = register(of_catalogue, catalogue)
    assert (done.model, done.version, done.current, done.reused) == (NAME, "1", True, False)
    assert register(of_catalogue, catalogue) == done._replace(reused=True)
    # By the retriever's name, as commands do, and by the model's own.
    for reference in ("shop@1", "shop@current", f"{NAME}/1", f"{NAME}/current"):
        found = lookup.version(reference)
        assert found is not None
        assert (found.name, found.digest, found.location) == ("shop@1", DIGEST, of_catalogue.location), reference
    there = unpromoted("shop", catalogue)
    assert there is not None and (there.current, there.newest) == ("1", "1")
    trained_on = serving.newest_training_set("shop", catalogue)
    assert trained_on is not None and (trained_on.model, trained_on.digest) == (NAME, DIGEST)
    assert referred("shop", catalogue).versions == {"1": done.run_id}
    everything = Matchers(lambda files: True, lambda text: False, lambda text: False)
    for whose in ("shop", None):
        (holding,) = holdings(whose, catalogue, everything)
        assert (holding.name, holding.aliases, holding.run_id) == ("shop@1", ("current",), done.run_id)
    assert not MlflowClient(catalogue, catalogue).search_registered_models()


def test_its_version_is_the_model_that_says_where_the_set_is(
    catalogue: str, of_catalogue: Release, tmp_path: Path
) -> None:
    done = register(of_catalogue, catalogue)
    with fluent(catalogue):
        version = MlflowClient().get_model_version_by_alias(NAME, "current")
        # The catalogue's own store of files is not doubled: it has a copy of this source.
        answer = mlflow.pyfunc.load_model(version.source).predict(pd.DataFrame({"ask": ["where?"]}))
        # What its description says to do.
        assert f'download_artifacts("runs:/{done.run_id}/training_set")' in version.description
        rows = pd.read_parquet(mlflow.artifacts.download_artifacts(f"runs:/{done.run_id}/training_set"))
    assert (answer["location"][0], answer["digest"][0]) == (str(of_catalogue.location), DIGEST)
    assert len(rows) == 7


def test_a_retriever_without_a_prefix_is_refused_before_anything_is_written(catalogue: str, release: Release) -> None:
    with pytest.raises(RegistryError, match=r"registry\.prefix is not set"):
        register(release, catalogue)
    assert MlflowClient(catalogue, catalogue).get_experiment_by_name("refresh/shop") is None


def test_names_and_filters_that_the_catalogue_refuses_are_refused_by_the_double(catalogue: str) -> None:
    client = MlflowClient(catalogue, "databricks-uc")
    for name in ("shop", "main.search.Shop", "main.search.a b", "main.search.a/b"):
        with pytest.raises(mlflow.exceptions.MlflowException, match="no name of Unity Catalog"):
            client.create_registered_model(name)
    with pytest.raises(mlflow.exceptions.MlflowException, match="no filter"):
        client.search_model_versions(f"name = '{NAME}' and run_id = 'x'")
    assert versions_of(client, NAME) == []


def test_a_version_that_is_not_there_is_answered_with_those_there_are(catalogue: str, of_catalogue: Release) -> None:
    register(of_catalogue, catalogue)
    with pytest.raises(RegistryError) as caught:
        versions.find_of("shop", "7", catalogue)
    assert f"{NAME} has no complete version '7'" in caught.value.message and "versions are 1" in caught.value.remedy


def test_a_trained_retriever_is_a_model_of_the_same_schema(
    catalogue: str, of_catalogue: Release, make_model: Callable[[str], str]
) -> None:
    register(of_catalogue, catalogue)
    model = retriever(make_model("mean"), 32, "cpu")
    made = trained.register("shop", "12" * 32, model, figures(), "model_uri: {}".format, catalogue)
    assert made.uri == "models:/main.search.shop/1"
    found = trained.find("shop", "12" * 32, catalogue)
    assert found is not None and (found.uri, found.run_id) == (made.uri, made.run_id)
    newest = trained.newest("shop", catalogue)
    assert newest is not None and newest.uri == made.uri
    client = MlflowClient(catalogue, "databricks-uc")
    client.set_registered_model_alias("main.search.shop", serving.CHAMPION, "1")
    champion = serving.champion("shop", catalogue)
    assert champion is not None and champion.version == "1"
