"""The question to a person, and whether its answer still holds: made read-outs, no Spark."""

from datetime import timedelta
from pathlib import Path

import pytest

from synalign.errors import RunError
from synalign.experiment import approval
from synalign.experiment.plan import ExperimentPlan
from tests.experiment.readouts import DAY, kept_plan, put


@pytest.fixture
def plan(home: Path, monkeypatch: pytest.MonkeyPatch) -> ExperimentPlan:
    """A plan that is kept, but not registered; no MLflow but the one in the test's home."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return kept_plan()


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
