"""The services of docker/compose.yaml as processes of this machine: started in the file's order, by its health checks.

    with Topology(folder, variables) as topology:
        topology.up()
        topology.kill("spark-worker-1")
        topology.start("spark-worker-1")

PostgreSQL's image is Debian's `initdb` and `postgres` here, with the same variables, the same script for new data
folders and the same command. The storage server is moto's (`tests/s3.py`), which knows conditional writes and has no
users: keys are not checked. All else is the file's own.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from synalign.local.airflow_api import AirflowApi
from tests.production.compose import CHECKOUT, DOCKER, LOOPBACK, OnLoopback, Service, configuration

MARK = "SYNALIGN_TOPOLOGY"
"""Variable of every process of a topology: what it started, and nothing else, is ended with it."""

POSTGRES = Path("/usr/lib/postgresql/15/bin")
_START_SECONDS = 420.0
# A health check starts a Python: those of eight services, twice a second, would take half of two cores.
_CHECK_SECONDS = 2.0
_STOP_SECONDS = 40.0
_TAIL = 4000


class Topology:
    """The services as processes.

    Args:
        base: Folder for everything it writes. The user `postgres` must be able to reach it where tests run as root.
        variables: Of the compose file, beside `SECRETS` and `IMAGE_TAG`: at least
            `RETRIEVERS` and `DATA`.
        extra: Environment variables that every service gets on top, such as another endpoint with a fault before it.

    Attributes:
        base: As above; `logs/` has a log for each service.
        secrets: Folder of the secrets' files.
        processes: The running ones, by service.
    """

    def __init__(self, base: Path, variables: Mapping[str, str], extra: Mapping[str, str] | None = None) -> None:
        self.base, self.secrets = base, base / "secrets"
        self._mark = secrets.token_hex(8)
        self.extra = dict(extra or {})
        for folder in (base, base / "logs", base / "scratch", base / "home", base / "tmp"):
            folder.mkdir(parents=True, exist_ok=True)
        base.chmod(0o755)
        maker = [sys.executable, str(DOCKER / "make_secrets.py"), str(self.secrets)]
        subprocess.run(maker, check=True, stdout=subprocess.DEVNULL)
        content = configuration({"SECRETS": str(self.secrets), "IMAGE_TAG": "test", **variables})
        self.content: dict[str, Any] = content
        self._here = OnLoopback(content, base, self.secrets)
        self.services = {name: self._here.service(name) for name in content["services"]}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._done: set[str] = set()
        self._up: set[str] = set()
        self._checked: dict[str, float] = {}

    def __enter__(self) -> Topology:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.down()

    def up(self, say: Callable[[str], None] = lambda _: None, *, only: Collection[str] = ()) -> None:
        """Start services in the file's order and wait until each is healthy.

        Args:
            say: Called with a line for each service that is up.
            only: These and what they wait for; none given: all.

        Raises:
            RuntimeError: One ended, or was not healthy in time; with the end of its log.
        """
        waiting = self._needed(only or self.services)
        starting: dict[str, float] = {}
        # What runs already counts as up when its check says so now.
        for name in self.processes:
            if self._check(name, self.services[name].check):
                self._up.add(name)
        while waiting or starting:
            for name in [name for name in waiting if self._may_start(name)]:
                waiting.remove(name)
                self.start(name)
                starting[name] = time.monotonic()
            for name, since in list(starting.items()):
                if self._ready(name):
                    say(f"{name}: up after {time.monotonic() - since:.0f} s")
                    del starting[name]
                elif time.monotonic() - since > _START_SECONDS:
                    raise RuntimeError(f"{name} did not come up:\n{self.log(name)[-_TAIL:]}")
            time.sleep(0.5)

    def start(self, name: str) -> None:
        """Start a service, which must not run; see `wait`."""
        service = self.services[name]
        if service.image.startswith("postgres"):
            command = self._postgres(service)
        elif name == "storage":
            # No program of the storage server's is to be had here.
            command = [sys.executable, str(CHECKOUT / "tests" / "s3.py"), "--port", self._port("storage", 8333)]
        else:
            command = list(service.command)
        with open(self.base / "logs" / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                command,
                env=self.environment(name),
                cwd=self.base / "scratch",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._done.discard(name)
        self._up.discard(name)

    def wait(self, name: str, seconds: float = _START_SECONDS) -> None:
        """Wait until a service that was started is healthy.

        Raises:
            RuntimeError: It is not, after so long.
        """
        deadline = time.monotonic() + seconds
        while not self._ready(name):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{name} is not healthy after {seconds:.0f} s:\n{self.log(name)[-_TAIL:]}")
            time.sleep(0.5)

    def stop(self, name: str) -> None:
        """End a service as `docker stop` does: asked to first."""
        process = self.processes.pop(name)
        # PostgreSQL would wait for its clients to leave: its image says SIGINT too.
        process.send_signal(signal.SIGINT if name == "postgres" else signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)
        self._end_family(process)

    def kill(self, name: str) -> None:
        """End a service and all its processes at once, as `docker kill` does."""
        self._end_family(self.processes.pop(name))

    def run(self, name: str, *command: str, seconds: float = 600, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command where a service runs, through its entry point, as `docker-compose exec` does."""
        entry = self.services[name].command[:1]
        return subprocess.run(
            [*entry, *command],
            env={**self.environment(name), **variables},
            cwd=self.base / "scratch",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )

    def environment(self, name: str) -> dict[str, str]:
        """The whole environment of a service: its image's, its own, and what a container has anyway."""
        own = self.services[name].environment
        java = {"JAVA_HOME": os.environ["JAVA_HOME"]} if "JAVA_HOME" in os.environ else {}
        path = f"{POSTGRES}:{own.get('PATH', '/usr/local/bin:/usr/bin:/bin')}"
        # SPARK_HOME is found from the PATH, as in the image.
        base = {"HOME": str(self.base / "home"), "TMPDIR": str(self.base / "tmp"), "LANG": "C.UTF-8", **java}
        return {**base, **own, **self.extra, "PATH": path, MARK: self._mark}

    def address(self, name: str, port: int) -> str:
        """Where a service's port is here, such as `127.0.0.1:40001`."""
        return f"{LOOPBACK}:{self._port(name, port)}"

    def secret(self, name: str) -> str:
        """A secret."""
        return (self.secrets / name).read_text().strip()

    def airflow(self) -> AirflowApi:
        """A session of Airflow's administrator."""
        return AirflowApi(f"http://{self.address('api-server', 8080)}", "admin", self.secret("airflow_admin_password"))

    def log(self, name: str) -> str:
        """All that a service has printed."""
        file = self.base / "logs" / f"{name}.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def family(self) -> list[psutil.Process]:
        """Every process that runs in this topology, by its mark."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self._mark:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def down(self) -> None:
        """End everything that runs in this topology."""
        for name in reversed(list(self.processes)):
            if self.processes[name].poll() is None:
                self.processes[name].send_signal(signal.SIGINT if name == "postgres" else signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while self.processes and time.monotonic() < deadline:
            self.processes = {name: one for name, one in self.processes.items() if one.poll() is None}
            time.sleep(0.2)
        for process in self.family():
            _kill(process)
        for ended in self.processes.values():
            ended.wait()
        self.processes.clear()

    def _port(self, name: str, port: int) -> str:
        return str(self._here.ports[name, port])

    def _needed(self, names: Collection[str]) -> list[str]:
        """Services and all they wait for, less those that run or are done."""
        wanted = list(names)
        for name in wanted:
            wanted += [other for other in self.services[name].after if other not in wanted]
        there = {*self.processes, *self._done}
        return [name for name in self.services if name in wanted and name not in there]

    def _may_start(self, name: str) -> bool:
        return all(
            other in (self._done if condition == "service_completed_successfully" else self._up)
            for other, condition in self.services[name].after.items()
        )

    def _ready(self, name: str) -> bool:
        """Whether a service is healthy, or one that runs to its end has done so.

        Raises:
            RuntimeError: It has ended, and not well.
        """
        if name in self._done:
            return True
        process, check = self.processes[name], self.services[name].check
        code = process.poll()
        if code is not None:
            if code or check:
                raise RuntimeError(f"{name} ended with {code}:\n{self.log(name)[-_TAIL:]}")
            del self.processes[name]
            self._done.add(name)
            return True
        if not check or time.monotonic() - self._checked.get(name, -_CHECK_SECONDS) < _CHECK_SECONDS:
            return False
        healthy = self._check(name, check)
        self._checked[name] = time.monotonic()
        if healthy:
            self._up.add(name)
        return healthy

    def _check(self, name: str, check: Sequence[str]) -> bool:
        if name == "storage":
            url = f"http://{self.address('storage', 8333)}/moto-api/data.json"
            check = [sys.executable, str(DOCKER / "healthy.py"), url]
        return subprocess.run(check, env=self.environment(name), capture_output=True, check=False).returncode == 0

    def _postgres(self, service: Service) -> list[str]:
        """What PostgreSQL's image does: makes a new data folder, runs its script once, and serves."""
        data = Path(service.environment["PGDATA"])
        port = self._port("postgres", 5432)
        if not (data / "PG_VERSION").exists():
            self._new_cluster(service, data)
        sockets = ["-c", f"unix_socket_directories={data.parent}"]
        return [*_as_postgres(), *service.command, "-D", str(data), "-p", port, "-h", LOOPBACK, *sockets]

    def _new_cluster(self, service: Service, data: Path) -> None:
        data.parent.mkdir(parents=True, exist_ok=True)
        run = {"env": {**self.environment(service.name), "PGHOST": str(data.parent)}, "check": True}
        given = self.base / "containers" / service.name
        # In a container these are readable for its user.
        password = data.parent / "password"
        shutil.copy(self.secrets / "postgres_password", password)
        if os.geteuid() == 0:
            for folder in (data.parent, *data.parent.iterdir()):
                shutil.chown(folder, "postgres")
        user = service.environment["POSTGRES_USER"]
        options = service.environment["POSTGRES_INITDB_ARGS"].split()
        with open(self.base / "logs" / "postgres.log", "ab") as log:
            run |= {"stdout": log, "stderr": log, "cwd": data.parent}
            first = [f"--username={user}", f"--pwfile={password}", "--auth-local=trust"]
            subprocess.run([*_as_postgres(), "initdb", *first, *options, "-D", str(data)], **run)
            password.unlink()
            quiet = f"-c listen_addresses= -c unix_socket_directories={data.parent}"
            control = [*_as_postgres(), "pg_ctl", "-D", str(data), "-w"]
            subprocess.run([*control, "-o", quiet, "start"], **run)
            # As root: the secrets' folder is closed to others.
            subprocess.run(["bash", str(given / "mounted" / "databases.sh")], **run)
            subprocess.run([*control, "stop"], **run)

    def _end_family(self, process: subprocess.Popen[bytes]) -> None:
        """Kill a process, all its descendants, and those that outlived their parents in its sessions."""
        try:
            children = psutil.Process(process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            children = []
        for one in [*children]:
            _kill(one)
        if process.poll() is None:
            process.kill()
        process.wait()


def _kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()


def _as_postgres() -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
