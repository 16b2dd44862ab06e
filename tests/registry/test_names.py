"""Names of registered models: within what Unity Catalog documents, and one retriever's each."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient

from synalign.config.registry import Registry
from synalign.errors import RegistryError
from synalign.registry import names
from synalign.registry.connection import registered_model
from tests.registry.shop import client_of

RETRIEVERS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,62}", fullmatch=True)
# docs.databricks.com, "Names": no period, blank, slash or control character; at most 255; kept in lower case. And no
# other than SQL takes without backticks.
UNITY = re.compile(r"[a-z0-9_-]{1,255}\.[a-z0-9_-]{1,255}\.[a-z0-9_]{1,255}")


@given(RETRIEVERS)
def test_every_name_behind_a_prefix_is_one_of_unity_catalog(retriever: str) -> None:
    made = names.training_set, names.trained, lambda *given: names.prompt(given[0], "screen_judge", given[1])
    for name in made:
        assert UNITY.fullmatch(name(retriever, "main.search"))
    assert names.TRAINING_SET.fullmatch(names.training_set(retriever, "main.search"))


@given(RETRIEVERS)
def test_names_without_a_prefix_stay_what_they_were(retriever: str) -> None:
    assert names.training_set(retriever) == f"{retriever}-training-set"
    assert names.trained(retriever) == retriever and names.prompt(retriever, "write") == f"{retriever}-write-prompt"
    assert names.retriever_of(names.training_set(retriever)) == retriever


@pytest.mark.parametrize(
    "prefix",
    ["main", "a.b.c", "main.", ".search", "main.sea rch", "main/search", "Main.search", "a.b.", "a.'b"],
)
def test_a_prefix_is_a_catalog_and_a_schema(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        Registry(prefix=prefix)
    assert Registry(prefix="main-eu.search_2").prefix == "main-eu.search_2"


def test_what_a_registration_used_is_found_by_the_retrievers_name(uri: str) -> None:
    client = client_of(uri)
    assert names.prefix_of(client, "shop") is None
    place = client.create_experiment("refresh/shop")
    names.remember(client, place, "main.search")
    assert names.training_set_of(client, "shop") == "main.search.shop_training_set"
    assert names.trained_of(client, "shop") == "main.search.shop" and names.trained_of(client, "other") == "other"
    names.remember(client, place, None)
    assert names.training_set_of(client, "shop") == "shop-training-set"


def test_two_retrievers_that_come_to_one_name_do_not_share_a_model(uri: str) -> None:
    client: MlflowClient = client_of(uri)
    one, other = (names.trained(name, "main.search") for name in ("shop-de", "shop_de"))
    assert one == other
    registered_model(client, one, "", "shop-de")
    registered_model(client, one, "", "shop-de")
    with pytest.raises(
        RegistryError, match=r"main\.search\.shop_de is of the retriever 'shop-de', must be of 'shop_de'"
    ):
        registered_model(client, other, "", "shop_de")


def test_unity_catalog_wants_a_prefix() -> None:
    for registry in ("databricks-uc", "databricks-uc://team"):
        with pytest.raises(RegistryError, match=r"registry\.prefix is not set"):
            names.require_prefix(registry, None)
        names.require_prefix(registry, "main.search")
    names.require_prefix("http://127.0.0.1:5000", None)
