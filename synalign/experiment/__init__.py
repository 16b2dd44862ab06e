"""Online A/B tests of retrievers: the plan, who sees what, and what came of it."""

from synalign.experiment.drafts import draft
from synalign.experiment.plan import (
    Arm,
    Baseline,
    Covariate,
    ExperimentPlan,
    Guardrail,
    Metric,
    Ramp,
    Stopping,
    TrainingSet,
    load_plan,
    plan_schema,
)

__all__ = [
    "Arm",
    "Baseline",
    "Covariate",
    "ExperimentPlan",
    "Guardrail",
    "Metric",
    "Ramp",
    "Stopping",
    "TrainingSet",
    "draft",
    "load_plan",
    "plan_schema",
]
