"""What a day's read-out says, as plain data; read by light tasks, so it imports nothing heavier than pydantic."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from synalign.errors import RunError

JSON = "readout.json"

RULES = {
    "pooled_confidence_sequence": "pooled_confidence_sequence: intervals valid at every daily look, on the wider of "
    "two standard errors, each arm's own and that of both arms pooled",
    "confidence_sequence": "registered as confidence_sequence, on each arm's own standard error; judged by "
    "pooled_confidence_sequence, whose intervals are never narrower",
}
"""By `stopping.rule` of a plan: by which rule its read-outs are judged."""

Verdict = Literal["ship", "stop for harm", "no difference", "keep going", "void"]
Role = Literal["primary", "guardrail", "secondary"]

# Sums come in another order from one Spark job to the next, which moves the last of a double's sixteen digits.
Number = Annotated[float, AfterValidator(lambda number: float(f"{number:.10g}"))]


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Bounds(_Closed):
    """An interval."""

    lower: Number
    upper: Number


class Effect(_Closed):
    """What the treatment does to one metric.

    `interval` and `relative_interval` are valid at every daily look (`synalign.experiment.sequential`), and over all
    metrics together: they decide. `fixed_interval`, `p_value` and `adjusted_p_value` are those of a test that is read
    once; they are shown for comparison with other tools and decide nothing.
    """

    name: str
    role: Role
    better: Literal["higher", "lower"]
    margin: Number | None = Field(None, description="Of a guardrail: the worst relative loss that is tolerated.")
    alpha: Number = Field(description="Error rate of `interval`, its share of the plan's.")
    covariate: bool = Field(description="Whether what units did before the experiment was taken out (CUPED).")
    control: Number | None = Field(description="Mean per unit, or ratio of means. None: it cannot be computed.")
    treatment: Number | None
    difference: Number | None = Field(description="Treatment minus control.")
    interval: Bounds | None = Field(description="Of the difference. None: too few units, or nothing varies.")
    relative: Number | None = Field(description="Difference over control. None: not both means are positive.")
    relative_interval: Bounds | None
    fixed_interval: Bounds | None = Field(description="Of the difference, at 1 - the plan's alpha.")
    p_value: Number | None
    adjusted_p_value: Number | None = Field(description="For all metrics, by the plan's correction.")
    passed: bool | None = Field(
        description="Shown to be better, or, a guardrail, no worse than its margin. False: shown to be worse, or worse "
        "than its margin. None: neither."
    )


class Readout(_Closed):
    """What an experiment shows on one day, from all data up to its end."""

    experiment: str
    retriever: str
    plan_digest: str
    day: date = Field(description="The last day (UTC) that is counted.")
    look: int = Field(ge=1, description="Its number: 1 on the first day of the experiment.")
    units: dict[str, int] = Field(description="Units by arm; those seen in both arms are in neither.")
    planned_units: int = Field(description="Of the smaller arm.")
    valid: bool
    void_reasons: tuple[str, ...]
    rule: str = Field(
        "confidence_sequence: intervals valid at every daily look, on each arm's own standard error",
        description="By which rule it is judged. Read-outs from before there were two do not say it.",
    )
    effects: tuple[Effect, ...] = Field(description="Primary, guardrails, secondary. None where the result is void.")
    verdict: Verdict
    sentence: str

    def effect(self, name: str) -> Effect | None:
        """Return the effect on a metric; None if there is none, as in a void read-out."""
        return next((effect for effect in self.effects if effect.name == name), None)

    def as_json(self) -> dict[str, Any]:
        """Return plain data, as `readout.json` has it."""
        return self.model_dump(mode="json")


def file(folder: Path, day: date) -> Path:
    """Return the path of a day's read-out in an experiment's folder."""
    return folder / "readouts" / day.isoformat() / JSON


def files(folder: Path) -> list[Path]:
    """List the read-outs of all days, in order; hidden folders that a killed attempt left are skipped."""
    return sorted((folder / "readouts").glob(f"[0-9]*/{JSON}"))


def read(path: Path) -> Readout:
    """Read a read-out that was written before.

    Args:
        path: Its `readout.json`.

    Raises:
        RunError: There is none, or it is damaged.
    """
    try:
        return Readout.model_validate(json.loads(path.read_bytes()))
    except (OSError, ValueError, ValidationError) as error:
        raise RunError(f"{path} cannot be read: {error}.", remedy="read the day out again") from error
