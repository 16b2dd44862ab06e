"""A real cluster of two workers: where its code comes from, what it makes of odd logs, and what losing it costs."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign.spark import cluster as spark_cluster
from synalign.storage import Place
from tests import s3
from tests.cluster import Case, Cluster, perform_all, running
from tests.spark.test_executors import python_of

BUCKET = "synalign"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE12", "AWS_SECRET_ACCESS_KEY": "very/secret+key01234567890123456789"}
DOCUMENTS = [{"document_id": f"d{number}", "title": "", "text": f"document {number}"} for number in range(20)]
MOST_SECONDS = 480


@pytest.fixture(scope="module")
def storage() -> Iterator[dict[str, str]]:
    """Environment in which everything shared lies in object storage."""
    server = s3.server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    s3.make_bucket(server.port, BUCKET)
    yield {**KEYS, "AWS_ENDPOINT_URL": f"http://{s3.HOST}:{server.port}", "AWS_EC2_METADATA_DISABLED": "true"}
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, storage: dict[str, str], quick_java: str) -> Iterator[Cluster]:
    """The cluster, whose workers have the keys to storage in their own environment."""
    with running(tmp_path_factory.mktemp("cluster"), storage) as found:
        yield found


def event(query: str | None, document: str, day: int = 20) -> dict[str, Any]:
    return {"event_time": f"2026-02-{day:02d}T10:00:00", "query": query, "document_id": document}


LOGS: dict[str, list[dict[str, Any]]] = {
    "one query has nine events of ten": [
        event("how to sort" if number % 10 else f"question {number}", f"d{number % 20}", 1 + number % 27)
        for number in range(2000)
    ],
    "one document has all": [event(f"question {number % 500}", "d7") for number in range(1000)],
    "one row": [event("alone", "d1")],
    "no row that counts": [event(None, "d1"), event(" ", "d2"), event("lost", "nowhere")],
}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Case]:
    """Makes a case of a log."""
    folder = tmp_path_factory.mktemp("logs")
    pq.write_table(pa.Table.from_pylist(DOCUMENTS), folder / "documents.parquet")

    def make(rows: list[dict[str, Any]], *steps: str) -> Case:
        path = folder / f"{len(list(folder.iterdir()))}.parquet"
        pq.write_table(pa.Table.from_pylist(rows), path)
        source = {"kind": "log", "path": str(path), "documents": {"path": str(folder / "documents.parquet")}}
        configuration = {"retriever": path.stem, "schedule": {"start": "2026-01-01"}, "source": source}
        # Names begin with a letter.
        return Case({**configuration, "retriever": f"log-{path.stem}"}, list(steps))

    return make


def ended(driver: subprocess.Popen[str]) -> Any:
    try:
        output, errors = driver.communicate(timeout=MOST_SECONDS)
    finally:
        driver.kill()
    assert driver.returncode == 0, errors[-3000:]
    return json.loads(output.strip().splitlines()[-1])


def test_the_archive_of_the_code_is_whole_and_always_the_same(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    first, second = (spark_cluster.code(folder) for folder in (tmp_path, tmp_path / "again"))
    assert first.read_bytes() == second.read_bytes()
    ask = "import sys; sys.path.insert(0, sys.argv[1]); import synalign.storage as s; print(s.__file__)"
    found = subprocess.run([sys.executable, "-c", ask, str(first)], capture_output=True, text=True, check=True)
    assert found.stdout.startswith(str(first))
    assert "synalign/spark/tables.py" in zipfile.ZipFile(first).namelist()


@pytest.fixture(scope="module")
def odd(case: Callable[..., Case]) -> list[Case]:
    return [case(rows, "ingest", *(["carry", "embed"] if len(rows) < 10 else [])) for rows in LOGS.values()]


@pytest.fixture(scope="module")
def far(cluster: Cluster, odd: list[Case]) -> dict[str, Any]:
    """What came of the odd logs on the cluster, in object storage; and where its executors had their code from."""
    environment = {**cluster.environment, "SYNALIGN_STORE": f"s3://{BUCKET}/odd"}
    found: dict[str, Any] = ended(
        cluster._replace(environment=environment).driver("-m", "tests.cluster", json.dumps(odd))
    )
    return found


def test_executors_import_the_drivers_code(far: dict[str, Any]) -> None:
    assert {path.split("/")[-4] for path in far["code"]} == {"synalign.zip"}
    assert len(far["code"]) == 2


@pytest.mark.usefixtures("spark")
def test_odd_logs_give_in_object_storage_on_the_cluster_what_they_give_here(
    far: dict[str, Any], odd: list[Case]
) -> None:
    there = far["tables"]
    assert there == perform_all(odd)
    assert [sorted(found) for found in there[:2]] == [["documents", "pairs", "queries", "rejected", "skips"]] * 2
    assert set(there[2]) > {"query_embeddings", "document_embeddings"}
    assert "none of the 3 rows" in there[3]["InputError"]


def test_over_spark_connect_they_give_the_same(
    cluster: Cluster, odd: list[Case], far: dict[str, Any], tmp_path: Path
) -> None:
    """The driver has no Java: it sends its plans to a server that somebody else runs."""
    store = {"SYNALIGN_STORE": f"s3://{BUCKET}/remote", "JAVA_HOME": "/nowhere"}
    with cluster.server(tmp_path / "server.log") as address:
        environment = {**cluster.environment, **store, "SPARK_REMOTE": address}
        asked = cluster._replace(environment=environment).driver("-m", "tests.cluster", json.dumps(odd))
        found: dict[str, Any] = ended(asked)
    assert found["tables"] == far["tables"]
    assert {path.split("/")[-1] for path in found["code"]} == {"tables.py"}
    assert all("synalign.zip" in path for path in found["code"])


@pytest.mark.skipif(
    os.environ.get("SYNALIGN_TEST_PRODUCTION") != "full",
    reason="takes three minutes alone: make test-production FULL=1",
)
def test_an_executor_that_is_killed_is_replaced_and_nothing_is_different(
    cluster: Cluster, case: Callable[..., Case], home: Path
) -> None:
    # Enough texts for several tasks.
    cases = [case([event(f"which {number} is best", "d1") for number in range(7000)], "ingest", "carry", "embed")]
    found = []
    for name, kill in (("calm", False), ("killed", True)):
        settings = {"SYNALIGN_HOME": str(home / name), "SYNALIGN_STORE": str(home / name)}
        chosen = cluster._replace(environment={**cluster.environment, **settings})
        driver = chosen.driver("-m", "tests.cluster", json.dumps(cases))
        if kill:
            deadline = time.monotonic() + MOST_SECONDS
            while not (parts := [*(home / name / "embeddings").glob("*/part-*")]):
                assert time.monotonic() < deadline and driver.poll() is None
                time.sleep(0.05)
            executors = cluster.executors()
            assert len(executors) == 2
            executors[0].send_signal(signal.SIGKILL)
            assert len(parts) < 4
        found.append(ended(driver)["tables"])
        folder = Place(home / name)
        assert not [place for place, _ in folder.tree() if ".part-" in place.name or place.name.endswith(".draft")]
    assert found[0] == found[1]
    assert "query_embeddings" in found[0][0]


def test_an_executor_with_another_version_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    other = tmp_path / "numpy-0.1.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 0.1\n")
    driver = cluster.driver("-m", "tests.cluster", "[]", settings={"spark.executorEnv.PYTHONPATH": str(tmp_path)})
    assert "numpy 0.1 (driver " in ended(driver)["SetupError"]


def test_an_executor_without_the_drivers_python_is_refused(cluster: Cluster) -> None:
    environment = {**cluster.environment, "PYSPARK_PYTHON": "/nowhere/python"}
    found = ended(cluster._replace(environment=environment).driver("-m", "tests.cluster", "[]"))
    assert "/nowhere/python" in found["SetupError"]


def test_an_executor_that_lacks_a_package_is_named_with_it_by_doctor(cluster: Cluster, tmp_path: Path) -> None:
    everything = {each.metadata["Name"].lower() for each in metadata.distributions()}
    python = python_of(tmp_path / "env", everything - {"bm25s", "safetensors"})
    environment = {**cluster.environment, "PYSPARK_PYTHON": str(python)}
    doctor = cluster._replace(environment=environment).driver("-m", "synalign.doctor.spark")
    output, errors = doctor.communicate(timeout=MOST_SECONDS)
    assert doctor.returncode == 8, (output, errors[-2000:])
    line = errors.strip().splitlines()[-1]
    assert line.startswith("SetupError: the executor on ")
    assert line.endswith("lacks bm25s, safetensors, which tasks import.")
