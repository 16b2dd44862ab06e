"""Secrets of jobs from Airflow connections: asked for when a task begins, and given to its job's process alone.

A DAG carries ids of connections and names of environment variables; what a connection holds is in no rendered field, no
log, no command line and no pod. Imported by DAG files and by the triggerer: nothing heavy here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import quote

from airflow.exceptions import AirflowNotFoundException

from synalign import flow, masking
from synalign.config import Configuration
from synalign.errors import ConfigurationError

_ENCODING = frozenset(step.name for step in flow.STEPS if "encoder" in step.settings)
_TRACKED = frozenset({"register", "report", "train", "read_out", "promote", "reject"})
_HERE = "127.0.0.1,localhost"


class Credential(NamedTuple):
    """What a job is to know of one connection.

    Attributes:
        purpose: Key of `airflow.connections`.
        connection: Id of the connection.
        key_variable: Environment variable that holds the key, for an endpoint.
        headers_variable: As `generation.headers_variable`, for an endpoint.
    """

    purpose: str
    connection: str
    key_variable: str | None = None
    headers_variable: dict[str, str] | str | None = None


def of_task(configuration: Configuration, task: str) -> list[Credential]:
    """Return what a task's job needs from connections; what another task needs is none of its business.

    Args:
        configuration: The retriever's.
        task: A step, `train`, or a task that reads an experiment.
    """
    judge, teacher = configuration.screening.judge, configuration.teacher
    graded = teacher.kind == "judge"
    needs = {
        "model": task == "generate" or (task == "teach" and graded and judge is None),
        "judge": judge is not None and (task == "screen" or (task == "teach" and graded)),
        "teacher": task == "teach" and teacher.kind == "rerank",
        "encoder": configuration.encoder.endpoint is not None and task in _ENCODING | {"train"},
        "mlflow": task in _TRACKED,
        "proxy": True,
    }
    sections: dict[str, Any] = {
        "model": configuration.generation, "judge": judge, "teacher": teacher, "encoder": configuration.encoder,
    }  # fmt: skip
    return [
        Credential(
            purpose,
            connection,
            getattr(sections.get(purpose), "api_key_variable", None),
            getattr(sections.get(purpose), "headers_variable", None),
        )
        for purpose, connection in configuration.airflow.connections.items()
        if needs[purpose]
    ]


def variables(credentials: Iterable[Credential]) -> dict[str, str]:
    """Ask Airflow for connections, and return the environment variables of the job that hold what is in them.

    Args:
        credentials: Of `of_task`.

    Raises:
        ConfigurationError: There is no such connection, or it lacks what it is for.
    """
    return {name: value for each in credentials for name, value in _variables(Credential(*each)).items()}


@contextmanager
def lent(credentials: Iterable[Credential]) -> Iterator[None]:
    """Put what connections hold into this process's environment, which the job inherits, and take it out again.

    Not into a task's `env`, which Airflow renders and keeps; nor into Spark's settings, which its pages show. A worker
    runs each task in a process of its own.

    Raises:
        ConfigurationError: There is no such connection, or it lacks what it is for.
    """
    given = variables(credentials)
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _variables(credential: Credential) -> dict[str, str]:
    connection = _connection(credential.connection)
    if credential.purpose == "proxy":
        return _proxy(connection)
    if credential.purpose == "mlflow":
        return _tracking(connection)
    return _endpoint(connection, credential)


def _connection(name: str) -> Any:
    """Return a connection, from wherever this Airflow keeps its secrets; its password is masked in Airflow's log.

    Raises:
        ConfigurationError: There is none.
    """
    # Airflow's workers alone can be asked.
    from airflow.sdk import Connection

    try:
        connection = Connection.get(name)
    except AirflowNotFoundException as error:
        raise ConfigurationError(
            f"airflow.connections: the connection {name!r} is not in this Airflow.",
            cause="its id is misspelt, or the worker has no secrets backend that knows it",
            remedy=f"`airflow connections get {name}` tries it; AIRFLOW_CONN_{name.upper()} of the worker is enough",
        ) from error
    # A secrets backend may hand it out unmasked.
    _mask(connection.password or "")
    return connection


def _endpoint(connection: Any, credential: Credential) -> dict[str, str]:
    """Return the key, and the headers among the extras, as the variables that the endpoint's section names."""
    found = {}
    headers = connection.extra_dejson.get("headers") or {}
    if isinstance(credential.headers_variable, str) and headers:
        found[credential.headers_variable] = json.dumps(headers)
    if isinstance(credential.headers_variable, Mapping):
        named = {variable: headers.get(name) for name, variable in credential.headers_variable.items()}
        found |= {variable: value for variable, value in named.items() if value}
    for value in headers.values():
        _mask(value)
    if credential.key_variable is not None and connection.password:
        found[credential.key_variable] = connection.password
    if not found:
        raise ConfigurationError(
            f"airflow.connections.{credential.purpose}: the connection {credential.connection!r} holds no key.",
            cause="it has no password, or its section has no api_key_variable that would take it",
            remedy="make the key the connection's password; headers go into its extra, {'headers': {'api-key': '...'}}",
        )
    return found


def _tracking(connection: Any) -> dict[str, str]:
    """Return MLflow's variables."""
    found = {"MLFLOW_TRACKING_URI": _address(connection)} if connection.host else {}
    if connection.login:
        found |= {"MLFLOW_TRACKING_USERNAME": connection.login, "MLFLOW_TRACKING_PASSWORD": connection.password or ""}
    elif connection.password:
        found["MLFLOW_TRACKING_TOKEN"] = connection.password
    return found


def _proxy(connection: Any) -> dict[str, str]:
    """Return the variables that say where the proxy is, in both spellings: libraries know one or the other."""
    login = ":".join(quote(part, safe="") for part in (connection.login, connection.password) if part)
    scheme, _, rest = _address(connection, "http").partition("://")
    url = f"{scheme}://{login}@{rest}" if login else f"{scheme}://{rest}"
    # As it stands in the address.
    _mask(quote(connection.password or "", safe=""))
    # The embedded writer, and servers of this machine, are reached without it.
    without = ",".join(filter(None, [connection.extra_dejson.get("no_proxy"), _HERE]))
    found = {"HTTP_PROXY": url, "HTTPS_PROXY": url, "NO_PROXY": without}
    return found | {name.lower(): value for name, value in found.items()}


def _address(connection: Any, scheme: str = "https") -> str:
    """Return a connection's host as an address; its schema or type may say how it is spoken to."""
    host = connection.host or ""
    for said in (connection.schema, connection.conn_type):
        if said in ("http", "https"):
            scheme = said
            break
    address = host if "://" in host else f"{scheme}://{host}"
    return f"{address.rstrip('/')}:{connection.port}" if connection.port else address


def _mask(secret: str) -> None:
    """Have a secret masked in Airflow's log of the task, and in messages of ours."""
    try:
        from airflow.sdk.log import mask_secret
    except ImportError:
        # Airflow 3.0.
        from airflow.sdk.execution_time.secrets_masker import mask_secret

    if secret:
        mask_secret(secret)
        masking.learn(secret)
