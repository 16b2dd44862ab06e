"""Runs *ingest* by drivers elsewhere, as tasks of Airflow's: a process of the tests in test_elsewhere.py.

Object storage is moto's; Livy, spark-submit on a cluster and YARN's resource manager are doubles (doubles.py).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow.sdk.exceptions import TaskDeferred

from synalign.orchestration.engines import Spark, SparkJob, spark_task
from synalign.orchestration.engines.job import APPLICATION
from synalign.orchestration.operators import JobFailed
from tests.orchestration.engines import doubles

FOLDER = Path(sys.argv[1]) if __name__ == "__main__" else Path()
WHEN = ["--start", "2026-02-28T00:00:00+00:00", "--end", "2026-03-01T00:00:00+00:00"]


def main() -> None:
    """Print what came of each task, as JSON."""
    livy, manager = doubles.Livy(), doubles.ResourceManager(FOLDER)
    doubles.spark_submit(FOLDER)
    os.environ["PATH"] = f"{FOLDER}{os.pathsep}{os.environ['PATH']}"
    connections = {
        "livy_default": {"conn_type": "livy", "host": "127.0.0.1", "port": livy.server.server_port},
        "yarn": {"conn_type": "spark", "host": "yarn", "extra": {"deploy-mode": "cluster"}},
        "followed": {
            "conn_type": "spark", "host": "yarn",
            "extra": {"yarn_resourcemanager_webapp_address": f"http://127.0.0.1:{manager.server.server_port}"},
        },
        "k8s": {"conn_type": "spark", "host": "k8s://https://127.0.0.1:6443", "extra": {"namespace": "search"}},
    }  # fmt: skip
    for name, connection in connections.items():
        os.environ[f"AIRFLOW_CONN_{name.upper()}"] = json.dumps(connection)
    shared: dict[str, Any] = {"python": sys.executable, "environment": {"SYNALIGN_HOME": str(FOLDER / "driver")}}
    by_livy = Spark(engine="livy", application=str(APPLICATION), options={"polling_interval": 1}, **shared)
    found = {
        "livy": run(by_livy, "shop"),
        "livy_fails": run(by_livy, "lost"),
        # As today's default: whoever has such a connection had the provider's ValueError.
        "submit": run(Spark(connection="yarn", **shared), "shop"),
        "yarn": run(Spark(engine="yarn", connection="yarn", **shared), "lost"),
        "followed": run(Spark(engine="yarn", connection="followed", **shared), "shop"),
    }
    if "kubernetes" in sys.argv:
        application = f"local://{APPLICATION}"
        kubernetes = Spark(engine="kubernetes", connection="k8s", application=application, **shared)
        found |= {"kubernetes": run(kubernetes, "shop"), "kubernetes_fails": run(kubernetes, "lost")}
    submitted = [json.loads(line) for line in (FOLDER / "submitted.jsonl").read_text().splitlines()]
    print("RESULT" + json.dumps({"found": found, "submitted": submitted, "livy": livy.asked, "manager": manager.asked}))


def run(spark: Spark, retriever: str) -> dict[str, Any]:
    """Run a task as a worker and, where it defers, the triggerer would."""
    job = SparkJob("ingest", FOLDER / f"{retriever}.yaml", ["--step", "ingest", *WHEN], f"ingest {retriever}", {})
    task = spark_task(job, spark, task_id="ingest")
    pushed: dict[str, Any] = {}
    ti = SimpleNamespace(
        dag_id=f"refresh__{retriever}", run_id="scheduled__2026-03-01T00:00:00+00:00", task_id="ingest", try_number=1,
        stats_tags={}, xcom_push=lambda key, value: pushed.update({key: value}),
    )  # fmt: skip
    context: Any = {"ti": ti, "task": task}
    task.render_template_fields(context)
    said: dict[str, Any] = {"ended_at": task.ended_at, "deferred": False}
    try:
        try:
            said["returned"] = task.execute(context)
        except TaskDeferred as deferred:
            said["deferred"] = True
            event = asyncio.run(_event(deferred.trigger))
            said["returned"] = getattr(task, deferred.method_name)(context, event)
    except JobFailed as error:
        said |= {"failed": str(error), "exit_code": error.exit_code}
    return said


async def _event(trigger: Any) -> Any:
    async for event in trigger.run():
        return event.payload
    raise RuntimeError("the trigger ended without an event")


if __name__ == "__main__":
    main()
