"""MLflow: its server answers, or its database file can be used."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from synalign.doctor.finding import Case

_SECONDS = 15
_MOST = 1000


def mlflow(case: Case) -> str:
    """Let MLflow list its experiments and registered models.

    Raises:
        RegistryError: MLflow cannot be used.
    """
    from synalign.registry.connection import connected, impatient, tracking_uri

    uri = tracking_uri()
    server = urlsplit(uri).netloc.rpartition("@")[2]
    database = Path(uri.removeprefix("sqlite:///"))
    where = f"{urlsplit(uri).scheme}://{server}" if server else str(database)
    if uri.startswith("sqlite:") and not database.exists():
        return f"no database at {database} yet; the first refresh makes it"
    if uri.startswith(("http://", "https://")):
        case.note_time(server, _date(uri))
    with impatient(), connected(uri, "run `synalign doctor` again") as client:
        experiments = client.search_experiments(max_results=_MOST)
        models = client.search_registered_models(max_results=_MOST)
    return f"{where} answers: {_counted(len(experiments), 'experiment')}, {_counted(len(models), 'registered model')}"


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
