"""Names of registered models and prompts: one rule for all that is registered or looked up.

    shop-training-set                  without `registry.prefix`
    main.search.shop_training_set      with `registry.prefix: main.search`

Unity Catalog takes no dot, blank, slash or control character within a part, writes names in lower case, and SQL takes a
name with `-` only between backticks. A retriever's name has nothing of that but `-`, which becomes `_` behind a prefix.
So two retrievers, such as `a-b` and `a_b`, can come to one name: a model says whose it is, and no other may use it.

A command that knows a retriever by its name alone finds the prefix at the MLflow experiment of its refreshes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from synalign.errors import RegistryError
from synalign.registry.address import is_unity

if TYPE_CHECKING:
    from mlflow import MlflowClient

SUFFIX = "-training-set"
"""The name of the registered model of a retriever's training sets is the retriever's with this behind it."""

PREFIX_TAG = "synalign.registry_prefix"
"""Tag of the MLflow experiment of a retriever's refreshes."""

TRAINING_SET = re.compile(r"[a-z0-9_-]+\.[a-z0-9_-]+\.[a-z0-9_]+_training_set|[a-z0-9][a-z0-9_-]*-training-set")
"""Names of training sets, with a prefix and without."""


def training_set(retriever: str, prefix: str | None = None) -> str:
    """Return the name of the registered model of a retriever's training sets.

    Examples:
        >>> training_set("shop-de"), training_set("shop-de", "main.search")
        ('shop-de-training-set', 'main.search.shop_de_training_set')
    """
    return _named(retriever + SUFFIX, prefix)


def trained(retriever: str, prefix: str | None = None) -> str:
    """Return the name of the registered model of the retrievers themselves.

    Examples:
        >>> trained("shop-de"), trained("shop-de", "main.search")
        ('shop-de', 'main.search.shop_de')
    """
    return _named(retriever, prefix)


def prompt(retriever: str, kind: str, prefix: str | None = None) -> str:
    """Return the name of a prompt.

    Examples:
        >>> prompt("shop", "write"), prompt("shop", "write", "main.search")
        ('shop-write-prompt', 'main.search.shop_write_prompt')
    """
    return _named(f"{retriever}-{kind}-prompt", prefix)


def _named(last: str, prefix: str | None) -> str:
    return last if prefix is None else f"{prefix}.{last.replace('-', '_')}"


def retriever_of(model: str) -> str:
    """Return what people call the retriever of a training set that says no more of it than its name.

    Examples:
        >>> retriever_of("shop-de-training-set"), retriever_of("main.search.shop_de_training_set")
        ('shop-de', 'shop_de')
    """
    return model.rpartition(".")[2].removesuffix(SUFFIX).removesuffix(SUFFIX.replace("-", "_"))


def prefix_of(client: MlflowClient, retriever: str) -> str | None:
    """Return the prefix that a retriever's last registration used; None: none, or there was no registration."""
    found = client.get_experiment_by_name(f"refresh/{retriever}")
    return (found.tags.get(PREFIX_TAG) or None) if found is not None else None


def training_set_of(client: MlflowClient, retriever: str) -> str:
    """Return the name of the training sets' model where a retriever alone is known."""
    return training_set(retriever, prefix_of(client, retriever))


def trained_of(client: MlflowClient, retriever: str) -> str:
    """Return the name of the retrievers' model where a retriever alone is known."""
    return trained(retriever, prefix_of(client, retriever))


def remember(client: MlflowClient, experiment_id: str, prefix: str | None) -> None:
    """Keep the prefix where `prefix_of` finds it."""
    if client.get_experiment(experiment_id).tags.get(PREFIX_TAG, "") != (prefix or ""):
        client.set_experiment_tag(experiment_id, PREFIX_TAG, prefix or "")


def require_prefix(registry: str, prefix: str | None) -> None:
    """Refuse names of one part where the registry is Unity Catalog.

    Raises:
        RegistryError: It is, and there is no prefix.
    """
    if is_unity(registry) and prefix is None:
        raise RegistryError(
            "registry.prefix is not set, must be CATALOG.SCHEMA: the registry is Unity Catalog.",
            cause="its models have names of three parts",
            remedy="set it in the retriever's file, such as `registry: {prefix: main.search}`, to a schema where this "
            "user may make models; or let MLFLOW_REGISTRY_URI name another registry",
        )
