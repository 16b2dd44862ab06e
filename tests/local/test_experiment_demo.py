"""The demo without servers: its plans, its home, and its verdict beside the truth."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from synalign.experiment.findings import Readout
from synalign.local import experiment_demo


@pytest.mark.parametrize("case", experiment_demo.CASES, ids=lambda case: case.retriever)
def test_every_case_has_a_plan_that_can_be_run_in_its_days(case: experiment_demo.Case) -> None:
    plan = experiment_demo.plan(case)
    assert plan.expected_days <= experiment_demo.DAYS
    assert plan.stop == experiment_demo.START + timedelta(days=experiment_demo.DAYS - 1)
    assert plan == experiment_demo.plan(case)
    # A test of this size can be told from chance only if what is true is larger than what is looked for.
    assert case.world.uplift == 0.0 or case.world.uplift > plan.minimum_detectable_effect


@pytest.mark.parametrize("found", ["ship", "void"])
def test_a_verdict_is_shown_beside_the_truth(found: Any) -> None:
    case = experiment_demo.CASES[0]
    readout = Readout(
        experiment="one", retriever="uplift", plan_digest="0" * 64, day=experiment_demo.START, look=1, units={},
        planned_units=100,
        valid=True, void_reasons=(), effects=(), verdict=found, sentence="What a person would write.",
    )  # fmt: skip
    text = "\n".join(experiment_demo.show(case, readout))
    assert case.truth in text
    assert "What a person would write." in text
    assert ("WRONG, should be 'ship'" in text) == (found == "void")


def test_its_home_is_its_own_and_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://production:5000")
    monkeypatch.setenv("SYNALIGN_AIRFLOW_PORT", "8080")
    before = dict(os.environ)
    with experiment_demo.own_home(tmp_path / "own"):
        assert os.environ["SYNALIGN_HOME"] == str(tmp_path / "own")
        assert "MLFLOW_TRACKING_URI" not in os.environ
        assert os.environ["SYNALIGN_AIRFLOW_PORT"] != "8080"
    assert dict(os.environ) == before
