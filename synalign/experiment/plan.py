"""The plan of an online A/B test of two retrievers: written before it starts, stored with the models, never changed.

It says all that an outside tool needs to run and judge the test without asking a person: who is in (unit, salt,
ramp, split), what is compared (arms with the training sets they were trained on), what is measured (metrics,
guardrails, covariate), and when it is decided (error rates, sample size, stopping rule).

This module is imported where no statistics library is installed, so it imports nothing heavier than pydantic.
"""

from __future__ import annotations

import hashlib
import json
import math
from datetime import date
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from synalign.config import Name, mistakes, settings_file
from synalign.errors import ArgumentError, ConfigurationError
from synalign.experiment import sizing
from synalign.experiment.plan_parts import (
    BUCKETS,
    LONGEST_DAYS,
    Arm,
    ArmName,
    Baseline,
    Closed,
    Column,
    Covariate,
    Guardrail,
    Metric,
    Ramp,
    Salt,
    Stopping,
    Text,
    TrainingSet,
    whole_buckets,
)

__all__ = [
    "BUCKETS",
    "Arm",
    "ArmName",
    "Baseline",
    "Covariate",
    "ExperimentPlan",
    "Guardrail",
    "Metric",
    "Ramp",
    "Stopping",
    "TrainingSet",
    "load_plan",
    "parse_plan",
    "plan_schema",
]


def _alpha_of_primary(plan: dict[str, Any]) -> float:
    others = (*plan["guardrails"], *plan["secondary"])
    return float(plan["alpha"] * (plan["stopping"].primary_share if others else 1.0))


def _size_arguments(plan: dict[str, Any]) -> dict[str, float]:
    given = {
        "mean": plan["baseline"].mean,
        "variance": plan["baseline"].variance,
        "effect": plan["minimum_detectable_effect"],
        "alpha": _alpha_of_primary(plan),
        "power": plan["power"],
        "treatment_share": plan["treatment_share"],
    }
    if plan["stopping"].rule == "confidence_sequence":
        return given
    grows = (plan["primary"].better == "higher") == (plan["baseline"].mean > 0.0)
    return {**given, "variance": sizing.effective_variance(**given, grows=grows)}


def _sample_size(plan: dict[str, Any]) -> int:
    return sizing.sample_size(**_size_arguments(plan))


def _expected_days(plan: dict[str, Any]) -> int:
    share = plan["treatment_share"]
    return sizing.days_needed(
        plan["sample_size_per_arm"] / min(share, 1.0 - share),
        plan["baseline"].units_per_day,
        [((step.start - plan["start"]).days, step.share) for step in _ramp(plan["ramp"], plan["start"])],
    )


def _ramp(steps: tuple[Ramp, ...], start: date) -> tuple[Ramp, ...]:
    return steps or (Ramp(start=start, share=1.0),)


class ExperimentPlan(Closed):
    """Everything that defines one A/B test of one retriever."""

    id: Name = Field(description="Names the experiment; never used twice for one retriever.")
    retriever: Name = Field(description="The retriever, as in its YAML file.")
    hypothesis: Text = Field(description="What should get better, for whom, and why.")
    owner: Text = Field(description="Who answers for it.")
    replaces: Name | None = Field(None, description="The plan that this one changes, once that had started.")
    unit: Column = Field("user_id", description="What is assigned to an arm; in the logs it is the column unit_id.")
    salt: Salt = Field(description="Of the assignment; another salt draws other arms. See ASSIGNMENT.md.")
    treatment_share: float = Field(
        0.5, gt=0.0, lt=1.0, description="Share of the units in the experiment that see the treatment."
    )
    start: date = Field(description="First day (UTC).")
    stop: date = Field(description="Last day (UTC), included; the test ends then whatever it shows.")
    ramp: tuple[Ramp, ...] = Field(
        (),
        description="Share of traffic by day, never falling, from `start` on. None given: all of it.",
        max_length=100,
    )
    arms: tuple[Arm, Arm] = Field(description="Control and treatment, in this order.")
    primary: Metric = Field(description="The metric that decides.")
    secondary: tuple[Metric, ...] = Field((), description="Metrics that explain, and decide nothing.", max_length=50)
    guardrails: tuple[Guardrail, ...] = Field((), description="Metrics that must not get worse.", max_length=50)
    covariate: Covariate | None = Field(None, description="None: no correction by the time before.")
    alpha: float = Field(0.05, gt=0.0, le=0.5, description="Error rate of all metrics together, over all looks.")
    power: float = Field(0.8, ge=0.5, lt=1.0, description="Chance of finding the minimum detectable effect.")
    minimum_detectable_effect: float = Field(
        ge=1e-4, le=10.0, description="Smallest relative effect on the primary metric worth finding: 0.02 is 2 %."
    )
    srm_threshold: float = Field(
        1e-3,
        gt=0.0,
        le=0.1,
        description="Chance, over all daily looks, that a sound sample ratio makes the result void.",
    )
    correction: Literal["holm", "bonferroni", "benjamini_hochberg"] = Field(
        "holm", description="How the p-values that are shown for information are adjusted for several metrics."
    )
    stopping: Stopping = Stopping()
    baseline: Baseline = Field(description="The primary metric before the experiment.")
    sample_size_per_arm: int = Field(
        default_factory=_sample_size,
        ge=sizing.LEAST,
        le=10**15,
        validate_default=True,
        description="Units in the smaller arm. Absent: computed; given: must agree with the formula.",
    )
    expected_days: int = Field(
        default_factory=_expected_days,
        ge=1,
        description="Days until that size is reached. Absent: computed; given: must agree.",
    )

    _buckets = field_validator("treatment_share")(whole_buckets)

    @field_validator("stop")
    @classmethod
    def _after_start(cls, stop: date, known: ValidationInfo) -> date:
        start = known.data.get("start")
        if start is not None and not 0 <= (stop - start).days < LONGEST_DAYS:
            raise ValueError(f"must be from start ({start}) to {LONGEST_DAYS - 1} days after it")
        return stop

    @field_validator("ramp")
    @classmethod
    def _never_falls(cls, ramp: tuple[Ramp, ...], known: ValidationInfo) -> tuple[Ramp, ...]:
        start, stop = known.data.get("start"), known.data.get("stop")
        if ramp and start is not None and ramp[0].start != start:
            raise ValueError(f"must begin on the day of start ({start}), begins on {ramp[0].start}")
        if ramp and stop is not None and ramp[-1].start > stop:
            raise ValueError(f"must not go beyond stop ({stop}), has a step on {ramp[-1].start}")
        for earlier, later in pairwise(ramp):
            if later.start <= earlier.start:
                raise ValueError(f"must be in order of days: {later.start} comes after {earlier.start}")
            if later.share < earlier.share:
                raise ValueError(
                    f"must never fall: {earlier.share} -> {later.share} on {later.start} would take out units that "
                    "were counted"
                )
        return ramp

    @field_validator("arms")
    @classmethod
    def _both(cls, arms: tuple[Arm, Arm]) -> tuple[Arm, Arm]:
        if [arm.name for arm in arms] != ["control", "treatment"]:
            raise ValueError("must be the arm control and then the arm treatment")
        if arms[1].training_set is None:
            raise ValueError("must name the training set of the treatment: model, version and digest")
        return arms

    @field_validator("guardrails")
    @classmethod
    def _names_differ(cls, guardrails: tuple[Guardrail, ...], known: ValidationInfo) -> tuple[Guardrail, ...]:
        primary = known.data.get("primary")
        metrics = [*([primary] if primary else []), *known.data.get("secondary", ()), *guardrails]
        names = [metric.name for metric in metrics]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"names of metrics must differ; twice: {', '.join(twice)}")
        return guardrails

    @field_validator("sample_size_per_arm")
    @classmethod
    def _size_agrees(cls, size: int, known: ValidationInfo) -> int:
        if "baseline" not in known.data:
            return size
        try:
            formula = sizing.closed_form(**_size_arguments(known.data))
        except KeyError:
            return size
        if not sizing.agrees(size, formula):
            raise ValueError(
                f"must agree with the formula, which gives {math.ceil(formula)} for this baseline, effect, alpha, "
                "power and split; leave it out to have it computed"
            )
        return size

    @field_validator("expected_days")
    @classmethod
    def _days_agree(cls, days: int, known: ValidationInfo) -> int:
        try:
            computed = _expected_days(known.data)
        except KeyError:
            return days
        if days != computed:
            raise ValueError(f"must agree with size, traffic and ramp, which give {computed}; leave it out")
        return days

    @model_validator(mode="after")
    def _can_be_run(self) -> ExperimentPlan:
        if self.replaces == self.id:
            raise ValueError("replaces must name another plan than this one")
        planned = (self.stop - self.start).days + 1
        if self.expected_days > planned:
            raise ValueError(
                f"the {self.sample_size_per_arm} units per arm take {self.expected_days} days, start to stop are "
                f"{planned}: stop later, let in more traffic, or look for a larger minimum_detectable_effect"
            )
        return self

    @cached_property
    def canonical(self) -> bytes:
        """The plan as JSON in one form only: every field, keys sorted, two spaces, a newline at the end, UTF-8."""
        content = json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False)
        return f"{content}\n".encode()

    @property
    def digest(self) -> str:
        """SHA-256 of `canonical`, 64 hexadecimal digits: what `sha256sum plan.json` prints."""
        return hashlib.sha256(self.canonical).hexdigest()

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Primary, guardrails, secondary, in this order."""
        return (self.primary, *self.guardrails, *self.secondary)

    def arm(self, name: str) -> Arm:
        """Return the arm of that name.

        Raises:
            ArgumentError: There is none.
        """
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise ArgumentError("name", name, "must be control or treatment")

    def traffic_share(self, day: date) -> float:
        """Share of all units that takes part on a day; 0 before `start` and after `stop`."""
        if not self.start <= day <= self.stop:
            return 0.0
        return max(step.share for step in _ramp(self.ramp, self.start) if step.start <= day)

    def alpha_of(self, metric: str) -> float:
        """Error rate of one metric's two-sided confidence sequence; over all metrics they add up to `alpha`.

        The union bound needs no assumption on how the metrics depend on each other.

        Raises:
            ArgumentError: The plan has no such metric.
        """
        others = [other.name for other in self.metrics[1:]]
        if metric == self.primary.name:
            return self.alpha * (self.stopping.primary_share if others else 1.0)
        if metric not in others:
            raise ArgumentError("metric", metric, f"must be a metric of the plan {self.id}")
        return self.alpha * (1.0 - self.stopping.primary_share) / len(others)


def load_plan(path: str | Path) -> ExperimentPlan:
    """Read and check a plan, as YAML or JSON.

    Raises:
        ConfigurationError: The file cannot be read, or a key is unknown, missing, of the wrong type or against a
            rule; the message names file, key, value and rule of every mistake.
    """
    path = Path(path)
    return parse_plan(settings_file.read(path), path)


def parse_plan(content: dict[str, Any], name: str | Path) -> ExperimentPlan:
    """Check a plan that was read already.

    Args:
        content: The plan as plain data.
        name: What messages call it.

    Raises:
        ConfigurationError: As in `load_plan`.
    """
    try:
        return ExperimentPlan.model_validate(content)
    except ValidationError as error:
        lines = getattr(content, "lines", {})
        raise ConfigurationError(
            "\n".join(mistakes.explain(error, ExperimentPlan, str(name), lines)),
            remedy="mend the keys named above; `synalign experiment draft` prints a whole plan with comments, "
            "`synalign experiment schema` the JSON schema",
        ) from error


def plan_schema(*, stored: bool = True) -> dict[str, Any]:
    """Return the plan's JSON schema (draft 2020-12), for outside tools.

    Args:
        stored: Of `plan.json`, where every field is there; False: of a file that a person writes, where what has a
            default may be left out.
    """
    schema = ExperimentPlan.model_json_schema(mode="serialization" if stored else "validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
