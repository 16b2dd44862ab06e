"""A person's answer to a read-out, carried out: made read-outs, MLflow's own database, no Spark."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from synalign.experiment import approval, store
from synalign.experiment.plan import ExperimentPlan
from synalign.registry import lifecycle, record
from synalign.registry.connection import connected, tracking_uri
from synalign.registry.lineage import lineage
from synalign.steps import experiment
from tests.experiment.readouts import AT, DAY, kept_plan, put


@pytest.fixture
def plan(home: Path, monkeypatch: pytest.MonkeyPatch) -> ExperimentPlan:
    """A plan that is kept, but not registered; no MLflow but the one in the test's home."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return kept_plan()


@pytest.fixture
def decide(
    plan: ExperimentPlan,
    home: Path,
    empty_database: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> Any:
    """`jobs/decide_experiment.py` on a registered experiment: its summary, or what it said when it failed."""
    yaml = tmp_path / "shop.yaml"
    yaml.write_text(
        "retriever: shop\nschedule: {start: 2026-01-01}\nsource: {kind: beir, path: x}\n"
        "experiment: {exposures: e, outcomes: o}\n"
    )
    (home / "mlflow").mkdir()
    (home / "mlflow" / "mlflow.db").write_bytes(empty_database)
    lifecycle.start(plan, "search", datetime(2026, 3, 1, tzinfo=UTC), tracking_uri())
    put(plan, "ship")

    def run(decision: str, **changes: str) -> Any:
        readout = approval.seen(plan, DAY).digest
        options = {"config": str(yaml), "experiment": "one", "day": str(DAY), "readout": readout, "by": "ann"}
        options |= {"at": AT.isoformat(), **changes}
        given = [part for name, value in options.items() for part in (f"--{name}", value)]
        monkeypatch.setattr(sys, "argv", ["decide_experiment.py", decision, *given])
        capsys.readouterr()
        try:
            experiment.decide()
        except SystemExit as stop:
            return stop.code, capsys.readouterr().err
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    return run


def kinds(retriever: str) -> list[tuple[str, str, datetime]]:
    with connected(tracking_uri(), "") as client:
        return [(event.kind, event.by, event.at) for event in record.events(client, retriever)]


def test_a_yes_promotes_once_and_ends_the_experiment(plan: ExperimentPlan, decide: Any) -> None:
    first = decide("promote")
    assert (first["event"], first["by"], first["at"]) == ("promoted", "ann", AT.isoformat())
    assert decide("promote") == first
    assert kinds("shop")[1:] == [("promoted", "ann", AT)]
    assert store.running("shop", AT.date()) is None
    serves = lineage("shop", AT + timedelta(hours=1), tracking_uri())
    assert serves.champion.model_uri == "file:///shop/treatment"
    assert lineage("shop", AT - timedelta(hours=1), tracking_uri()).champion.model_uri == "file:///shop/control"


def test_a_no_is_recorded_and_changes_nothing(plan: ExperimentPlan, decide: Any) -> None:
    decide("reject")
    decide("reject")
    decide("reject", by="", at=(AT + timedelta(days=1)).isoformat())
    assert kinds("shop")[1:] == [("rejected", "ann", AT), ("rejected", experiment.NOBODY, AT + timedelta(days=1))]
    assert store.running("shop", DAY) == plan
    assert lineage("shop", AT + timedelta(days=2), tracking_uri()).champion.model_uri == "file:///shop/control"


def test_a_promotion_that_nobody_asked_for_is_refused(plan: ExperimentPlan, decide: Any) -> None:
    for changes, said in (
        ({"by": ""}, "nobody approved the promotion"),
        ({"at": ""}, "at == '', must be a time in ISO 8601"),
        ({"at": "2026-03-09T10:00:00"}, "must have a time zone"),
        ({"readout": "0" * 64}, "was made anew after the question"),
        ({"experiment": "two"}, "shop has no experiment 'two'"),
        ({"experiment": "../../x"}, "must be the name of a retriever or of an experiment"),
    ):
        code, err = decide("promote", **changes)
        assert code in (2, 4), changes
        assert said in err
    assert [kind for kind, *_ in kinds("shop")] == ["started"]


def test_a_name_with_quotes_reaches_the_record_as_it_is(plan: ExperimentPlan, decide: Any) -> None:
    name = 'Ann "$(reboot)"; --by x é'
    assert decide("promote", by=name)["by"] == name
