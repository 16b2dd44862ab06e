"""Versions of training sets, found by name in a real MLflow on SQLite."""

from __future__ import annotations

from pathlib import Path

import pytest

from synalign.errors import RegistryError
from synalign.registry import versions
from tests.registry.shop import client_of, registered_set

TAGS = {"digest": "ab" * 32, "interval": "20260228T000000Z-20260301T000000Z", "location": "/runs/shop/set"}


def test_a_version_is_found_by_number_and_by_alias(uri: str) -> None:
    client = client_of(uri)
    client.create_registered_model("shop-training-set")
    for _ in range(2):
        client.create_model_version("shop-training-set", "s3://set", tags=TAGS)
    client.set_registered_model_alias("shop-training-set", "current", "2")
    found = versions.find("shop-training-set", "current", uri)
    assert found == versions.find("shop-training-set", "2", uri)
    assert (found.name, found.retriever, found.digest, str(found.location)) == (
        "shop@2", "shop", TAGS["digest"], "/runs/shop/set")  # fmt: skip
    assert versions.find("shop-training-set", "1", uri).name == "shop@1"


def test_a_version_that_is_not_complete_or_not_there_is_answered_with_what_there_is(uri: str) -> None:
    with pytest.raises(RegistryError, match="has no training set"):
        versions.find("shop-training-set", "1", uri)
    registered_set(uri, "ab" * 32)
    # Its versions have no tag `location`.
    with pytest.raises(RegistryError, match="no complete version '3'") as caught:
        versions.find("shop-training-set", "3", uri)
    assert caught.value.remedy.startswith("its versions are 7, 6, 5")
    with pytest.raises(RegistryError, match="no alias 'current'"):
        versions.find("shop-training-set", "current", uri)
    client_of(uri).create_registered_model("other")
    with pytest.raises(RegistryError) as caught:
        versions.find("shpo-training-set", "1", uri)
    assert "shop-training-set" in caught.value.remedy and "other" not in caught.value.remedy


def test_artefacts_that_are_gone_are_told(uri: str, tmp_path: Path) -> None:
    client = client_of(uri)
    run = client.create_run(client.create_experiment("e", (tmp_path / "artefacts").as_uri()))
    client.create_registered_model("shop-training-set")
    client.create_model_version("shop-training-set", "s3://set", run.info.run_id, TAGS)
    found = versions.find("shop-training-set", "1", uri)
    with pytest.raises(RegistryError, match="training_set"):
        versions.fetch(found, tmp_path, uri)
