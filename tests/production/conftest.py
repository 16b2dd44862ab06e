"""The topology, started once for all tests here, with a small made shop in it; `make test-production` runs them.

`SYNALIGN_TEST_PRODUCTION=short` (or `full`) lets the slow modules run; without it only what takes seconds does.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import urllib.request
from base64 import b64encode
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import boto3
import pytest

from synalign.local import demo_data
from synalign.local.airflow_api import OVER, AirflowApi, wait_for
from synalign.writer.server import embedded_writer
from tests.production import faults
from tests.production.proxy import Proxy, line
from tests.production.topology import Topology

EXTENT = os.environ.get("SYNALIGN_TEST_PRODUCTION", "")
COLLECTED = {"": ["test_images.py"], "short": ["test_topology.py"]}
"""Modules of every extent but the full one: none, as in `make test`; or one refresh through the whole topology, without
those that `make test` has run."""
_ALL = [file.name for file in Path(__file__).parent.glob("test_*.py")]
collect_ignore = [name for name in _ALL if name not in COLLECTED.get(EXTENT, _ALL)]

SMALL = """
retriever: {name}
schedule: {{start: {start}, cron: "0 0 * * *"}}
source:
  kind: log
  path: {data}/query_log.parquet
  window_days: 3650
  documents: {{path: {data}/documents.parquet}}
generation: {{endpoint: "{endpoint}", model: synalign-embedded-writer, api_key_variable: MODEL_API_KEY}}
sampling: {{batches: 4, memory: {memory}}}
evaluation: {{seeds: 2, steps: 20, masses: [2.0], gate: {{max_loss: 0.2}}}}
"""
"""A retriever of the topology; as small as one can be whose set passes its checks."""

EVENTS = 1200
LITTLE_SPARK = "-Dspark.sql.codegen.wholeStage=false -Dspark.sql.adaptive.enabled=false"
"""For every JVM: over some thousand rows, compiling code and planning anew would be most of what Spark does."""

SECONDS = 1500.0
"""Longest time that a refresh may take here."""


def small(data: Path, endpoint: str, *, name: str = "small", start: str = "2026-02-28", memory: int = 7) -> str:
    """The YAML file of a small retriever.

    Args:
        data: Folder of the made log and documents.
        endpoint: Base URL of the writer.
        name: Of the retriever.
        start: First day of its schedule.
        memory: How many earlier intervals it remembers.
    """
    return SMALL.format(data=data, endpoint=endpoint, name=name, start=start, memory=memory)


class Production(NamedTuple):
    """A topology with a shop in it.

    Attributes:
        topology: Its services, all up.
        data: Folder of the query log and the documents.
        retrievers: Folder of the retrievers' files; `small.yaml` is there.
        writer: Base URL of the writer, which stands in for a model.
        to_writer: The line to it, on which faults can be set.
        to_storage: The same for storage.
    """

    topology: Topology
    data: Path
    retrievers: Path
    writer: str
    to_writer: Proxy
    to_storage: Proxy

    @property
    def api(self) -> AirflowApi:
        """A new session of Airflow's administrator."""
        return self.topology.airflow()

    def wait_for_dag(self, dag: str) -> None:
        """Wait until Airflow knows a DAG."""
        api = self.api
        wait_for(lambda: dag in api.dags(), dag, 300)

    def refresh(self, dag: str, run: str, logical_date: str = "2026-03-01T00:00:00Z") -> dict[str, str | None]:
        """Run a DAG for the interval that ends at a time; the states of its tasks at the end.

        Raises:
            AssertionError: It failed; with the tasks' states.
        """
        self.wait_for_dag(dag)
        self.api.trigger(dag, run, logical_date)
        return self.follow(dag, run)

    def calm(self) -> dict[str, str | None]:
        """The one refresh of `small` that nothing disturbs, made by whoever asks first; the states of its tasks."""
        self.wait_for_dag("refresh__small")
        if "calm" in {run["dag_run_id"] for run in self.runs("refresh__small")}:
            return self.follow("refresh__small", "calm")
        return self.refresh("refresh__small", "calm")

    def paid(self) -> dict[str, int]:
        """How often the writer gave each request, by the SHA-256 of its body, a good answer: by its own count."""
        with urllib.request.urlopen(self.writer.removesuffix("/v1") + "/faults", timeout=10) as answer:
            return dict(json.load(answer)["paid"])

    def follow(self, dag: str, run: str, seconds: float = SECONDS) -> dict[str, str | None]:
        """Wait for a run to end well; the states of its tasks."""
        self.follow_all({dag: [run]}, seconds)
        return self.api.tasks(dag, run)

    def follow_all(self, wanted: Mapping[str, Collection[str]], seconds: float = SECONDS) -> None:
        """Wait for runs to end well.

        Args:
            wanted: Runs by their DAG.
            seconds: Longest wait.

        Raises:
            AssertionError: One failed; with its tasks' states.
        """
        api = self.api

        def ended(dag: str) -> bool:
            found = self.runs(dag)
            for run in found:
                # The schedule adds one for today once a DAG is let go: here it would only take time.
                if run["run_type"] == "scheduled" and run["state"] not in OVER:
                    self.end(dag, run["dag_run_id"])
            return all(run["state"] in OVER for run in found if run["dag_run_id"] in wanted[dag])

        # A list, so that each is looked at.
        wait_for(lambda: all([ended(dag) for dag in wanted]), f"the end of runs of {', '.join(wanted)}", seconds)
        for dag, runs in wanted.items():
            for run in runs:
                assert api.state(dag, run) == "success", (run, api.tasks(dag, run))

    def unpause(self, dag: str) -> None:
        """Let a DAG go."""
        self.api._call("PATCH", f"/api/v2/dags/{dag}", {"is_paused": False})

    def end(self, dag: str, run: str) -> None:
        """End a run as failed."""
        self.api._call("PATCH", f"/api/v2/dags/{dag}/dagRuns/{quote(run)}", {"state": "failed"})

    def runs(self, dag: str) -> list[dict[str, Any]]:
        """All runs of a DAG."""
        return list(self.api.get(f"dags/{dag}/dagRuns?limit=1000")["dag_runs"])

    def storage(self) -> Any:
        """A client of the storage server."""
        return boto3.client(
            "s3",
            endpoint_url=f"http://{self.topology.address('storage', 8333)}",
            region_name="us-east-1",
            aws_access_key_id=self.topology.secret("storage_access_key"),
            aws_secret_access_key=self.topology.secret("storage_secret_key"),
        )

    def keys(self, prefix: str) -> set[str]:
        """Names of all objects of the bucket that begin so."""
        pages = self.storage().get_paginator("list_objects_v2").paginate(Bucket="synalign", Prefix=prefix)
        return {found["Key"] for page in pages for found in page.get("Contents", ())}

    def manifest(self, retriever: str, interval: str, step: str) -> dict[str, Any]:
        """The manifest of a step's attempt that counts."""
        key = f"store/runs/{retriever}/{interval}/{step}/manifest.json"
        content: dict[str, Any] = json.loads(self.storage().get_object(Bucket="synalign", Key=key)["Body"].read())
        return content

    def mlflow(self, path: str) -> Any:
        """What MLflow says to the jobs' user under a path of its API."""
        login = b64encode(f"synalign:{self.topology.secret('mlflow_password')}".encode()).decode()
        url = f"http://{self.topology.address('mlflow', 5000)}/api/2.0/mlflow/{path}"
        request = urllib.request.Request(url, headers={"Authorization": f"Basic {login}"})
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.loads(response.read())

    def pages(self) -> dict[str, bytes]:
        """What Spark's master and workers show to whoever reaches them."""
        addresses = [("spark-master", 8082), ("spark-worker-1", 8083), ("spark-worker-2", 8084)]
        found = {}
        for service, port in addresses:
            for path in ("/", "/json/"):
                with urllib.request.urlopen(f"http://{self.topology.address(service, port)}{path}") as page:
                    found[f"{service}{path}"] = page.read()
        return found


def pytest_configure(config: pytest.Config) -> None:
    """Forget the faults of an earlier test run."""
    if not hasattr(config, "workerinput"):
        faults.RECORD.unlink(missing_ok=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what came of each fault."""
    if shown := faults.table():
        terminalreporter.section("faults")
        terminalreporter.write_line(shown)


@pytest.fixture(scope="session")
def base() -> Iterator[Path]:
    """A folder that PostgreSQL's user can reach, which pytest's own are not; SYNALIGN_TEST_KEEP=1 keeps it."""
    folder = Path(tempfile.mkdtemp(prefix="synalign-topology-"))
    folder.chmod(0o755)
    folder.chmod(0o755)
    yield folder
    if not os.environ.get("SYNALIGN_TEST_KEEP"):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def production(base: Path, quick_java: str) -> Iterator[Production]:
    """The whole topology, up."""
    # Services are in sessions of their own: they end only if the fixture does.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("asked to end"))
    data, retrievers = base / "data", base / "retrievers"
    demo_data.make(data, events=EVENTS)
    retrievers.mkdir()
    variables = {
        "RETRIEVERS": str(retrievers),
        "DATA": str(data),
        # A machine with two cores: two tasks at a time, and a core for each of the workers.
        "PARALLELISM": "2",
        "SPARK_WORKER_CORES": "2",
        "SPARK_WORKER_MEMORY": "3g",
        "WEB_WORKERS": "1",
    }
    with (
        embedded_writer() as writer,
        line(urlsplit(writer).port or 0) as to_writer,
        Topology(base / "topology", variables) as topology,
        line(int(topology.address("storage", 8333).rpartition(":")[2]), xml=True) as to_storage,
    ):
        # Two things differ from the file: lines on which faults can be set, and how much Java compiles.
        topology.extra |= {"AWS_ENDPOINT_URL": to_storage.url, "JAVA_TOOL_OPTIONS": f"{quick_java} {LITTLE_SPARK}"}
        url = f"{to_writer.url}/v1"
        (retrievers / "small.yaml").write_text(small(data, url))
        topology.up(print)
        yield Production(topology, data, retrievers, url, to_writer, to_storage)
