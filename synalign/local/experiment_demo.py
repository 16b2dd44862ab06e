"""`make experiment-demo`: three online tests whose truth is known, read out by the real DAG, each verdict beside it.

Airflow's scheduler runs the DAG `read_experiment__<retriever>` of each, with Spark and MLflow; where it asks whether to
promote, the demo answers yes over Airflow's REST API, as a person would in its pages. Everything is in a folder of its
own, on loopback, and ended with the demo.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

import yaml

from synalign import config
from synalign.errors import SynAlignError
from synalign.experiment import approval
from synalign.experiment.findings import Readout
from synalign.experiment.plan import (
    Arm,
    Covariate,
    ExperimentPlan,
    Guardrail,
    Metric,
    TrainingSet,
)
from synalign.local import experiment_data, services
from synalign.local.airflow_api import OVER, AirflowApi, wait_for
from synalign.local.experiment_data import World

START = date(2026, 3, 2)
DAYS = 14
SERVICES = ("api-server", "scheduler", "dag-processor")
THINKING = 15.0
"""Seconds before a question is answered. Airflow 3.3 loses an answer that comes before its scheduler has noticed that
the task has stopped to wait (some seconds), takes the task for failed, and asks again."""
_PATIENCE = 1800.0


class Case(NamedTuple):
    """An experiment whose truth is known.

    Attributes:
        retriever: Names it.
        world: What is true.
        truth: The same in words.
        right: Verdict that is right on the last day.
    """

    retriever: str
    world: World
    truth: str
    right: str


CASES = (
    Case("uplift", World(12_000, uplift=0.08, seed=1), "treatment gets 8 % more clicks per search", "ship"),
    Case("same", World(12_000, seed=2), "both arms are the same (A/A)", "no difference"),
    Case(
        "broken",
        World(12_000, uplift=0.08, lost=0.2, seed=3),
        "8 % more clicks, but a fifth of the treatment's people is missing in the log",
        "void",
    ),
)


def plan(case: Case) -> ExperimentPlan:
    """Return the plan of a case: sized on the weeks before, with CUPED, a guardrail and a secondary metric."""
    covariate = Covariate(days=DAYS)
    return ExperimentPlan(
        id=f"{case.retriever}-2026-03",
        retriever=case.retriever,
        hypothesis="A retriever trained on the augmented set brings better results to the top, so more searches "
        "end with a click.",
        owner="search",
        salt=f"{case.retriever}-2026-03",
        start=START,
        stop=START + timedelta(days=DAYS - 1),
        arms=(_arm("control", case), _arm("treatment", case)),
        primary=Metric(name="clicks_per_search", numerator="clicks", denominator="searches"),
        secondary=(Metric(name="orders_per_user", numerator="orders"),),
        guardrails=(
            Guardrail(name="latency", numerator="latency_ms", denominator="searches", better="lower", margin=0.03),
        ),
        covariate=covariate,
        minimum_detectable_effect=0.05,
        baseline=experiment_data.baseline(case.world, START, DAYS, covariate),
    )


def prepare(case: Case) -> ExperimentPlan:
    """Start a case's experiment, and put its logs and its retriever's YAML file into `home()`."""
    from synalign.registry import lifecycle
    from synalign.registry.connection import tracking_uri

    started = plan(case)
    home = config.home()
    lifecycle.start(started, started.owner, datetime.now(UTC), tracking_uri())
    logs = experiment_data.make(started, home / "data" / case.retriever, case.world)
    content = {
        "retriever": case.retriever,
        "description": case.truth,
        "schedule": {"start": START},
        "source": {"kind": "beir", "path": f"data/{case.retriever}/beir"},
        "experiment": {
            "exposures": str(logs.exposures.relative_to(home)),
            "outcomes": str(logs.outcomes.relative_to(home)),
            "cron": "0 0 * * *",
        },
    }
    path = home / "retrievers" / f"{case.retriever}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return started


@contextlib.contextmanager
def airflow(say: Callable[[str], None]) -> Iterator[AirflowApi]:
    """Airflow's API server, scheduler and DAG processor, until the block ends."""
    services.down(lambda _: None)
    try:
        services.up(say, only=SERVICES)
        password = json.loads((config.home() / "airflow" / "passwords.json").read_text())["admin"]
        yield AirflowApi(f"http://127.0.0.1:{services.Ports.from_environment().airflow}", "admin", password)
    finally:
        services.down(lambda _: None)


def trigger(api: AirflowApi, retriever: str, day: date) -> str:
    """Have a day read out; gives the id of the DAG run."""
    dag, run = dag_of(retriever), f"read-{day}"
    wait_for(lambda: dag in api.dags(), f"the DAG {dag}", _PATIENCE)
    api.trigger(dag, run, f"{day + timedelta(days=1)}T00:00:00Z")
    return run


def follow(api: AirflowApi, retriever: str, run: str, answer: str) -> str | None:
    """Wait until a run has ended, answering where it asks.

    Args:
        api: Of Airflow.
        retriever: Whose DAG.
        run: Id of the DAG run.
        answer: `Approve` or `Reject`.

    Returns:
        What was asked, in Markdown; None: nothing was.

    Raises:
        SynAlignError: The run failed.
    """
    dag, asked, seen = dag_of(retriever), None, dict[str, float]()

    def over() -> str | None:
        nonlocal asked
        state = api.state(dag, run)
        for question in api.questions(dag, run) if state not in OVER else []:
            since = seen.setdefault(str(question["created_at"]), time.monotonic())
            if time.monotonic() - since >= THINKING:
                asked = str(question["body"])
                api.answer(dag, run, answer)
        return state if state in OVER else None

    if wait_for(over, f"{dag}, run {run}", _PATIENCE) == "failed":
        raise SynAlignError(
            f"{dag} failed: {api.tasks(dag, run)}.", remedy=f"logs: {config.home() / 'airflow' / 'logs'}"
        )
    return asked


def dag_of(retriever: str) -> str:
    """Id of the DAG that reads a retriever's experiments out."""
    return f"read_experiment__{retriever}"


def verdict(started: ExperimentPlan, day: date) -> Readout:
    """Return the readout of an experiment on a day."""
    return approval.seen(started, day).readout


@contextlib.contextmanager
def own_home(folder: Path) -> Iterator[None]:
    """Everything of this process and of those it starts is in one folder, on ports that nobody has."""
    ports = {f"SYNALIGN_{name.upper()}_PORT": str(_free_port()) for name in services.Ports._fields}
    mine = {"SYNALIGN_HOME": str(folder), "MLFLOW_LOGGING_LEVEL": "WARNING", **ports}
    before = {name: os.environ.get(name) for name in (*mine, "MLFLOW_TRACKING_URI", "SYNALIGN_WRITER_URL")}
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    os.environ.pop("SYNALIGN_WRITER_URL", None)
    os.environ.update(mine)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def show(case: Case, found: Readout) -> list[str]:
    """Return lines that show a verdict beside the truth."""
    mark = "right" if found.verdict == case.right else f"WRONG, should be {case.right!r}"
    return [f"{case.retriever}", f"  truth    {case.truth}", f"  verdict  {found.sentence}", f"           {mark}"]


def main() -> int:
    """Run the demo; returns 0 where every verdict is right, else 1."""
    began, folder, last = time.monotonic(), config.home() / "experiment-demo", START + timedelta(days=DAYS - 1)
    say = _timed(began)
    with own_home(folder):
        services.down(say)
        shutil.rmtree(folder, ignore_errors=True)
        say(f"making {DAYS} days of logs and {DAYS} before them, for three experiments, in {folder}")
        plans = {case.retriever: prepare(case) for case in CASES}
        say("starting Airflow on loopback")
        with airflow(lambda _: None) as api:
            runs = {case.retriever: trigger(api, case.retriever, last) for case in CASES}
            say(f"read_experiment__{{{','.join(runs)}}} read out {last}, the last day")
            asked = {}
            for name, run in runs.items():
                asked[name] = follow(api, name, run, "Approve")
                say(f"{dag_of(name)} is done{': approved over REST' if asked[name] else ''}")
        right = True
        for case in CASES:
            found = verdict(plans[case.retriever], last)
            right = (
                right and found.verdict == case.right and (asked[case.retriever] is not None) == (case.right == "ship")
            )
            sys.stdout.write("\n".join(["", *show(case, found), *_serves(case.retriever), ""]))
            sys.stdout.flush()
    say("every verdict is right" if right else "a verdict is WRONG")
    return 0 if right else 1


def _serves(retriever: str) -> list[str]:
    """Return a line on the retriever that serves now, by the record."""
    from synalign.registry.connection import tracking_uri
    from synalign.registry.lineage import lineage

    now = lineage(retriever, datetime.now(UTC), tracking_uri())
    return [f"  serves   {now.champion.model_uri}: {now.event.kind} by {now.event.by}"]


def _timed(began: float) -> Callable[[str], None]:
    def say(line: str) -> None:
        sys.stdout.write(f"{time.monotonic() - began:5.0f} s  {line}\n")
        sys.stdout.flush()

    return say


def _arm(name: Literal["control", "treatment"], case: Case) -> Arm:
    """Return an arm whose training set is invented: its digest is that of its name."""
    version = {"control": "1", "treatment": "2"}[name]
    model = f"{case.retriever}-training-set"
    digest = hashlib.sha256(f"{model}/{version}".encode()).hexdigest()
    uri = f"file:///retrievers/{case.retriever}/{version}"
    return Arm(name=name, model_uri=uri, training_set=TrainingSet(model=model, version=version, digest=digest))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    try:
        raise SystemExit(main())
    except SynAlignError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        raise SystemExit(error.exit_code) from None
