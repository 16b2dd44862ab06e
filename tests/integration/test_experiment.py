"""Three online tests whose truth is known, through Airflow's scheduler, Spark and MLflow; a no, then a yes, by REST."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from mlflow import MlflowClient

from synalign.experiment import store
from synalign.experiment.plan import ExperimentPlan
from synalign.local import experiment_demo, services
from synalign.registry import record
from synalign.registry.connection import connected, tracking_uri
from synalign.registry.lineage import lineage

LAST = experiment_demo.START + timedelta(days=experiment_demo.DAYS - 1)


class Tried(NamedTuple):
    """What came of the three experiments.

    Attributes:
        home: Where everything lies.
        plans: By retriever.
        tasks: States of the tasks of the last run, by retriever.
        refused: States of the tasks of `uplift` after the first answer.
        body: What was asked.
        addresses: Where the servers listened, as in /proc/net/tcp, by port.
        ports: Of Airflow.
    """

    home: Path
    plans: dict[str, ExperimentPlan]
    tasks: dict[str, dict[str, str | None]]
    refused: dict[str, str | None]
    body: str | None
    addresses: dict[int, str]
    ports: set[int]


def listening() -> dict[int, str]:
    """Local address of every listening IPv4 socket, by port."""
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    pairs = [columns[1].split(":") for columns in sockets if columns[3] == "0A"]
    return {int(port, 16): address for address, port in pairs}


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory, quick_java: str) -> Iterator[Tried]:
    home = tmp_path_factory.mktemp("experiments")
    dags = {case.retriever: experiment_demo.dag_of(case.retriever) for case in experiment_demo.CASES}
    with pytest.MonkeyPatch.context() as patch:
        # The session's Spark settings are for tiny tables; the jobs start their own, with the real ones.
        patch.delenv("PYSPARK_SUBMIT_ARGS", raising=False)
        with experiment_demo.own_home(home):
            plans = {case.retriever: experiment_demo.prepare(case) for case in experiment_demo.CASES}
            with experiment_demo.airflow(lambda _: None) as api:
                runs = {name: experiment_demo.trigger(api, name, LAST) for name in plans}
                experiment_demo.follow(api, "uplift", runs["uplift"], "Reject")
                refused = api.tasks(dags["uplift"], runs["uplift"])
                api.clear(dags["uplift"], runs["uplift"], ["approve", "approved", "promote", "reject"])
                body = experiment_demo.follow(api, "uplift", runs["uplift"], "Approve")
                for name in ("same", "broken"):
                    assert experiment_demo.follow(api, name, runs[name], "Approve") is None
                tasks = {name: api.tasks(dags[name], run) for name, run in runs.items()}
                ports = {services.Ports.from_environment().airflow}
                addresses = listening()
            yield Tried(home, plans, tasks, refused, body, addresses, ports)


@pytest.fixture(autouse=True)
def there(tried: Tried, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests look into the home of the experiments."""
    monkeypatch.setenv("SYNALIGN_HOME", str(tried.home))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def serving(retriever: str) -> tuple[str, list[tuple[str, str]]]:
    """What serves by the alias, and the record's events with who is behind them."""
    with connected(tracking_uri(), "") as client:
        version = client.get_model_version_by_alias(retriever, "champion")
        return version.tags["arm"], [(event.kind, event.by) for event in record.events(client, retriever)]


@pytest.mark.parametrize("case", experiment_demo.CASES, ids=lambda case: case.retriever)
def test_the_verdict_is_the_truth(tried: Tried, case: experiment_demo.Case) -> None:
    found = experiment_demo.verdict(tried.plans[case.retriever], LAST)
    assert found.verdict == case.right, found.sentence
    assert (found.look, found.plan_digest) == (experiment_demo.DAYS, tried.plans[case.retriever].digest)
    if case.right == "void":
        assert found.effects == ()
        assert "sample ratio mismatch" in found.sentence
    else:
        primary = found.effect("clicks_per_search")
        assert primary is not None
        assert primary.relative_interval is not None
        assert primary.relative_interval.lower < case.world.uplift < primary.relative_interval.upper
        assert primary.covariate


def test_nobody_is_asked_where_there_is_nothing_to_ship(tried: Tried) -> None:
    for name in ("same", "broken"):
        states = tried.tasks[name]
        assert {task for task, state in states.items() if state == "success"} == {"experiment", "read_out", "verdict"}
        assert {task for task, state in states.items() if state == "skipped"} == {
            *("approve", "approved", "promote", "reject")
        }
        assert serving(name) == ("control", [("started", "search")])


def test_a_no_moves_nothing_and_a_yes_moves_the_alias_and_both_are_recorded_with_the_person(tried: Tried) -> None:
    after_no = {task: tried.refused[task] for task in ("approve", "approved", "promote", "reject")}
    assert after_no == {"approve": "success", "approved": "skipped", "promote": "skipped", "reject": "success"}
    after_yes = {task: tried.tasks["uplift"][task] for task in after_no}
    assert after_yes == {"approve": "success", "approved": "success", "promote": "success", "reject": "skipped"}
    assert serving("uplift") == ("treatment", [("started", "search"), ("rejected", "admin"), ("promoted", "admin")])
    for expected in ("clicks_per_search rose by", "| latency | guardrail, margin 3.0% |", "planned"):
        assert expected in str(tried.body)


def test_lineage_says_what_served_before_and_after_and_what_it_was_trained_on(tried: Tried) -> None:
    plan, uri = tried.plans["uplift"], tracking_uri()
    with connected(uri, "") as client:
        started, rejected, promoted = record.events(client, "uplift")
    assert started.at < rejected.at < promoted.at <= datetime.now(UTC)
    assert promoted.reason == experiment_demo.verdict(plan, LAST).sentence
    for at, arm in ((rejected.at, "control"), (promoted.at + timedelta(seconds=1), "treatment")):
        champion = lineage("uplift", at, uri).champion
        training_set = plan.arm(arm).training_set
        assert training_set is not None
        assert (champion.model_uri, champion.training_set) == (plan.arm(arm).model_uri, training_set.model_dump())
    assert store.running("uplift", promoted.at.date()) is None


def test_mlflow_has_the_figures_of_the_day_and_the_chart(tried: Tried) -> None:
    client = MlflowClient(tracking_uri=tracking_uri(), registry_uri=tracking_uri())
    for case in experiment_demo.CASES:
        place = client.get_experiment_by_name(f"experiments/{case.retriever}")
        (run,) = client.search_runs([place.experiment_id])
        assert run.data.tags["verdict"] == case.right
        assert {"plan.json", "plan.schema.json", "chart.svg", "readouts"} <= {
            entry.path for entry in client.list_artifacts(run.info.run_id)
        }
        kept = json.loads(
            Path(client.download_artifacts(run.info.run_id, f"readouts/{LAST}/readout.json")).read_bytes()
        )
        assert kept == experiment_demo.verdict(tried.plans[case.retriever], LAST).as_json()


def test_everything_listened_on_loopback_only(tried: Tried) -> None:
    assert tried.ports <= set(tried.addresses)
    assert {tried.addresses[port] for port in tried.ports} == {"0100007F"}
