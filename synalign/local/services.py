"""The embedded deployment: every service of the production topology as a process of this machine, on loopback.

Airflow and MLflow keep their state in SQLite under `$SYNALIGN_HOME`, Spark runs in the process that submits to it, and
the embedded writer stands in for a language model. Nothing here is needed in production: there the same DAG and jobs
find other addresses in the same environment variables.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from synalign import config
from synalign.errors import ConfigurationError, SetupError
from synalign.registry import address

CHECKOUT = Path(__file__).resolve().parent.parent.parent
_START_SECONDS = 600
_STOP_SECONDS = 30
_SQLITE_SECONDS = 60


class Service(NamedTuple):
    """A process of `make up`.

    Attributes:
        name: Names its log and its pid file.
        command: What is started.
        url: Page that answers once it is up; empty for those without a port.
    """

    name: str
    command: tuple[str, ...]
    url: str


class Ports(NamedTuple):
    """Where the services listen, on 127.0.0.1."""

    airflow: int = 8080
    mlflow: int = 5000
    writer: int = 8100

    @classmethod
    def from_environment(cls) -> Ports:
        """Ports of `$SYNALIGN_AIRFLOW_PORT`, `$SYNALIGN_MLFLOW_PORT` and `$SYNALIGN_WRITER_PORT`."""
        return cls(**{name: _port(name, default) for name, default in cls()._asdict().items()})


def _port(name: str, default: int) -> int:
    variable = f"SYNALIGN_{name.upper()}_PORT"
    text = os.environ.get(variable, str(default))
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise ConfigurationError(f"{variable} == {text!r}, must be a port from 1 to 65535.")
    return int(text)


def environment(ports: Ports, *, servers: bool, folder: Path | None = None) -> dict[str, str]:
    """Return the environment of every process: addresses and folders of this machine, and no telemetry.

    What the environment says already holds where a deployment may say it: MLflow's address, the connection to Spark,
    the jobs' Python, options of the JVM. Airflow's own settings are those of this machine's Airflow.

    Args:
        ports: Where the services listen.
        servers: Whether the servers run, so that MLflow and the writer are reached by HTTP; else MLflow is its
            database file, and the step that needs the writer starts its own.
        folder: The folder of the one YAML file that is wanted, beside the checkout's and the one in `$SYNALIGN_HOME`;
            None: those of `$SYNALIGN_RETRIEVERS` as well.

    Raises:
        ConfigurationError: `$MLFLOW_TRACKING_URI` is no address.
    """
    home = config.home()
    airflow, bin_ = home / "airflow", Path(sys.executable).parent
    python = _said("SYNALIGN_PYTHON") or sys.executable
    dags = CHECKOUT / "dags"
    more = [folder] if folder else [Path(each) for each in _said("SYNALIGN_RETRIEVERS").split(os.pathsep) if each]
    folders = dict.fromkeys([dags / "retrievers", home / "retrievers", *(each.resolve() for each in more)])
    variables = {
        **os.environ,
        "PATH": f"{bin_}{os.pathsep}{os.environ.get('PATH', '')}",
        "SYNALIGN_HOME": str(home),
        "SYNALIGN_PYTHON": python,
        "SYNALIGN_RETRIEVERS": os.pathsep.join(map(str, folders)),
        "PYTHONUNBUFFERED": "1",
        # Airflow
        "AIRFLOW_HOME": str(airflow),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "5",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{ports.airflow}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(airflow / "passwords.json"),
        # Two refreshes at a time share it: each waits for the other's writes.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{airflow / 'airflow.db'}?timeout={_SQLITE_SECONDS}",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(ports.airflow),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{ports.airflow}",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": _secret(airflow / "jwt_secret"),
        "AIRFLOW__API__SECRET_KEY": _secret(airflow / "secret_key"),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(airflow / "logs"),
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW_CONN_SPARK_DEFAULT": _said("AIRFLOW_CONN_SPARK_DEFAULT")
        or json.dumps({"conn_type": "spark", "host": "local[*]"}),
        # Spark
        "SPARK_LOCAL_IP": _said("SPARK_LOCAL_IP") or "127.0.0.1",
        # A laptop's jobs last seconds: compiling quickly matters more than compiling well (a fifth less, measured).
        "SPARK_SUBMIT_OPTS": f"-XX:TieredStopAtLevel=1 -XX:+UseSerialGC {_said('SPARK_SUBMIT_OPTS')}".rstrip(),
        "PYSPARK_PYTHON": python,
        "PYSPARK_DRIVER_PYTHON": python,
        # MLflow
        address.VARIABLE: address.tracking_uri(),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }
    # Airflow writes people's passwords into it, with whatever rights it finds; its database is for nobody else either.
    _private(airflow / "passwords.json")
    airflow.chmod(0o700)
    # Spark finds its own files; an inherited one may belong to another installation.
    variables.pop("SPARK_HOME", None)
    registry = address.given(address.REGISTRY_VARIABLE)
    if registry:
        variables[address.REGISTRY_VARIABLE] = registry
    if servers:
        variables[address.VARIABLE] = external_tracking(ports) or _own_server(ports)
        variables["SYNALIGN_WRITER_URL"] = f"http://127.0.0.1:{ports.writer}/v1"
    (home / "mlflow").mkdir(parents=True, exist_ok=True)
    return variables


def external_tracking(ports: Ports) -> str:
    """Return `$MLFLOW_TRACKING_URI` where it names another MLflow than this machine's own; else nothing.

    Raises:
        ConfigurationError: It is no address.
    """
    uri = address.given(address.VARIABLE)
    own = {
        _own_server(ports),
        f"http://localhost:{ports.mlflow}",
        f"sqlite:///{config.home() / 'mlflow' / 'mlflow.db'}",
    }
    return "" if uri.rstrip("/") in own else uri


def _own_server(ports: Ports) -> str:
    return f"http://127.0.0.1:{ports.mlflow}"


def _said(variable: str) -> str:
    return os.environ.get(variable, "").strip()


def _secret(path: Path) -> str:
    """Return the secret in a file that its owner alone may read; the first call makes it."""
    if not path.is_file() or not path.stat().st_size:
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        _private(draft)
        draft.write_text(secrets.token_urlsafe(32))
        # Of two processes that begin together, both have the secret of the first.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text()


def _private(path: Path) -> None:
    """Make a file that its owner alone may read; a file that is there keeps its content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)


def services(ports: Ports) -> tuple[Service, ...]:
    """Return the processes of `make up`, in the order they start."""
    home, airflow = config.home(), (sys.executable, "-m", "airflow")
    writer = (sys.executable, "-m", "synalign.writer.server", "--port", str(ports.writer))
    mlflow = (
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(ports.mlflow)),
        *("--backend-store-uri", f"sqlite:///{home / 'mlflow' / 'mlflow.db'}"),
        *("--artifacts-destination", str(home / "mlflow" / "artifacts"), "--workers", "1"),
    )
    return (
        Service("writer", writer, f"http://127.0.0.1:{ports.writer}/health"),
        Service("mlflow", mlflow, f"http://127.0.0.1:{ports.mlflow}/health"),
        Service("api-server", (*airflow, "api-server"), f"http://127.0.0.1:{ports.airflow}/api/v2/monitor/health"),
        Service("scheduler", (*airflow, "scheduler"), ""),
        Service("dag-processor", (*airflow, "dag-processor"), ""),
        Service("triggerer", (*airflow, "triggerer"), ""),
    )


def up(say: Callable[[str], None], *, only: Collection[str] = ()) -> None:
    """Start every service, and wait until those with a page answer.

    Args:
        say: Called with every line meant for people.
        only: Names of the services to start; none given: all. Without `mlflow`, jobs use its database file.

    Raises:
        SetupError: One is running already, or one did not come up.
    """
    ports = Ports.from_environment()
    running = [service.name for service in services(ports) if _pid(service) is not None]
    if running:
        raise SetupError(f"already running: {', '.join(running)}.", remedy="`make down` ends them")
    external = external_tracking(ports)
    wanted = [
        service
        for service in services(ports)
        if (not only or service.name in only) and not (external and service.name == "mlflow")
    ]
    names = {service.name for service in wanted}
    variables = environment(ports, servers="mlflow" in names or (bool(external) and "writer" in names))
    logs = config.home() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with open(logs / "migrate.log", "w", encoding="utf-8") as log:
        subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"], env=variables, stdout=log, stderr=log, check=True
        )
    for service in wanted:
        # Airflow says the first password there.
        _private(logs / f"{service.name}.log")
        with open(logs / f"{service.name}.log", "w", encoding="utf-8") as log:
            # A session of its own: Ctrl-C in the terminal is not for it, and `down` can end all it started.
            process = subprocess.Popen(service.command, env=variables, stdout=log, stderr=log, start_new_session=True)
        _pid_file(service).parent.mkdir(parents=True, exist_ok=True)
        _pid_file(service).write_text(f"{process.pid} {_started(process.pid)}")
        say(f"{service.name}: started, log {logs / service.name}.log")
    for service in wanted:
        _wait(service, logs / f"{service.name}.log")
    passwords = json.loads((config.home() / "airflow" / "passwords.json").read_text())
    say(f"Airflow  http://127.0.0.1:{ports.airflow}  user admin, password {passwords['admin']}")
    if external:
        say(f"MLflow   as {address.VARIABLE} says")
    elif not only or "mlflow" in only:
        say(f"MLflow   {_own_server(ports)}")


def scheduling() -> bool:
    """Whether the scheduler that `up` started is running."""
    return any(
        service.name == "scheduler" and _pid(service) is not None for service in services(Ports.from_environment())
    )


def down(say: Callable[[str], None]) -> None:
    """End what `up` started, and nothing else."""
    for service in reversed(services(Ports.from_environment())):
        pid = _pid(service)
        if pid is not None:
            _end(pid)
            say(f"{service.name}: ended")
        _pid_file(service).unlink(missing_ok=True)


def _wait(service: Service, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while service.url and not _answers(service.url):
        if _pid(service) is None or time.monotonic() > deadline:
            raise SetupError(
                f"{service.name} did not come up; its log is {log}.",
                cause="its port is taken",
                remedy="read the log; `make down`; other ports: $SYNALIGN_{AIRFLOW,MLFLOW,WRITER}_PORT",
            )
        time.sleep(0.5)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _pid_file(service: Service) -> Path:
    return config.home() / "pids" / service.name


def _pid(service: Service) -> int | None:
    """Return the pid of a running service, or None; its start time is compared too, for pids are used again."""
    try:
        pid, started = map(int, _pid_file(service).read_text().split())
        return pid if started == _started(pid) else None
    except (OSError, ValueError):
        return None


def _started(pid: int) -> int:
    """Return when a process began, in ticks since the machine did; with its pid it names no other process.

    Raises:
        ProcessLookupError: It has ended.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError as error:
        raise ProcessLookupError(pid) from error
    if fields[0] == "Z":
        raise ProcessLookupError(pid)
    return int(fields[19])


def _end(pid: int) -> None:
    os.killpg(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_SECONDS
    while time.monotonic() < deadline:
        try:
            os.killpg(pid, 0)
        except ProcessLookupError:
            return
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        time.sleep(0.2)
    os.killpg(pid, signal.SIGKILL)
