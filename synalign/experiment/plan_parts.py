"""What a plan is made of: arms, metrics, the time before, the ramp, the stopping rule."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from synalign.config import Name

ArmName = Literal["control", "treatment"]
BUCKETS = 10_000
"""Shares are counted in buckets: the smallest is one in ten thousand."""
LONGEST_DAYS = 366

RESERVED_COLUMNS = frozenset({"unit_id", "at", "arm", "exposed_at", "plan_digest"})
"""Columns of exposures and outcomes that are no measurements."""

Text = Annotated[str, Field(min_length=1, max_length=1000)]
Column = Annotated[str, Field(min_length=1, max_length=200)]
Salt = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def whole_buckets(share: float) -> float:
    """Return a share if it is a whole number of buckets."""
    if abs(share * BUCKETS - round(share * BUCKETS)) > 1e-6:
        raise ValueError(f"must be a multiple of {1 / BUCKETS}, the share of one bucket")
    return share


class Closed(BaseModel):
    """A model that knows all its keys, holds no infinite number, and cannot be changed after it was checked."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        str_strip_whitespace=True,
        allow_inf_nan=False,
        json_schema_serialization_defaults_required=True,
    )


class TrainingSet(Closed):
    """A registered version of a training set."""

    model: Text = Field(description="Registered model that holds it, such as `shop-training-set`.")
    version: Annotated[str, Field(pattern=r"^[0-9]{1,10}$")] = Field(description="Its version there.")
    digest: Digest = Field(description="SHA-256 of its content, as in the version's tag `digest`.")

    @field_validator("version", mode="before")
    @classmethod
    def _as_text(cls, version: Any) -> Any:
        return str(version) if isinstance(version, int) and not isinstance(version, bool) else version


class Arm(Closed):
    """One of the two retrievers compared."""

    name: ArmName = Field(description="`control` is what serves today.")
    model_uri: Text = Field(description="Where the retriever is: a URI that the serving side can load.")
    training_set: TrainingSet | None = Field(
        None, description="What it was trained on. None, for the control only: it is older than SynAlign."
    )


class Metric(Closed):
    """A figure compared between the arms: a mean per unit, or a ratio of two means (by the delta method)."""

    name: Name = Field(description="In reports and MLflow.")
    numerator: Column = Field(description="Column of the outcomes, summed per unit.")
    denominator: Column | None = Field(
        None, description="Column of the outcomes, summed per unit. None: the mean of the numerator per unit."
    )
    better: Literal["higher", "lower"] = Field("higher", description="Which way is good.")

    @field_validator("numerator", "denominator")
    @classmethod
    def _measures(cls, column: str | None) -> str | None:
        if column in RESERVED_COLUMNS:
            raise ValueError("must be a column that measures something")
        return column

    @model_validator(mode="after")
    def _ratio_of_two(self) -> Metric:
        if self.denominator == self.numerator:
            raise ValueError("denominator must be another column than numerator, or the ratio is always 1")
        return self


class Guardrail(Metric):
    """A metric that must not get worse by more than a margin (non-inferiority)."""

    margin: float = Field(gt=0.0, lt=1.0, description="Worst relative loss that is still tolerated: 0.02 is 2 %.")


class Covariate(Closed):
    """What units did before the experiment: it takes their differences out of the comparison (CUPED)."""

    days: int = Field(ge=1, le=LONGEST_DAYS, description="Days before `start` whose outcomes are used, same columns.")


class Baseline(Closed):
    """The primary metric before the experiment, from which its size follows."""

    mean: float = Field(ge=-1e12, le=1e12, description="Of the primary metric; not 0.")
    variance: float = Field(
        gt=0.0,
        le=1e24,
        description="Per unit, in the control; of the linearised ratio for a ratio, of what a covariate leaves if any. "
        "In the treatment it is taken to grow with the square of the mean.",
    )
    units_per_day: float = Field(gt=0.0, le=1e12, description="New eligible units a day, of all traffic.")

    @field_validator("mean")
    @classmethod
    def _not_zero(cls, mean: float) -> float:
        if abs(mean) < 1e-12:
            raise ValueError("must not be 0, or no effect is a share of it")
        return mean


class Ramp(Closed):
    """From a day on, the share of traffic that takes part; the rest sees the control and is not counted."""

    start: date = Field(description="First day (UTC) of this share.")
    share: Annotated[float, Field(gt=0.0, le=1.0)] = Field(description="Of all units, in steps of 0.0001.")

    _buckets = field_validator("share")(whole_buckets)


class Stopping(Closed):
    """When the test may end before its time: a rule under which a look every day is valid."""

    rule: Literal["pooled_confidence_sequence", "confidence_sequence"] = Field(
        "pooled_confidence_sequence",
        description="Confidence sequence (Waudby-Smith et al. 2024), narrowest at the planned sample size, on the "
        "wider of two standard errors: each arm's own, and that of both arms pooled. confidence_sequence is the rule "
        "of older plans: sized as they were, and judged by the same intervals, which are never narrower than theirs.",
    )
    primary_share: float = Field(
        0.5,
        gt=0.0,
        lt=1.0,
        description="Share of alpha that the primary metric has; guardrails and secondary metrics divide the rest "
        "equally. Without them the primary has all.",
    )
