"""Days of two retrievers at once through Airflow's backfill: each interval as if run alone, in order."""

import json
import os
import re
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from synalign import flow
from synalign.local.airflow_api import wait_for
from synalign.orchestration.turn import PATIENCE
from tests.production.conftest import SECONDS, Production, small

DAYS = int(os.environ.get("SYNALIGN_TEST_DAYS", "7"))
"""A week; fewer to look at the order alone."""

LAST = date(2026, 2, 28)
"""Start of the last interval: the made log ends there."""

DATES = [LAST - timedelta(days=back) for back in reversed(range(DAYS))]
RETRIEVERS = ("first", "second")
AT_ONCE = 2
pytestmark = pytest.mark.timeout(SECONDS * DAYS * (len(RETRIEVERS) + 1))
"""Whoever asks first waits for the whole backfill and for the intervals run alone."""

SYNALIGN = str(Path(sys.executable).with_name("synalign"))


def yaml_of(production: Production, name: str) -> str:
    """A retriever whose weights are not tried on trained ones: what is looked at here is the order."""
    text = small(production.data, production.writer, name=name, start=str(DATES[0]))
    return re.sub(r"(?m)^evaluation: .*$", "evaluation: {retriever: none}", text)


def interval(day: date) -> str:
    return f"{day:%Y%m%d}T000000Z-{day + timedelta(days=1):%Y%m%d}T000000Z"


def digests(manifests: list[dict[str, Any]]) -> dict[str, str]:
    tables = {name: table for manifest in manifests for name, table in manifest["tables"].items()}
    return {name: table["digest"] for name, table in tables.items() if name != "requests"}


@pytest.fixture(scope="module")
def alone(production: Production, tmp_path_factory: pytest.TempPathFactory) -> dict[date, dict[str, str]]:
    """Digests of every table of each interval, run one after another on one machine; names define no table."""
    home = tmp_path_factory.mktemp("alone")
    file = home / "first.yaml"
    file.write_text(yaml_of(production, "first"))
    kept = {name: production.topology.environment("scheduler")[name] for name in ("PATH", "LANG")}
    environment = {**kept, "HOME": str(home), "SYNALIGN_HOME": str(home / "home"), "MODEL_API_KEY": "any"}
    found = {}
    for day in DATES:
        command = [SYNALIGN, "refresh", str(file), "--date", str(day + timedelta(days=1))]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        folder = home / "home" / "runs" / "first" / interval(day)
        manifests = [json.loads((folder / step.name / "manifest.json").read_text()) for step in flow.STEPS]
        found[day] = digests(manifests)
    return found


@pytest.fixture(scope="module")
def backfilled(production: Production) -> Production:
    """The topology after a backfill of both retrievers at once."""
    for name in RETRIEVERS:
        (production.retrievers / f"{name}.yaml").write_text(yaml_of(production, name))
    for name in RETRIEVERS:
        production.wait_for_dag(f"refresh__{name}")
    dates = ["--from-date", str(DATES[0]), "--to-date", str(DATES[-1]), "--max-active-runs", str(AT_ONCE)]
    for name in RETRIEVERS:
        command = ["airflow", "backfill", "create", "--dag-id", f"refresh__{name}", *dates]
        done = production.topology.run("api-server", *command)
        assert done.returncode == 0, done.stdout + done.stderr
    for name in RETRIEVERS:
        production.unpause(f"refresh__{name}")
    runs = {f"refresh__{name}": backfills(production, name) for name in RETRIEVERS}
    assert [len(found) for found in runs.values()] == [DAYS] * len(RETRIEVERS)
    production.follow_all({dag: [run["dag_run_id"] for run in found] for dag, found in runs.items()}, SECONDS * DAYS)
    return production


@pytest.mark.parametrize("name", RETRIEVERS)
def test_each_interval_is_what_it_is_when_they_run_one_after_another(
    backfilled: Production, alone: dict[date, dict[str, str]], name: str
) -> None:
    for day in DATES:
        manifests = [backfilled.manifest(name, interval(day), step.name) for step in flow.STEPS]
        assert digests(manifests) == alone[day], day


@pytest.mark.parametrize("step", ["carry", "sample"])
@pytest.mark.parametrize("name", RETRIEVERS)
def test_every_interval_knew_all_that_was_left_before(backfilled: Production, name: str, step: str) -> None:
    for at, day in enumerate(DATES):
        outside = backfilled.manifest(name, interval(day), step)["outside"]
        assert set(outside) >= {interval(earlier) for earlier in DATES[:at]}
        assert len(outside) == at


def test_no_more_ran_at_once_than_the_bounds_allow(backfilled: Production) -> None:
    tasks = {name: instances(backfilled, f"refresh__{name}") for name in RETRIEVERS}
    working = [(task["start_date"], task["end_date"]) for found in tasks.values() for task in found]
    parallelism = int(backfilled.topology.services["scheduler"].environment["AIRFLOW__CORE__PARALLELISM"])
    assert 1 < most_at_once(working) <= parallelism
    for name in RETRIEVERS:
        runs = backfills(backfilled, name)
        assert most_at_once([(run["start_date"], run["end_date"]) for run in runs]) <= AT_ONCE


def test_one_that_runs_backwards_does_not_wait_for_ever(production: Production) -> None:
    """Its only slot is held by the later interval, which waits for the earlier one: that one cannot start."""
    name, dag = "backwards", "refresh__backwards"
    (production.retrievers / f"{name}.yaml").write_text(yaml_of(production, name))
    production.wait_for_dag(dag)
    dates = ["--from-date", str(DATES[-2]), "--to-date", str(DATES[-1]), "--max-active-runs", "1", "--run-backwards"]
    done = production.topology.run("api-server", "airflow", "backfill", "create", "--dag-id", dag, *dates)
    assert done.returncode == 0, done.stdout + done.stderr
    production.unpause(dag)
    earlier, later = sorted(backfills(production, name), key=lambda run: str(run["logical_date"]))
    wait_for(lambda: production.api.tasks(dag, later["dag_run_id"]).get("turn") == "deferred", "its turn", SECONDS)
    assert production.api.state(dag, earlier["dag_run_id"]) == "queued"
    began = time.monotonic()
    wait_for(lambda: production.api.tasks(dag, later["dag_run_id"]).get("turn") == "success", "going on", SECONDS)
    assert time.monotonic() - began > PATIENCE / 2
    assert production.api.state(dag, earlier["dag_run_id"]) == "queued"
    # The schedule added one for today once the DAG was let go.
    for run in production.runs(dag):
        production.end(dag, run["dag_run_id"])


def backfills(production: Production, name: str) -> list[dict[str, Any]]:
    """Runs of a retriever's backfill."""
    return [run for run in production.runs(f"refresh__{name}") if run["run_type"] == "backfill"]


def instances(production: Production, dag: str) -> list[dict[str, Any]]:
    """Task instances of the backfill that took a worker slot: waiting for a turn takes none."""
    found = production.api.get(f"dags/{dag}/dagRuns/~/taskInstances?limit=1000")["task_instances"]
    return [task for task in found if task["start_date"] and task["end_date"] and task["task_id"] != "turn"]


def most_at_once(spans: list[tuple[str, str]]) -> int:
    """Most of some spans of time (ISO 8601, one zone) that hold at any moment."""
    # An end comes before a start at the same moment.
    events = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    held, most = 0, 0
    for _, change in events:
        held += change
        most = max(most, held)
    return most
