"""One refresh through the whole topology in a bad night: every part of it fails while a step that needs it runs.

The faults befall one step each, so that what came of each can be told; at the end all tables are those of a calm
refresh, byte for byte, and nothing was paid twice beyond what was in flight. Faults that need a single process only
are in `test_step_faults`, those of registering in `test_registering`.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from synalign import flow
from synalign.errors import SetupError
from synalign.local.airflow_api import OVER, AirflowApi
from tests.production import faults
from tests.production.alone import INTERVAL, Alone, digests
from tests.production.conftest import EXTENT, Production, small
from tests.production.faults import Seen
from tests.production.proxy import NONE, Fault, Request, fair

DAG, RUN = "refresh__faulty", "bad-night"
AWAY_SECONDS = 60.0
NIGHT_SECONDS = 2700.0
pytestmark = [
    pytest.mark.skipif(EXTENT != "full", reason="a bad night takes half an hour: make test-production FULL=1"),
    # Beside the night: the topology's start, and the calm refresh to compare with.
    pytest.mark.timeout(2 * NIGHT_SECONDS),
]
EXECUTOR = "CoarseGrainedExecutorBackend"


class Night:
    """The refresh, and what is known of it while it runs.

    Attributes:
        production: The topology.
        restarted: Services that ended by themselves and were started again, as Docker does.
    """

    def __init__(self, production: Production) -> None:
        self.production = production
        self.restarted: list[str] = []
        self._api: AirflowApi | None = None

    def state(self, step: str = "") -> dict[str, Any]:
        """What Airflow says of a step's task, or of the whole run; nothing while Airflow is away."""
        try:
            self._api = self._api or self.production.api
            task = f"/taskInstances/{step}" if step else ""
            found: dict[str, Any] = self._api.get(f"dags/{DAG}/dagRuns/{RUN}{task}")
            return found
        except (SetupError, OSError, ValueError):
            self._api = None
            return {"state": None}

    def until(self, look: Callable[[], Any], what: str, pause: float = 0.5) -> Any:
        """Wait until there is something, as Docker would meanwhile: what ends by itself is started again."""
        topology, deadline = self.production.topology, time.monotonic() + NIGHT_SECONDS
        looked = time.monotonic()
        while not (found := look()):
            assert time.monotonic() < deadline, f"waited for {what} in vain"
            if time.monotonic() - looked > 15:
                assert self.state()["state"] not in OVER, f"the run ended before {what}"
                looked = time.monotonic()
            for name, process in list(topology.processes.items()):
                if process.poll() is not None and topology.content["services"][name].get("restart") != "no":
                    self.restarted.append(name)
                    topology.start(name)
            time.sleep(pause)
        return found

    def processes(self, *words: str) -> list[psutil.Process]:
        """Processes of the topology with all these words on their command lines."""
        found = []
        for process in self.production.topology.family():
            try:
                line = " ".join(process.cmdline())
            except psutil.Error:
                continue
            if all(word in line for word in words):
                found.append(process)
        return found

    def job(self, step: str) -> psutil.Process:
        """The Python process of a step's job, once it runs."""
        name = f"application.py {flow.step(step).job} "

        looks = itertools.count(1)

        def look() -> psutil.Process | None:
            found = self.processes(name, f"--step {step} ")
            assert next(looks) % 20 or self.state(step)["state"] != "success", f"{step} ended before it was seen"
            return next((one for one in found if "python" in one.name() and "java" not in one.cmdline()[0]), None)

        process: psutil.Process = self.until(look, f"the job of {step}")
        return process

    def tries(self, step: str) -> int:
        """How often a step was tried, once it has succeeded."""

        def look() -> int:
            found = self.state(step)
            assert found["state"] != "failed", (step, found)
            return int(found["try_number"]) if found["state"] == "success" else 0

        return int(self.until(look, f"the end of {step}", 2.0))

    def note(self, fault: str, step: str, outcome: str, twice: str = "") -> None:
        """Put a fault on record, once the step has ended well; whether its bytes are right is seen at the end."""
        tries = self.tries(step)
        RESULTS.append(Seen(fault, step, f"{outcome}; {tries} {'try' if tries == 1 else 'tries'}", False, twice))


RESULTS: list[Seen] = []


@pytest.fixture(scope="module")
def night(production: Production) -> Night:
    """The refresh, just begun."""
    (production.retrievers / "faulty.yaml").write_text(small(production.data, production.writer, name="faulty"))
    production.wait_for_dag(DAG)
    production.api.trigger(DAG, RUN, "2026-03-01T00:00:00Z")
    return Night(production)


def kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


def a_worker_is_killed(night: Night) -> None:
    topology = night.production.topology
    night.until(lambda: night.processes(EXECUTOR), "executors")
    time.sleep(2)
    topology.kill("spark-worker-1")
    time.sleep(5)
    topology.start("spark-worker-1")
    night.note("Spark worker killed, with its executor", "ingest", "goes on with the other worker")


def an_executor_is_killed(night: Night) -> None:
    night.job("embed")
    executor = night.until(lambda: night.processes(EXECUTOR), "executors")[0]
    time.sleep(2)
    kill([executor])
    night.note("Spark executor killed", "embed", "its tasks run again elsewhere")


def the_endpoint_goes_away(night: Night) -> None:
    """And a second job for the interval is started by hand, as by a second scheduler."""
    production, line = night.production, night.production.to_writer
    first, away = len(line.seen), threading.Event()

    def leave(request: Request) -> Fault:
        if request.number - first == 4 and not away.is_set():
            away.set()
            line.down_for(AWAY_SECONDS)
        return NONE

    before = production.paid()
    line.weather = leave
    job, second = night.job("generate").cmdline(), []
    by_hand = threading.Thread(target=lambda: second.append(production.topology.run("scheduler", *job)))
    by_hand.start()
    night.until(away.is_set, "the fourth request")
    by_hand.join()
    tries = night.tries("generate")
    line.weather = fair
    assert second[0].returncode == 5, second[0].stderr[-2000:]
    assert "BusyError" in second[0].stderr
    after = production.paid()
    twice = sum(max(0, count - before.get(body, 0) - 1) for body, count in after.items())
    assert tries == 1
    assert twice <= 4
    RESULTS.append(
        Seen(
            f"model endpoint away for {AWAY_SECONDS:.0f} s", "generate", "waits, goes on; 1 try", False, f"{twice} of 4"
        )
    )
    RESULTS.append(Seen("a second job for the interval", "generate", "told (exit 5), the first goes on", False))


def the_driver_is_killed(night: Night) -> None:
    job = night.job("embed_candidates")
    night.until(lambda: night.processes(EXECUTOR), "executors")
    time.sleep(2)
    kill([*night.processes("SparkSubmit", "embed_candidates"), job])
    night.note("Spark driver killed", "embed_candidates", "tried again by Airflow")


def storage_is_slow_and_busy(night: Night) -> None:
    line = night.production.to_storage
    before, first = line.befallen, len(line.seen)
    line.weather = lambda request: Fault(status=503) if request.number % 3 == 0 else Fault(seconds=0.2)
    tries = night.tries("screen")
    line.weather = fair
    assert line.befallen - before > 5
    met = f"{len(line.seen) - first} requests, refused ones sent again"
    RESULTS.append(Seen("storage slow, every 3rd request 503", "screen", f"{met}; {tries} try", False))


def the_task_is_killed(night: Night) -> None:
    job = night.job("align")
    kill([job.parent(), job])
    night.note("Airflow task killed, with its job", "align", "tried again by Airflow")


def the_scheduler_is_killed(night: Night) -> None:
    topology = night.production.topology
    night.job("evaluate")
    topology.kill("scheduler")
    topology.start("scheduler")
    night.note("scheduler killed, with all it ran, and started", "evaluate", "the lost task is found and tried again")


def postgresql_is_restarted(night: Night) -> None:
    topology = night.production.topology
    night.job("assemble")
    topology.stop("postgres")
    time.sleep(5)
    topology.start("postgres")
    topology.wait("postgres")
    night.note("PostgreSQL stopped for 5 s, and started", "assemble", "goes on; Airflow's services start again")


def mlflow_goes_away(night: Night) -> None:
    topology = night.production.topology
    night.job("register")
    topology.kill("mlflow")
    time.sleep(AWAY_SECONDS)
    topology.start("mlflow")
    night.note(f"MLflow killed, started {AWAY_SECONDS:.0f} s later", "register", "waits; one version")


def test_a_refresh_in_a_bad_night_gives_what_a_calm_one_gives(
    night: Night, tmp_path_factory: pytest.TempPathFactory
) -> None:
    production, failed = night.production, list[str]()
    for befall in (
        a_worker_is_killed,
        an_executor_is_killed,
        the_endpoint_goes_away,
        the_driver_is_killed,
        storage_is_slow_and_busy,
        the_task_is_killed,
        the_scheduler_is_killed,
        postgresql_is_restarted,
        mlflow_goes_away,
    ):
        began, mended = time.monotonic(), len(night.restarted)
        try:
            befall(night)
        except Exception as error:
            # The night goes on: what the others do is to be seen too.
            failed.append(f"{befall.__name__}: {error!r}")
        took, again = time.monotonic() - began, ", ".join(night.restarted[mended:])
        told = "; ".join(f"{seen.step}: {seen.outcome}" for seen in RESULTS[-2:])
        print(f"{befall.__name__}: {took:.0f} s ({told}); ended by themselves: {again or 'none'}", file=sys.stderr)
    production.follow(DAG, RUN)
    # Afterwards: the writer's count of what was paid is that of the night alone.
    calm = Alone(production, tmp_path_factory.mktemp("alone")).digests()
    found = digests([production.manifest("faulty", INTERVAL, step.name) for step in flow.STEPS])
    for seen in RESULTS:
        tables = flow.step(seen.step).writes
        same = all(found[table] == calm[table] for table in tables if table != "requests")
        faults.note(seen._replace(same=same and found["training_set"] == calm["training_set"]))
    assert found == calm
    versions = production.mlflow("model-versions/search?filter=name%3D%27faulty-training-set%27")["model_versions"]
    assert [version["version"] for version in versions] == ["1"]
    assert not failed
