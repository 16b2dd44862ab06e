"""Where MLflow is: what the environment says of it, checked before anything is sent there. Imports nothing heavy."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from synalign.config import home
from synalign.errors import ConfigurationError

VARIABLE = "MLFLOW_TRACKING_URI"
REGISTRY_VARIABLE = "MLFLOW_REGISTRY_URI"

_SERVERS = ("http", "https")
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql", "oracle")
UNITY = "databricks-uc"
_HOSTED = ("databricks", UNITY)
_SQLITE = "sqlite:///"


def tracking_uri() -> str:
    """Return MLflow's address: `$MLFLOW_TRACKING_URI`, or a SQLite file in `home()` where that is not set or empty.

    Raises:
        ConfigurationError: The variable holds no address.
    """
    return given(VARIABLE) or f"{_SQLITE}{home() / 'mlflow' / 'mlflow.db'}"


def registry_uri(tracking: str) -> str:
    """Return the address of MLflow's model registry: `$MLFLOW_REGISTRY_URI`, or the tracking server's.

    Raises:
        ConfigurationError: The variable holds no address.
    """
    uri = given(REGISTRY_VARIABLE)
    if uri:
        return uri
    # As MLflow does: a workspace keeps its models in Unity Catalog.
    return re.sub(r"^databricks(?=$|:)", UNITY, tracking)


def is_unity(registry: str) -> bool:
    """Return whether a registry's address is that of Unity Catalog in Databricks.

    Examples:
        >>> [is_unity(uri) for uri in ("databricks-uc", "databricks-uc://profile", "databricks", "http://127.0.0.1")]
        [True, True, False, False]
    """
    return registry.partition(":")[0] == UNITY


def is_apart(tracking: str) -> bool:
    """Return whether versions are kept by another MLflow than the runs they are of.

    Raises:
        ConfigurationError: `$MLFLOW_REGISTRY_URI` holds no address.
    """
    registry = registry_uri(tracking)
    return registry != tracking and not is_unity(registry)


def given(variable: str) -> str:
    """Return the address that a variable of the environment holds, the same from any folder; empty where there is none.

    Raises:
        ConfigurationError: What it holds is no address of MLflow.
    """
    uri = os.environ.get(variable, "").strip()
    if not uri:
        return ""
    _check(variable, uri)
    # Each step runs in a folder of its own, where a relative path would name another file.
    if uri.startswith(_SQLITE) and not uri.startswith(_SQLITE + "/"):
        return _SQLITE + str(Path(uri.removeprefix(_SQLITE)).resolve())
    return uri


def _check(variable: str, uri: str) -> None:
    try:
        parts = urlsplit(uri)
        scheme, server = parts.scheme.partition("+")[0], bool(parts.hostname) and parts.port != 0
    except ValueError:
        scheme, server = "", False
    shown = re.sub(r"//[^/@\s]*@", "//", uri)
    _check_hosted(variable, uri.partition(":")[0], shown)
    if uri in _HOSTED or scheme in _HOSTED or (scheme in _SERVERS and server):
        return
    if scheme in _DATABASES and "://" in uri:
        return
    raise ConfigurationError(
        f"the environment variable {variable} == {shown!r}, must be http://HOST:PORT, https://HOST, sqlite:///FILE or "
        "the address of another database, or databricks.",
        cause="a folder (file:, ./mlruns) is nothing that MLflow 3 keeps runs in"
        if scheme in ("", "file")
        else "the scheme or the host is misspelt",
        remedy=f"correct it, or `unset {variable}`: then MLflow's database is a file in $SYNALIGN_HOME",
    )


def _check_hosted(variable: str, scheme: str, shown: str) -> None:
    """Refuse registries of Unity Catalog where they cannot do what is asked of them."""
    if scheme == "uc":
        raise ConfigurationError(
            f"the environment variable {variable} == {shown!r}, must be another registry: of the open source Unity "
            "Catalog, MLflow can keep neither tags nor aliases.",
            cause="by tags a training set is found again, and the alias `current` names the one to train on",
            remedy=f"`unset {variable}`, so that versions are kept by the tracking server; or databricks-uc",
        )
    if scheme == "databricks" and variable == REGISTRY_VARIABLE:
        raise ConfigurationError(
            f"the environment variable {variable} == {shown!r}, must be {UNITY}: a workspace's own registry keeps no "
            "aliases.",
            cause="the alias `current` names the training set to train on",
            remedy=f"`{REGISTRY_VARIABLE}={shown.replace('databricks', UNITY, 1)}`, with registry.prefix",
        )
    if scheme == UNITY and variable == VARIABLE:
        raise ConfigurationError(
            f"the environment variable {variable} == {shown!r}, must be a tracking server: this is a registry.",
            cause="Unity Catalog keeps models, and no runs",
            remedy=f"`{VARIABLE}=databricks`, and `{REGISTRY_VARIABLE}={UNITY}` if it is not MLflow's default",
        )
