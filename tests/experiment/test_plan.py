"""Plans: what is refused and how it is told, the digest, the schema, and days and error rates worked out by hand."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from synalign.errors import ArgumentError, ConfigurationError
from synalign.experiment import ExperimentPlan, load_plan, plan_schema
from synalign.experiment.plan import parse_plan

Make = Callable[..., ExperimentPlan]
GUARDRAIL = {"name": "latency", "numerator": "ms", "denominator": "searches", "better": "lower", "margin": 0.02}


def mistake(content: dict[str, Any], path: Path, **fields: Any) -> str:
    path.write_text(yaml.safe_dump({**content, **fields}))
    with pytest.raises(ConfigurationError) as error:
        load_plan(path)
    return error.value.message


ARMS = [
    {"name": "control", "model_uri": "a"},
    {"name": "treatment", "model_uri": "b", "training_set": {"model": "m", "version": "1", "digest": "0" * 64}},
]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"hypotesis": "x"}, "hypotesis == 'x', is not a known setting"),
        ({"id": "../up"}, "id == '../up'"),
        ({"id": ""}, "id == ''"),
        ({"salt": "a:b"}, "salt == 'a:b'"),
        ({"hypothesis": "  "}, "hypothesis == '  '"),
        ({"treatment_share": 1.0}, "treatment_share == 1.0, must be a number above 0, below 1"),
        ({"treatment_share": 0.33333}, "treatment_share == 0.33333, must be a multiple of 0.0001"),
        ({"stop": "2026-02-28"}, "stop == '2026-02-28', must be from start (2026-03-01)"),
        ({"stop": "2029-01-01"}, "to 365 days after it"),
        ({"start": "2026-02-30"}, "start == '2026-02-30'"),
        ({"arms": ARMS[:1]}, "arms.1 is missing"),
        ({"arms": ARMS[::-1]}, "must be the arm control and then the arm treatment"),
        ({"arms": [*ARMS, ARMS[0]]}, "arms == "),
        ({"arms": [ARMS[0], {**ARMS[1], "training_set": None}]}, "must name the training set of the treatment"),
        ({"arms": [ARMS[0], {**ARMS[1], "training_set": {"model": "m", "version": "1", "digest": "ab"}}]},
         "arms.1.training_set.digest == 'ab'"),
        ({"primary": {"name": "x", "numerator": "unit_id"}}, "must be a column that measures something"),
        ({"primary": {"name": "x", "numerator": "a", "denominator": "a"}}, "denominator must be another column"),
        ({"primary": {"name": "x", "numerator": "a", "better": "bigger"}}, "primary.better == 'bigger'"),
        ({"guardrails": [{**GUARDRAIL, "margin": 0.0}]}, "guardrails.0.margin == 0.0, must be a number above 0"),
        ({"guardrails": [GUARDRAIL, GUARDRAIL]}, "names of metrics must differ; twice: latency"),
        ({"secondary": [{"name": "clicks", "numerator": "c"}]}, "names of metrics must differ; twice: clicks"),
        ({"alpha": 0}, "alpha == 0"),
        ({"alpha": float("nan")}, "alpha == nan"),
        ({"minimum_detectable_effect": -0.1}, "minimum_detectable_effect == -0.1"),
        ({"baseline": {"mean": 0, "variance": 1, "units_per_day": 1}}, "baseline.mean == 0, must not be 0"),
        ({"baseline": {"mean": 1, "variance": float("inf"), "units_per_day": 1}}, "baseline.variance == inf"),
        ({"baseline": {"mean": 0.4, "variance": 0.24, "units_per_day": 10}}, "units per arm take"),
        ({"ramp": [{"start": "2026-03-02", "share": 1}]}, "must begin on the day of start"),
        ({"ramp": [{"start": "2026-03-01", "share": 0.5}, {"start": "2026-03-05", "share": 0.4}]}, "must never fall"),
        ({"ramp": [{"start": "2026-03-01", "share": 0.5}, {"start": "2026-03-01", "share": 0.6}]}, "in order of days"),
        ({"ramp": [{"start": "2026-03-01", "share": 0.5}, {"start": "2026-04-01", "share": 0.6}]}, "beyond stop"),
        ({"ramp": [{"start": "2026-03-01", "share": 0.00005}]}, "ramp.0.share == 5e-05, must be a multiple"),
        ({"replaces": "first"}, "replaces must name another plan"),
        ({"sample_size_per_arm": 1_000}, "sample_size_per_arm == 1000, must agree with the formula"),
        ({"expected_days": 29}, "expected_days == 29, must agree with size, traffic and ramp, which give 1"),
        ({"stopping": {"rule": "peek"}}, "stopping.rule == 'peek'"),
    ],
)  # fmt: skip
def test_a_mistake_names_file_key_value_and_rule(
    content: dict[str, Any], tmp_path: Path, fields: dict[str, Any], expected: str
) -> None:
    path = tmp_path / "plan.yaml"
    message = mistake(content, path, **fields)
    assert expected in message
    assert all(line.startswith(f"{path}: ") for line in message.splitlines())


def test_all_mistakes_are_told_at_once_and_nothing_that_follows_from_them(
    content: dict[str, Any], tmp_path: Path
) -> None:
    message = mistake(content, tmp_path / "plan.yaml", owner="", power=2, baseline={"mean": 1})
    keys = [line.split(": ")[1].split(" ")[0] for line in message.splitlines()]
    assert keys == ["owner", "power", "baseline.variance", "baseline.units_per_day"]


@pytest.mark.parametrize("text", ["", "- a", "{", "id: a\nid: b", "\x00", "a: &a [*a]", "start: 2026-13-45"])
def test_a_file_that_is_no_mapping_of_settings_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"plan\.yaml"):
        load_plan(path)


def test_yaml_and_json_give_the_same_plan(content: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(content))
    (tmp_path / "plan.json").write_text(json.dumps(content))
    assert load_plan(tmp_path / "plan.yaml") == load_plan(tmp_path / "plan.json")


def test_a_plan_cannot_be_changed(plan: Make) -> None:
    made = plan()
    with pytest.raises(ValidationError):
        made.alpha = 0.1  # type: ignore[misc]
    with pytest.raises(ValidationError):
        made.arms[0].model_uri = "other"  # type: ignore[misc]


def test_the_digest_is_that_of_the_file_and_of_nothing_else(plan: Make, tmp_path: Path) -> None:
    made = plan(hypothesis="Mehr Klicks für „Räder“", guardrails=[GUARDRAIL])
    path = tmp_path / "plan.json"
    path.write_bytes(made.canonical)
    assert made.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    again = load_plan(path)
    assert (again, again.canonical, again.digest) == (made, made.canonical, made.digest)
    assert again.digest != plan(hypothesis="Mehr Klicks für „Räder“", guardrails=[GUARDRAIL], power=0.81).digest
    # The same plan, spelled otherwise.
    data = json.loads(made.canonical)
    shuffled = {key: data[key] for key in reversed(data)}
    shuffled["baseline"]["units_per_day"] = 100_000.0
    assert parse_plan(shuffled, "again").digest == made.digest


def test_the_schema_accepts_a_plan_and_refuses_what_it_does_not_know(plan: Make) -> None:
    schema = plan_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    stored = json.loads(plan(guardrails=[GUARDRAIL], covariate={"days": 14}).canonical)
    jsonschema.validate(stored, schema)
    for wrong in ({**stored, "new": 1}, {key: stored[key] for key in stored if key != "sample_size_per_arm"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
    written = plan_schema(stored=False)
    jsonschema.validate({key: stored[key] for key in written["required"]}, written)
    fields = [field for model in (schema, *schema["$defs"].values()) for field in model["properties"].values()]
    assert all("description" in field or "$ref" in field for field in fields)


def test_the_traffic_share_follows_the_ramp_and_is_zero_outside(plan: Make) -> None:
    made = plan(ramp=[{"start": "2026-03-01", "share": 0.1}, {"start": "2026-03-05", "share": 0.5}])
    shares = {day: made.traffic_share(date.fromisoformat(day)) for day in
              ("2026-02-28", "2026-03-01", "2026-03-04", "2026-03-05", "2026-03-30", "2026-03-31")}  # fmt: skip
    assert list(shares.values()) == [0.0, 0.1, 0.1, 0.5, 0.5, 0.0]
    assert plan().traffic_share(date(2026, 3, 1)) == 1.0


def test_error_rates_of_all_metrics_add_up_to_alpha(plan: Make) -> None:
    made = plan(guardrails=[GUARDRAIL], secondary=[{"name": "searches", "numerator": "searches"}])
    assert [metric.name for metric in made.metrics] == ["clicks", "latency", "searches"]
    assert [made.alpha_of(metric.name) for metric in made.metrics] == pytest.approx([0.025, 0.0125, 0.0125])
    assert plan().alpha_of("clicks") == 0.05
    with pytest.raises(ArgumentError):
        made.alpha_of("other")


def test_a_smaller_error_rate_of_the_primary_metric_takes_more_units(plan: Make) -> None:
    assert plan(guardrails=[GUARDRAIL]).sample_size_per_arm > plan().sample_size_per_arm


def test_given_size_and_days_are_kept_when_they_agree(plan: Make) -> None:
    computed = plan()
    given = plan(sample_size_per_arm=computed.sample_size_per_arm, expected_days=computed.expected_days)
    assert given.digest == computed.digest


def test_arms_are_found_by_name(plan: Make) -> None:
    assert plan().arm("treatment").model_uri == "s3://models/shop/42"
    with pytest.raises(ArgumentError, match="must be control or treatment"):
        plan().arm("placebo")


def test_plan_and_store_import_nothing_heavy() -> None:
    code = (
        "import sys, synalign.experiment.store, synalign.experiment.assignment;"
        "print(sorted({'numpy','scipy','pandas','pyspark','mlflow','tea_tasting','torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
