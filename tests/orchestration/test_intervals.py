"""The interval of a run that an asset's update has started: by rule, and in a run that Airflow's scheduler makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from synalign.config.cron import Ticks
from synalign.errors import RunError
from synalign.orchestration.intervals import covered

ROOT = Path(__file__).parent.parent.parent
BERLIN = Ticks("0 3 * * *", "Europe/Berlin")


def asked(*extras: dict[str, Any], at: str = "2026-03-05T12:00", logical: str | None = None) -> tuple[str, str]:
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
    run = SimpleNamespace(
        run_after=moment, logical_date=datetime.fromisoformat(logical).replace(tzinfo=UTC) if logical else None
    )
    events = {f"asset {n}": [SimpleNamespace(extra=extra)] for n, extra in enumerate(extras)}
    found = covered(BERLIN, run, events)
    return f"{found.start:%m-%dT%H:%M}", f"{found.end:%m-%dT%H:%M}"


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-03-05T12:00", ("03-04T02:00", "03-05T02:00")),
        # At the tick itself the interval has ended; a minute before it has not.
        ("2026-03-05T02:00", ("03-04T02:00", "03-05T02:00")),
        ("2026-03-05T01:59", ("03-03T02:00", "03-04T02:00")),
        # The day on which the clock is put forward has 23 hours.
        ("2026-03-29T06:00", ("03-28T02:00", "03-29T01:00")),
    ],
)
def test_an_update_that_names_nothing_covers_the_last_interval_that_had_ended(
    at: str, expected: tuple[str, str]
) -> None:
    assert asked({}, at=at) == asked(at=at) == expected


def test_a_date_that_a_person_gives_goes_before_the_time_of_the_run() -> None:
    assert asked(logical="2026-03-02T02:00") == ("03-01T02:00", "03-02T02:00")


def test_a_partition_is_a_day_on_the_schedules_clock() -> None:
    assert asked({"partition": "2026-03-01"}) == ("02-28T23:00", "03-01T23:00")


def test_an_update_may_name_its_interval_and_several_are_covered_together() -> None:
    first = {"interval_start": "2026-03-01T00:00+00:00", "interval_end": "2026-03-02T00:00Z", "rows": 5}
    # Without a zone: Berlin's clock.
    second = {"interval_start": "2026-03-02T01:00", "interval_end": "2026-03-03T01:00"}
    assert asked(first) == ("03-01T00:00", "03-02T00:00")
    assert asked(first, {"rows": 1}, second) == ("03-01T00:00", "03-03T00:00")


@pytest.mark.parametrize(
    "extra",
    [
        {"partition": "dt=2026-03-01"},
        {"partition": None},
        {"interval_start": "2026-03-01"},
        {"interval_start": "2026-03-02", "interval_end": "2026-03-01"},
        {"interval_start": "x", "interval_end": "2026-03-01"},
    ],
)
def test_an_update_that_names_no_interval_is_refused_with_what_it_says(extra: dict[str, Any]) -> None:
    with pytest.raises(RunError, match="the asset's update names no interval: ") as caught:
        asked(extra)
    assert str(next(iter(extra.values()))) in str(caught.value)


FILE = """
retriever: shop
schedule: {start: 2026-01-01, cron: "@daily", asset: %s}
source: {kind: beir, path: x}
"""

# The scheduler's own functions make the runs; a worker's own run their first task, with its arguments kept.
IN_AIRFLOW = """
import json, os, sys
from airflow.utils.db import initdb
initdb()
from sqlalchemy import select
from airflow.assets.manager import AssetManager
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models import DagModel, DagRun
from airflow.models.asset import AssetModel
from airflow.sdk.definitions.dag import _run_task
from airflow.utils.session import create_session
from airflow.utils.sqlalchemy import prohibit_commit

manager = DagBundlesManager()
with create_session() as session:
    manager.sync_bundles_to_db(session=session)
(bundle,) = manager.get_all_dag_bundles()
bundle.initialize()
bag = BundleDagBag(dag_folder=bundle.path, bundle_path=bundle.path, bundle_name=bundle.name)
sync_bag_to_db(bag, bundle.name, bundle.version)
dag = bag.dags["refresh__shop"]

def update(extra, uris):
    with create_session() as session:
        model = session.scalar(select(DagModel).where(DagModel.dag_id == dag.dag_id))
        model.is_paused = False
        # One run at a time: the one before is over, and the scheduler knows it.
        model.exceeds_max_non_backfill = False
        for run in session.scalars(select(DagRun)).unique():
            run.state = "success"
        session.flush()
        for uri in uris:
            asset = session.scalar(select(AssetModel).where(AssetModel.uri == uri))
            AssetManager.register_asset_change(asset=asset, extra=extra, session=session)
    runner = SchedulerJobRunner(Job())
    with create_session() as session:
        session.add(runner.job)
        session.flush()
        with prohibit_commit(session) as guard:
            runner._create_dagruns_for_dags(guard, session)

def runs():
    with create_session() as session:
        return session.scalars(select(DagRun).order_by(DagRun.run_after)).unique().all()

asked = json.loads(sys.argv[1])
counts = []
for extra, uris in asked:
    update(extra, uris)
    counts.append(len(runs()))
found = []
for run in runs():
    with create_session() as session:
        run = session.merge(run)
        tis = {ti.task_id: ti for ti in run.task_instances}
        session.expunge_all()
    for name in ("ingest", "sample"):
        _run_task(ti=tis[name], task=dag.get_task(name))
    found.append([run.run_type, str(run.data_interval_start), run.run_after.isoformat()])
print("RESULT" + json.dumps({"counts": counts, "runs": found, "errors": list(bag.import_errors.values())}))
"""

PYTHON = """#!/bin/sh
echo "$@" >> {kept}
"""


@pytest.mark.airflow
def test_a_run_that_the_scheduler_starts_for_an_asset_covers_what_its_update_names(tmp_path: Path) -> None:
    assets = ["s3://lake/query_log", "s3://lake/documents"]
    (tmp_path / "shop.yaml").write_text(FILE % json.dumps(assets))
    kept = tmp_path / "kept"
    (tmp_path / "python").write_text(PYTHON.format(kept=kept))
    (tmp_path / "python").chmod(0o755)
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path / 'airflow.db'}",
        "PYTHONWARNINGS": "ignore",
        "SYNALIGN_RETRIEVERS": str(tmp_path),
        "SYNALIGN_PYTHON": str(tmp_path / "python"),
        # Spark steps are plain processes, then.
        "SPARK_REMOTE": "sc://spark.example.org:15002",
    }
    updates = [
        [{"partition": "2026-03-01"}, assets[:1]],
        [{"partition": "2026-03-02"}, assets[1:]],
        [{}, assets],
    ]
    done = subprocess.run(
        [sys.executable, "-c", IN_AIRFLOW, json.dumps(updates)],
        env=environment, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    found = json.loads(done.stdout.rsplit("RESULT", 1)[1].splitlines()[0])
    assert found["errors"] == []
    # One asset alone starts nothing; both do, once for each pair of updates.
    assert found["counts"] == [0, 1, 2]
    assert [run[:2] for run in found["runs"]] == [["asset_triggered", "None"]] * 2
    lines = kept.read_text().splitlines()
    assert [line.split(" --start ")[0].rsplit(" ", 1)[1] for line in lines] == ["ingest", "sample"] * 2
    intervals = [line.split(" --start ")[1].split(" --end ") for line in lines]
    assert intervals[:2] == [["2026-03-01T00:00:00+00:00", "2026-03-03T00:00:00+00:00"]] * 2
    # The last whole day before the update.
    today = datetime.fromisoformat(found["runs"][1][2]).date()
    assert intervals[2] == intervals[3]
    start, end = map(datetime.fromisoformat, intervals[2])
    assert (end.date(), (end - start).days, end.hour) == (today, 1, 0)
