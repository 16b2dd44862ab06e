"""The section on Airflow's tasks: whose names it takes, what goes before what, and what no file may hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import TriggerRule
from pydantic import ValidationError

from synalign import flow, retriever_files
from synalign.config import Airflow, Configuration
from synalign.config.airflow import TASKS, StepPlacement
from synalign.config.described import rule_of
from synalign.errors import ConfigurationError

FILE = "retriever: shop\nschedule: {start: 2026-01-01}\nsource: {kind: beir, path: x}\nairflow:\n  steps:\n"


def test_every_task_of_a_refresh_can_be_placed() -> None:
    assert set(TASKS) == {step.name for step in flow.STEPS} | {"turn", "publish", "train"}


def test_an_unknown_step_is_named_with_its_line_and_the_one_that_is_meant(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(FILE + "    gnerate: {pool: llm}\n")
    with pytest.raises(ConfigurationError, match=r"airflow\.steps\.gnerate == 'gnerate', must be .*") as caught:
        retriever_files.load(tmp_path / "shop.yaml")
    assert "did you mean generate? (line 6)" in caught.value.message


def test_an_unknown_setting_of_a_step_is_named_with_the_one_that_is_meant(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(FILE + "    generate: {queu: gpu}\n")
    with pytest.raises(ConfigurationError, match=r"airflow\.steps\.generate\.queu == .* did you mean queue\?"):
        retriever_files.load(tmp_path / "shop.yaml")


def test_trigger_rules_are_those_that_airflow_has() -> None:
    rules = StepPlacement.model_json_schema()["properties"]["trigger_rule"]
    named = set(rule_of(rules).replace("`", "").replace(", or null", "").replace(" or ", ", ").split(", "))
    # Two are newer than Airflow 3.0, or for set-up tasks, of which there are none.
    assert named == {rule.value for rule in TriggerRule} - {"all_done_min_one_success", "all_done_setup_success"}


def test_a_step_goes_before_the_default_key_by_key() -> None:
    section = Airflow.model_validate({
        "default": {"pool": "night", "queue": "cpu", "run": "pod"},
        "steps": {"embed": {"queue": "gpu"}, "generate": {"pool": None, "trigger_rule": "all_done"}},
    })  # fmt: skip
    assert section.of("ingest") == StepPlacement(pool="night", queue="cpu", run="pod")
    assert section.of("embed") == StepPlacement(pool="night", queue="gpu", run="pod")
    assert section.of("generate") == StepPlacement(pool=None, queue="cpu", run="pod", trigger_rule="all_done")


@pytest.mark.parametrize(
    ("general", "own", "pods"),
    [
        ({"pod_template": "a"}, {"pod_template": "b"}, ("b", None)),
        ({"pod_template": "a"}, {"executor_config": {"pod_override": {}}}, (None, {})),
        ({"executor_config": {"pod_override": {}}}, {"pod_template": "b"}, ("b", None)),
        ({"pod_template": "a"}, {"executor_config": {"x": 1}}, ("a", None)),
    ],
)
def test_a_steps_own_pod_takes_the_place_of_the_defaults(general: Any, own: Any, pods: Any) -> None:
    placement = Airflow.model_validate({"default": general, "steps": {"embed": own}}).of("embed")
    assert (placement.pod_template, placement.executor_config.get("pod_override")) == pods


def test_two_pods_for_one_task_are_refused() -> None:
    with pytest.raises(ValidationError, match="pod_template or executor_config"):
        StepPlacement.model_validate({"pod_template": "a", "executor_config": {"pod_override": {}}})


@pytest.mark.parametrize(
    "given",
    [
        {"api_key": "k"},
        {"pod_override": {"spec": {"containers": [{"env": [{"name": "MODEL_API_KEY", "value": "k"}]}]}}},
        {"proxy": "http://joe:hunter2@proxy"},
    ],
)
def test_no_secret_stands_in_what_an_executor_is_given(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="must hold no secret"):
        StepPlacement.model_validate({"executor_config": given})
    refers = {"env": [{"name": "MODEL_API_KEY", "valueFrom": {"secretKeyRef": {"name": "llm", "key": "key"}}}]}
    assert StepPlacement.model_validate({"executor_config": {"pod_override": refers}})


def test_where_tasks_run_defines_no_table(configuration: Callable[..., Configuration]) -> None:
    assert configuration().airflow == Airflow()
    assert all("airflow" not in step.settings for step in flow.STEPS)
