"""A master and a worker as docker/ starts them: nothing that they listen on takes an order without the secret."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from tests.production.compose import DOCKER, configuration

HOST = "127.0.0.1"
SECONDS = 120
READY = {"master.Master": "New state: ALIVE", "worker.Worker": "Successfully registered with master"}
KILLS = (
    "/app/kill/?id=app-1&terminate=true",
    "/driver/kill/?id=driver-1&terminate=true",
    f"/workers/kill/?host={HOST}",
)


class Daemon(NamedTuple):
    """A master or a worker that runs."""

    process: psutil.Process
    rpc: int
    page: int

    def ports(self) -> set[int]:
        """Where it listens."""
        return {at.laddr.port for at in self.process.net_connections("tcp") if at.status == psutil.CONN_LISTEN}

    def addresses(self) -> set[str]:
        listening = [at for at in self.process.net_connections("tcp") if at.status == psutil.CONN_LISTEN]
        return {at.laddr.ip.removeprefix("::ffff:") for at in listening}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def daemon(folder: Path, kind: str, *arguments: str, **variables: str) -> Iterator[Daemon]:
    """Start one through the entry point, with the settings that docker/ ships, until the block ends."""
    secret, rpc, page = folder / "secret", free_port(), free_port()
    secret.write_text("the cluster's secret")
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TMPDIR": str(folder),
        "SPARK_SETTINGS": str(DOCKER / "spark-defaults.conf"),
        "SPARK_SECRET": str(secret),
        "SPARK_LOCAL_IP": HOST,
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_DAEMON_JAVA_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        **{name: os.environ[name] for name in ("JAVA_HOME",) if name in os.environ},
        **variables,
    }
    command = ["spark-class", f"org.apache.spark.deploy.{kind}", "--host", HOST, "--port", str(rpc), "--webui-port"]
    with open(folder / f"{kind}.log", "wb") as log:
        started = subprocess.Popen(
            [DOCKER / "entrypoint", *command, str(page), *arguments], env=environment, stdout=log, stderr=log
        )
    try:
        found = Daemon(psutil.Process(started.pid), rpc, page)
        deadline = time.monotonic() + SECONDS
        # It says so once all that it opens is open.
        while READY[kind] not in (folder / f"{kind}.log").read_text(errors="replace"):
            assert started.poll() is None and time.monotonic() < deadline, (folder / f"{kind}.log").read_text()[-3000:]
            time.sleep(0.2)
        yield found
    finally:
        started.terminate()
        started.wait(60)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Daemon]]:
    folder = tmp_path_factory.mktemp("cluster")
    with ExitStack() as stack:
        master = stack.enter_context(daemon(folder, "master.Master"))
        options = ("--cores", "1", "--memory", "512m", "--work-dir", str(folder / "work"))
        url = f"spark://{HOST}:{master.rpc}"
        yield master, stack.enter_context(daemon(folder, "worker.Worker", *options, url))


def status(port: int, path: str, body: bytes | None = None) -> int:
    """The status of an answer to a GET, or to a POST where there is a body."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    request = urllib.request.Request(f"http://{HOST}:{port}{path}", data=body)
    try:
        with urllib.request.build_opener(Stay).open(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def test_master_and_worker_listen_on_their_port_and_page_alone_at_their_own_address(
    cluster: tuple[Daemon, Daemon],
) -> None:
    for found in cluster:
        assert found.ports() == {found.rpc, found.page}
        assert found.addresses() == {HOST}


@pytest.mark.parametrize("path", KILLS)
def test_no_page_of_the_master_ends_anything(cluster: tuple[Daemon, Daemon], path: str) -> None:
    master, worker = cluster
    assert status(master.page, path, b"") >= 400
    assert worker.process.is_running()
    assert status(master.page, "/") == 200


@pytest.mark.spark
def test_the_rest_server_would_listen_if_the_defaults_let_it(tmp_path: Path) -> None:
    """So the tests above see it when it is there."""
    rest = free_port()
    options = f"-Dspark.master.rest.enabled=true -Dspark.master.rest.port={rest} -Dspark.ui.killEnabled=true"
    with daemon(tmp_path, "master.Master", SPARK_MASTER_OPTS=options) as master:
        assert rest in master.ports()
        assert status(rest, "/v1/submissions/create", b"{}") == 400
        assert status(master.page, KILLS[0], b"") == 302


def test_compose_closes_it_also_where_a_deployment_has_settings_of_its_own(tmp_path: Path) -> None:
    given = dict.fromkeys(("SECRETS", "RETRIEVERS", "DATA", "IMAGE_TAG"), str(tmp_path))
    services = configuration({**given, "IMAGE_TAG": "test"})["services"]
    assert "-Dspark.master.rest.enabled=false" in services["spark-master"]["environment"]["SPARK_MASTER_OPTS"]
    assert not {"6066", "4040", "18080"} & {
        str(port) for service in services.values() for port in service.get("expose", ())
    }


def test_the_settings_ask_for_the_secret_and_encrypt_what_moves_and_what_lies() -> None:
    lines = [line.split() for line in (DOCKER / "spark-defaults.conf").read_text().splitlines()]
    settings = {line[0]: line[1] for line in lines if line and not line[0].startswith("#")}
    for name in ("spark.authenticate", "spark.network.crypto.enabled", "spark.io.encryption.enabled"):
        assert settings[name] == "true", name
    # Each would be a server that asks for no secret.
    for name in ("spark.shuffle.service.enabled", "spark.ui.prometheus.enabled", "spark.plugins"):
        assert settings.get(name, "false") == "false", name
