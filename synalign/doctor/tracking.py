"""MLflow: where runs are kept and where versions are kept, each asked in the way its address is of."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from synalign.doctor.finding import Case

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SECONDS = 15
_MOST = 1000
_SQLITE = "sqlite:///"


def mlflow(case: Case) -> str:
    """Let MLflow list its experiments and registered models; of Unity Catalog, look for this retriever's model.

    Raises:
        ConfigurationError: An address is none of MLflow's.
        RegistryError: MLflow cannot be used, or its registry wants a prefix and there is none.
    """
    from synalign.registry import names
    from synalign.registry.address import registry_uri, tracking_uri

    uri = tracking_uri()
    registry, prefix = registry_uri(uri), case.configuration.registry.prefix
    names.require_prefix(registry, prefix)
    missing = [each for each in dict.fromkeys((uri, registry)) if _is_missing(each)]
    if uri in missing:
        return f"no database at {_database(uri)} yet; the first refresh makes it"
    for each in dict.fromkeys((uri, registry)):
        if each.startswith(("http://", "https://")):
            case.note_time(_where(each), _date(each))
    return _asked(uri, registry, names.training_set(case.configuration.retriever, prefix), missing=bool(missing))


def _asked(uri: str, registry: str, model: str, *, missing: bool) -> str:
    """Ask both, and say what they answered."""
    from synalign.registry.address import is_unity
    from synalign.registry.connection import connected, impatient, unless_missing

    with impatient(), connected(uri, "run `synalign doctor` again") as client:
        told = f"{_where(uri)} answers: {_counted(len(client.search_experiments(max_results=_MOST)), 'experiment')}"
        if is_unity(registry):
            there = False
            with unless_missing():
                there = client.get_registered_model(model) is not None
            return f"{told}; Unity Catalog answers: {model} is {'there' if there else 'not there yet'}"
        if uri == registry:
            return f"{told}, {_models(client)}"
        if missing:
            return f"{told}; no registry at {_database(registry)} yet; the first refresh makes it"
        return f"{told}; the registry {_where(registry)} answers: {_models(client)}"


def _models(client: MlflowClient) -> str:
    return _counted(len(client.search_registered_models(max_results=_MOST)), "registered model")


def _where(uri: str) -> str:
    """Return an address without its login; of a SQLite database, the file."""
    parts = urlsplit(uri)
    server = parts.netloc.rpartition("@")[2]
    if uri.startswith(_SQLITE):
        return str(_database(uri))
    return f"{parts.scheme}://{server}" if server else uri


def _database(uri: str) -> Path:
    return Path(uri.removeprefix(_SQLITE))


def _is_missing(uri: str) -> bool:
    return uri.startswith(_SQLITE) and not _database(uri).exists()


def _date(uri: str) -> str | None:
    """Return the header `Date` of the server's answer, of an error too; None where the server does not answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(uri, method="HEAD"), timeout=_SECONDS) as response:
            return str(response.headers["Date"])
    except urllib.error.HTTPError as error:
        return str(error.headers["Date"])
    except (OSError, ValueError):
        # The check itself meets this again, and says what it means.
        return None


def _counted(number: int, noun: str) -> str:
    return f"{number:,}{'+' if number == _MOST else ''} {noun}{'' if number == 1 else 's'}"
