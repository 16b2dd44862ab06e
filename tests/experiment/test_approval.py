"""The question to a person, and whether its answer still holds: made read-outs, no Spark."""

import json
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from synalign.errors import RunError
from synalign.experiment import approval, store
from synalign.experiment.findings import Bounds, Effect, Readout
from synalign.experiment.plan import Arm, Baseline, ExperimentPlan, Guardrail, Metric, TrainingSet
from synalign.registry import lifecycle, record
from synalign.registry.connection import connected, tracking_uri
from synalign.registry.lineage import lineage
from synalign.steps import experiment

START = date(2026, 3, 2)
DAY = START + timedelta(days=6)
AT = datetime(2026, 3, 9, 10, tzinfo=UTC)


@pytest.fixture
def plan(home: Path, monkeypatch: pytest.MonkeyPatch) -> ExperimentPlan:
    """A plan that is kept, but not registered; no MLflow but the one in the test's home."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    arms = [
        Arm(
            name=name,  # type: ignore[arg-type]
            model_uri=f"file:///shop/{name}",
            training_set=TrainingSet(model="shop-training-set", version=version, digest=version * 64),
        )
        for name, version in (("control", "1"), ("treatment", "2"))
    ]
    made = ExperimentPlan(
        id="one",
        retriever="shop",
        hypothesis="More searches end with a click.",
        owner="search",
        salt="one",
        start=START,
        stop=START + timedelta(days=13),
        arms=(arms[0], arms[1]),
        primary=Metric(name="click_rate", numerator="clicks", denominator="searches"),
        guardrails=(Guardrail(name="latency", numerator="latency_ms", better="lower", margin=0.02),),
        minimum_detectable_effect=0.1,
        baseline=Baseline(mean=0.35, variance=0.05, units_per_day=1000),
    )
    store.start(made)
    return made


def put(plan: ExperimentPlan, verdict: str, day: date = DAY, **changes: Any) -> Path:
    """Write a read-out as if it had been read out."""
    shown = {
        "margin": None,
        "alpha": 0.025,
        "covariate": True,
        "control": 0.35,
        "treatment": 0.385,
        "difference": 0.035,
    }
    shown |= {"interval": None, "relative": 0.1, "relative_interval": Bounds(lower=0.04, upper=0.16)}
    shown |= {"fixed_interval": None, "p_value": None, "adjusted_p_value": None, "passed": True}
    nothing = {**shown, "margin": 0.02, "relative": None, "relative_interval": None, "control": None}
    effects = (
        Effect(name="click_rate", role="primary", better="higher", **shown),
        Effect(name="latency", role="guardrail", better="lower", **nothing),
    )
    content = {
        "experiment": plan.id,
        "retriever": plan.retriever,
        "plan_digest": plan.digest,
        "day": day,
        "look": (day - plan.start).days + 1,
        "units": {"treatment": 4138, "control": 4117},
        "planned_units": 4652,
        "valid": verdict != "void",
        "void_reasons": ("sample ratio mismatch",) if verdict == "void" else (),
        "effects": effects,
        "verdict": verdict,
        "sentence": f"The sentence of {day}: {verdict}.",
    }
    path = approval.readout_file(plan, day)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(Readout(**{**content, **changes}).as_json()))
    return path


@pytest.mark.parametrize("verdict", ["stop for harm", "no difference", "keep going", "void"])
def test_nothing_is_asked_unless_the_verdict_is_ship(
    plan: ExperimentPlan, verdict: str, caplog: pytest.LogCaptureFixture
) -> None:
    put(plan, verdict)
    with caplog.at_level("INFO"):
        assert approval.question("shop", "one", DAY.isoformat()) is None
    assert [record.levelname for record in caplog.records] == [
        "WARNING" if verdict in ("stop for harm", "void") else "INFO"
    ]
    assert f"The sentence of {DAY}" in caplog.text


def test_the_question_says_all_that_a_person_should_know(plan: ExperimentPlan) -> None:
    put(plan, "ship")
    question = approval.question("shop", "one", DAY.isoformat())
    assert question is not None
    assert question["subject"] == "Promote the treatment of one (shop)?"
    for expected in (
        f"The sentence of {DAY}: ship.",
        "| click_rate | primary | 0.35 | 0.385 | +10.00% | +4.00% to +16.00% |",
        "| latency | guardrail, margin 2.0% | - | 0.385 | - | - |",
        "4,117 in control, 4,138 in treatment; planned 4,652",
        "Approve lets file:///shop/treatment serve instead of file:///shop/control",
        "Hypothesis of search: More searches end with a click.",
    ):
        assert expected in question["body"], expected


def test_a_day_that_was_not_read_out_or_is_damaged_is_an_error(plan: ExperimentPlan) -> None:
    with pytest.raises(RunError, match=r"readout\.json cannot be read"):
        approval.question("shop", "one", DAY.isoformat())
    put(plan, "ship").write_text('{"verdict": "ship"}')
    with pytest.raises(RunError, match=r"readout\.json cannot be read"):
        approval.question("shop", "one", DAY.isoformat())


def test_a_read_out_of_another_plan_is_an_error(plan: ExperimentPlan) -> None:
    put(plan, "ship", plan_digest="f" * 64)
    with pytest.raises(RunError, match="is of the plan ffffffffffff"):
        approval.question("shop", "one", DAY.isoformat())


@pytest.mark.parametrize(
    ("other", "days", "holds"),
    [
        ("void", 1, False),
        ("stop for harm", 3, False),
        ("keep going", 1, True),
        ("ship", 1, True),
        ("void", -1, True),
        ("stop for harm", -2, True),
    ],
)
def test_a_later_verdict_against_it_takes_a_ship_back(plan: ExperimentPlan, other: str, days: int, holds: bool) -> None:
    put(plan, "ship")
    digest = approval.seen(plan, DAY).digest
    put(plan, other, DAY + timedelta(days=days))
    if holds:
        assert approval.must_still_hold(plan, DAY, digest).verdict == "ship"
    else:
        with pytest.raises(RunError, match=f"of {DAY + timedelta(days=days)} speaks against that of {DAY}"):
            approval.must_still_hold(plan, DAY, digest)


def test_what_a_killed_read_out_of_a_later_day_left_does_not_hinder_the_answer(plan: ExperimentPlan) -> None:
    left = put(plan, "ship").parent.parent / ".2026-03-20.dead" / "readout.json"
    left.parent.mkdir()
    left.write_text("{")
    assert approval.must_still_hold(plan, DAY, approval.seen(plan, DAY).digest).verdict == "ship"


def test_an_answer_to_another_read_out_than_the_one_there_is_refused(plan: ExperimentPlan) -> None:
    path = put(plan, "ship")
    digest = approval.seen(plan, DAY).digest
    path.write_text(path.read_text().replace("4138", "4139"))
    with pytest.raises(RunError, match=f"the read-out of {DAY} was made anew"):
        approval.must_still_hold(plan, DAY, digest)


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
