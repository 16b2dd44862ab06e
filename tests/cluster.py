"""A Spark cluster on loopback, a master and two workers as processes, and work that a driver does on it.

`python -m tests.cluster CASES` is the driver: it performs steps of retrievers in one session, on the cluster that
PYSPARK_SUBMIT_ARGS names, and prints what came of each as JSON, and where executors found SynAlign's code.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pyarrow as pa
import pyspark

HOST = "127.0.0.1"
WORKERS = 2
_START_SECONDS = 120
# Tables here have thousands of rows at most: planning and compiling them would be all the time there is.
_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "4",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
}


class Cluster(NamedTuple):
    """A running cluster.

    Attributes:
        url: The master's, `spark://host:port`.
        workers: The workers' processes.
        environment: Of a driver.
    """

    url: str
    workers: list[subprocess.Popen[bytes]]
    environment: dict[str, str]

    def driver(self, *arguments: str, settings: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """A Python process whose sessions run here."""
        java = self.environment["SPARK_SUBMIT_OPTS"]
        chosen = {**_SETTINGS, "spark.executor.extraJavaOptions": java, **(settings or {})}
        submit = shlex.join(["--master", self.url, *(f"--conf={key}={value}" for key, value in chosen.items())])
        environment = {**self.environment, "PYSPARK_SUBMIT_ARGS": f"{submit} pyspark-shell"}
        return subprocess.Popen(
            [sys.executable, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    @contextmanager
    def server(self, log: Path) -> Iterator[str]:
        """A Spark Connect server whose tasks run here, until the block ends; its address."""
        port = _free_port()
        java = self.environment["SPARK_SUBMIT_OPTS"]
        bound = {"spark.connect.grpc.binding.address": HOST, "spark.connect.grpc.binding.port": str(port)}
        chosen = {**_SETTINGS, **bound, "spark.executor.extraJavaOptions": java}
        kind = ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"]
        submit = str(Path(pyspark.__file__).parent / "bin" / "spark-submit")
        command = [submit, "--master", self.url, *(f"--conf={key}={value}" for key, value in chosen.items()), *kind]
        environment = {**self.environment, "PYSPARK_PYTHON": sys.executable}
        # Spark counts a server among its daemons, and a driver needs more than they do.
        environment.pop("SPARK_DAEMON_MEMORY")
        with open(log, "wb") as file:
            process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)
        try:
            _await_port(port, process)
            yield f"sc://{HOST}:{port}"
        finally:
            process.terminate()
            process.wait(60)

    def executors(self) -> list[psutil.Process]:
        """Processes of executors that run now."""
        return [
            child
            for worker in self.workers
            for child in psutil.Process(worker.pid).children(recursive=True)
            if _is_executor(child)
        ]


def _is_executor(process: psutil.Process) -> bool:
    try:
        return "CoarseGrainedExecutorBackend" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        # One of an executor's own has just ended.
        return False


@contextmanager
def running(folder: Path, environment: dict[str, str]) -> Iterator[Cluster]:
    """A master and two workers of one core each, until the block ends.

    Args:
        folder: For logs and what executors leave.
        environment: Of all processes, beside that of this one.
    """
    port, page = _free_port(), _free_port()
    little = {"SPARK_DAEMON_MEMORY": "256m", "SPARK_DAEMON_JAVA_OPTS": os.environ["SPARK_SUBMIT_OPTS"]}
    every = {**os.environ, "SPARK_LOCAL_IP": HOST, **little, **environment}
    every.pop("PYSPARK_SUBMIT_ARGS", None)
    url = f"spark://{HOST}:{port}"
    started = []
    try:
        master = ("master.Master", "--host", HOST, "--port", str(port), "--webui-port", str(page))
        started.append(_start(folder, "master", every, *master))
        for number in range(WORKERS):
            worker = ("worker.Worker", "--host", HOST, "--cores", "1", "--memory", "1g", "--webui-port", "0")
            work = folder / f"work-{number}"
            started.append(_start(folder, f"worker-{number}", every, *worker, "--work-dir", str(work), url))
        _await_workers(f"http://{HOST}:{page}/json/")
        yield Cluster(url, started[1:], every)
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait(60)


def _start(folder: Path, name: str, environment: dict[str, str], deployed: str, *options: str) -> Any:
    command = [str(Path(pyspark.__file__).parent / "bin" / "spark-class"), f"org.apache.spark.deploy.{deployed}"]
    with open(folder / f"{name}.log", "wb") as log:
        return subprocess.Popen([*command, *options], env=environment, stdout=log, stderr=subprocess.STDOUT)


def _await_workers(page: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(page, timeout=5) as answer:
                if json.load(answer)["aliveworkers"] == WORKERS:
                    return
        except (OSError, ValueError):
            # The server listens before the master has put its JSON there: until then a page of HTML comes back.
            pass
        time.sleep(0.3)
    raise RuntimeError(f"the cluster did not come up within {_START_SECONDS} s")


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as asked:
            if asked.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.3)
    raise RuntimeError(f"nothing listens on port {port} within {_START_SECONDS} s, or it ended before")


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind((HOST, 0))
        return int(listening.getsockname()[1])


class Case(NamedTuple):
    """Steps to perform.

    Attributes:
        configuration: A retriever's, as JSON.
        steps: Names of steps that Spark takes part in, in the order of the flow.
    """

    configuration: dict[str, Any]
    steps: list[str]


def perform_all(cases: list[Case]) -> list[dict[str, Any]]:
    """Digests of the tables of each case, or the error that ended it; in the session that is active."""
    return [_perform(case) for case in cases]


def _perform(case: Case) -> dict[str, Any]:
    from synalign import flow
    from synalign.config import Configuration
    from synalign.errors import SynAlignError
    from synalign.run import Interval, Run
    from synalign.steps.carry import carry
    from synalign.steps.embed import embed
    from synalign.steps.ingest import ingest, source_files
    from synalign.steps.job import perform

    run = Run(Configuration.model_validate(case.configuration), Interval.parse("2026-02-28", "2026-03-01"))
    work = {"ingest": ingest, "carry": carry, "embed": embed}
    try:
        for step in case.steps:
            perform(run, step, work[step], source_files(run) if step == "ingest" else {})
    except SynAlignError as error:
        return {type(error).__name__: error.message}
    return {table: run.digest(table) for step in case.steps for table in flow.step(step).writes}


def _code(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    import synalign.spark.tables

    for _ in batches:
        yield pa.RecordBatch.from_pydict({"path": [synalign.spark.tables.__file__]})


def main() -> None:
    """Perform the cases that the first argument holds as JSON."""
    from synalign.errors import SynAlignError
    from synalign.spark.session import session

    try:
        with session("tests on a cluster") as spark:
            places = spark.range(0, WORKERS, 1, WORKERS).mapInArrow(_code, "path string")
            found: Any = {
                "code": [row["path"] for row in places.collect()],
                "tables": perform_all([Case(*case) for case in json.loads(sys.argv[1])]),
            }
    except SynAlignError as error:
        found = {type(error).__name__: error.message}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
