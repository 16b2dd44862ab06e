"""Addresses of MLflow's web pages."""

from __future__ import annotations

import os
import re
from urllib.parse import quote

from synalign.registry.address import REGISTRY_VARIABLE, given
from synalign.registry.address import tracking_uri as tracking_address

# MLflow opens on pages for conversations unless its address asks for those of training runs.
_VIEW = "workflowType=machine_learning"


def address(tracking_uri: str) -> str | None:
    """Return where people reach MLflow's pages: `$SYNALIGN_MLFLOW_URL`, or the tracking server; None without a server.

    The variable is for places where jobs reach the server by another name than browsers do. Passwords are left out.

    Args:
        tracking_uri: MLflow's address, as jobs use it.

    Examples:
        >>> address("http://user:secret@mlflow.example:5000/")
        'http://mlflow.example:5000'
        >>> address("sqlite:///mlflow.db") is None
        True
    """
    url = os.environ.get("SYNALIGN_MLFLOW_URL") or tracking_uri
    if not url.startswith(("http://", "https://")):
        return None
    return re.sub(r"//[^/@\s]*@", "//", url).rstrip("/")


def run_path(experiment_id: str, run_id: str, artifact: str | None = None) -> str:
    """Return the path of a run's page behind MLflow's address, or of the page that shows one of its artefacts.

    Examples:
        >>> run_path("1", "d6d9", "report.html")
        '#/experiments/1/runs/d6d9/artifacts/report.html?workflowType=machine_learning'
    """
    shown = f"/artifacts/{quote(artifact)}" if artifact else ""
    return f"#/experiments/{experiment_id}/runs/{run_id}{shown}?{_VIEW}"


def experiment_path(experiment_id: str) -> str:
    """Return the path of the page that lists an experiment's runs."""
    return f"#/experiments/{experiment_id}/runs?{_VIEW}"


def model_path(model: str, version: str | None = None) -> str:
    """Return the path of a registered model's page, or of one of its versions.

    Examples:
        >>> model_path("shop-training-set", "3")
        '#/models/shop-training-set/versions/3?workflowType=machine_learning'
    """
    of_version = f"/versions/{version}" if version else ""
    return f"#/models/{quote(model, safe='')}{of_version}?{_VIEW}"


def page(tracking_uri: str, path: str) -> str | None:
    """Return a page's address; None without a server.

    Examples:
        >>> page("http://127.0.0.1:5000", model_path("shop"))
        'http://127.0.0.1:5000/#/models/shop?workflowType=machine_learning'
    """
    base = address(tracking_uri)
    return f"{base}/{path}" if base else None


def to_registry(text: str, path: str) -> str:
    """Return a Markdown link from a page of the tracking server to one of the registry; the text where it has none."""
    registry = given(REGISTRY_VARIABLE)
    return _linked(text, path, registry, apart=registry not in ("", tracking_address()))


def to_tracking(text: str, path: str) -> str:
    """Return a Markdown link from a page of the registry to one of the tracking server; the text where it has none."""
    return _linked(text, path, tracking_address(), apart=given(REGISTRY_VARIABLE) not in ("", tracking_address()))


def _linked(text: str, path: str, uri: str, *, apart: bool) -> str:
    if not apart:
        return f"[{text}]({path})"
    there = page(uri, path)
    return f"[{text}]({there})" if there else text
