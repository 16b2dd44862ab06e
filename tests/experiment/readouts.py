"""A plan that is kept, and read-outs of it that were never read out."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from synalign.experiment import approval, store
from synalign.experiment.findings import Bounds, Effect, Readout
from synalign.experiment.plan import Arm, Baseline, ExperimentPlan, Guardrail, Metric, TrainingSet

START = date(2026, 3, 2)
DAY = START + timedelta(days=6)
AT = datetime(2026, 3, 9, 10, tzinfo=UTC)


def kept_plan() -> ExperimentPlan:
    """Keep a plan, which is not registered."""
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
