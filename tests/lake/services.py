"""What an adopter has already, as processes on loopback: Spark with a catalog, PostgreSQL, MLflow on it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyspark

HOST = "127.0.0.1"
POSTGRES = Path("/usr/lib/postgresql/15/bin")
DRIVER = Path("/usr/share/java/postgresql.jar")
"""PostgreSQL's JDBC driver, Debian's `libpostgresql-jdbc-java`."""

MISSING = [str(path) for path in (POSTGRES / "postgres", DRIVER) if not path.exists()]
_SECONDS = 300.0
_CONNECT = "org.apache.spark.sql.connect.service.SparkConnectServer"
_LITTLE = {
    "spark.ui.enabled": "false",
    "spark.driver.memory": "1g",
    "spark.sql.shuffle.partitions": "4",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
}


def free_port() -> int:
    """Return a port that nothing listens on now."""
    with socket.socket() as asked:
        asked.bind((HOST, 0))
        return int(asked.getsockname()[1])


@contextmanager
def spark_connect(folder: Path) -> Iterator[str]:
    """A Spark Connect server with Hive's catalog (Derby holds it), until the block ends; its address."""
    port = free_port()
    settings = {
        **_LITTLE,
        "spark.connect.grpc.binding.address": HOST,
        "spark.connect.grpc.binding.port": str(port),
        "spark.sql.catalogImplementation": "hive",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.hadoop.javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={folder / 'catalog'};create=true",
        "spark.driver.extraJavaOptions": f"-Dderby.system.home={folder}",
        "spark.driver.extraClassPath": str(DRIVER),
    }
    submit = [str(Path(pyspark.__file__).parent / "bin" / "spark-submit"), "--master", "local[2]"]
    command = [*submit, *(f"--conf={key}={value}" for key, value in settings.items()), "--class", _CONNECT]
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": HOST}
    with _process([*command, "spark-internal"], environment, folder / "spark.log", port):
        yield f"sc://{HOST}:{port}"


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL server without a password, until the block ends; the address of its database `postgres`."""
    port, data = free_port(), folder / "data"
    data.mkdir()
    if os.geteuid() == 0:
        shutil.chown(data, "postgres")
    with open(folder / "initdb.log", "wb") as log:
        make = ["initdb", "--username=lake", "--auth=trust", "--no-sync", "-D", str(data)]
        subprocess.run(
            [*_as_postgres(), str(POSTGRES / make[0]), *make[1:]], check=True, stdout=log, stderr=log, cwd="/"
        )
    serve = ["-D", str(data), "-p", str(port), "-h", HOST, "-c", "unix_socket_directories=", "-c", "fsync=off"]
    command = [*_as_postgres(), str(POSTGRES / "postgres"), *serve]
    with _process(command, os.environ, folder / "postgres.log", port, end=signal.SIGINT):
        yield f"{HOST}:{port}/postgres"


@contextmanager
def mlflow(folder: Path, database: str) -> Iterator[str]:
    """An MLflow server on PostgreSQL, until the block ends; its address."""
    port = free_port()
    store = ["--backend-store-uri", f"postgresql+psycopg2://lake@{database}"]
    artifacts = ["--artifacts-destination", str(folder / "artifacts"), "--workers", "1"]
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), *store, *artifacts]
    with _process(command, os.environ, folder / "mlflow.log", port):
        url = f"http://{HOST}:{port}"
        with urllib.request.urlopen(f"{url}/health", timeout=30):
            yield url


@contextmanager
def _process(
    command: list[str], environment: Mapping[str, str], log: Path, port: int, end: int = signal.SIGTERM
) -> Iterator[None]:
    """Run a server of one port until the block ends."""
    with open(log, "wb") as file:
        process = subprocess.Popen(command, env=dict(environment), stdout=file, stderr=file, cwd="/")
    try:
        deadline = time.monotonic() + _SECONDS
        while not _listens(port):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(end)
        process.wait(60)


def _listens(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex((HOST, port)) == 0


def _as_postgres() -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
