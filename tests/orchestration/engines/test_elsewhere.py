"""A driver on another machine: its summary and errors come back by the store. Doubles of clusters, real jobs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib import util
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent.parent
SHOP = """
retriever: {name}
schedule: {{start: 2026-01-01}}
source:
  kind: log
  path: {folder}/{log}
  format: jsonl
  documents: {{path: {folder}/documents.jsonl, format: jsonl}}
"""
KEY = "very/secret+key01234567890123456789"


def installed(provider: str) -> bool:
    """Whether a provider of Airflow's is there."""
    try:
        return util.find_spec(f"airflow.providers.{provider}") is not None
    except ModuleNotFoundError:
        return False


def write_shop(folder: Path) -> None:
    """A log of 40 queries, its documents, and two retrievers: one of them has no log."""
    queries = [f"how to mend thing number {number}" for number in range(40)]
    events = [
        {"event_time": "2026-02-20T10:00:00Z", "query": query, "document_id": f"d{number % 10}"}
        for number, query in enumerate(queries)
    ]
    documents = [{"document_id": f"d{n}", "title": f"Thing {n}", "text": f"Mends thing {n} well."} for n in range(10)]
    for name, rows in (("log", events), ("documents", documents)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, log in (("shop", "log.jsonl"), ("lost", "nowhere.jsonl")):
        (folder / f"{name}.yaml").write_text(SHOP.format(name=name, folder=folder, log=log))


@pytest.fixture(scope="module")
def storage() -> Iterator[str]:
    running = subprocess.Popen(
        [sys.executable, "-m", "tests.s3", "--bucket", "synalign"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    yield running.stdout.readline().strip()
    running.terminate()
    running.wait()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, storage: str) -> dict[str, Any]:
    if not installed("apache.livy"):
        pytest.skip("needs the extra `livy`")
    folder = tmp_path_factory.mktemp("elsewhere")
    write_shop(folder)
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
        "AWS_ENDPOINT_URL_S3": storage,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE12",
        "AWS_SECRET_ACCESS_KEY": KEY,
        "SYNALIGN_HOME": str(folder / "worker"),
        "SYNALIGN_STORE": "s3://synalign/store",
        "PYTHONWARNINGS": "ignore",
    }
    also = ["kubernetes"] if installed("cncf.kubernetes") else []
    done = subprocess.run(
        [sys.executable, "-m", "tests.orchestration.engines.elsewhere", str(folder), *also],
        env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=1200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    found: dict[str, Any] = json.loads(done.stdout.rsplit("RESULT", 1)[1].splitlines()[0])
    return found


def test_the_summary_of_a_batch_of_livys_comes_back_by_object_storage(ran: dict[str, Any]) -> None:
    livy = ran["found"]["livy"]
    assert livy["deferred"]
    assert livy["ended_at"] == (
        "s3://synalign/store/outcomes/refresh__shop/scheduled__2026-03-01T00:00:00+00:00/ingest.json"
    )
    assert (livy["returned"]["step"], livy["returned"]["reused"]) == ("ingest", False)
    # 40 queries that differ, each with its one click.
    assert {table: livy["returned"]["rows"][table] for table in ("queries", "pairs", "documents")} == {
        "queries": 40, "pairs": 40, "documents": 10,
    }  # fmt: skip


@pytest.mark.parametrize("engine", ["submit", "followed", "kubernetes"])
def test_every_cluster_finds_the_same_run_and_its_summary_comes_back(ran: dict[str, Any], engine: str) -> None:
    if engine not in ran["found"]:
        pytest.skip("needs the extra `kubernetes`")
    returned = ran["found"][engine]["returned"]
    assert (returned["step"], returned["reused"]) == ("ingest", True)
    assert returned["rows"] == ran["found"]["livy"]["returned"]["rows"]


@pytest.mark.parametrize("engine", ["livy_fails", "yarn", "kubernetes_fails"])
def test_a_task_fails_in_the_words_of_its_job_elsewhere(ran: dict[str, Any], engine: str) -> None:
    if engine not in ran["found"]:
        pytest.skip("needs the extra `kubernetes`")
    ended = ran["found"][engine]
    assert ended["exit_code"] == 3
    assert ended["failed"].startswith("InputError: ") and "nowhere.jsonl" in ended["failed"]


def test_yarn_is_followed_by_its_rest_api_only_where_the_connection_names_it(ran: dict[str, Any]) -> None:
    waits = ["spark.yarn.submit.waitAppCompletion=false" in words for words in ran["submitted"]]
    # submit, yarn, followed, and what Kubernetes gets.
    assert waits[:3] == [False, False, True]
    assert set(ran["manager"]) == {"/ws/v1/cluster/apps/application_1700000000000_0001"}


def test_no_command_line_has_the_key(ran: dict[str, Any]) -> None:
    for words in [*ran["submitted"], *(batch["args"] for batch in ran["livy"])]:
        assert not any(KEY in word for word in words)
        assert any("SYNALIGN_OUTCOME=s3://" in word for word in words)
