"""Exposures and outcomes of an experiment, aggregated per unit in Spark: only sums reach the driver.

Exposures: `unit_id` and `arm` (text), `exposed_at` (time), `plan_digest` (text), one row or more per unit. Outcomes:
`unit_id` (text), `at` (time) and the plan's columns (numbers), any number of rows per unit; every row counts, so a log
that may hold a row twice must be made unique first. Times are UTC. Both folders may hold other experiments' days.

A unit's outcomes count from its first exposure on; a unit without any counts as 0. The covariate is made of the
outcomes in the days before the plan's start. What lies between, before a unit was exposed, is in neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from pyspark import StorageLevel
from pyspark.sql import Column
from pyspark.sql import functions as F
from tea_tasting.aggr import Aggregates

from synalign.experiment.effects import BEFORE, columns
from synalign.experiment.join import ALIKE_SHARE, LIKENESSES, Join
from synalign.experiment.log_files import EventLog, Kind, column, flaws, read_log, readable, refuse_flaws
from synalign.experiment.plan import BUCKETS
from synalign.run import Interval

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row, SparkSession

    from synalign.experiment.plan import ExperimentPlan

EARLY_SECONDS = 60
"""Outcomes that are at most this much before the first exposure are no fault: clocks of two services differ."""

EXPOSURES: dict[str, Kind] = {"unit_id": "text", "arm": "text", "exposed_at": "time", "plan_digest": "text"}
_ARMS = ("control", "treatment")
_DAY_MICROSECONDS = 86_400_000_000


class Log(NamedTuple):
    """All that a read-out knows of the logs.

    Attributes:
        units: By arm, units that were seen in this arm only.
        unit_days: Days of units in both arms: each unit once for every day since its first exposure.
        sums: By arm, mean, variance and covariances per unit of `effects.columns(plan).names`.
        two_arms: Units seen in both arms.
        misassigned: Units in another arm than their id says.
        not_admitted: Units exposed before the ramp admitted them.
        early: Units with outcomes between their admission and their first exposure.
        unknown_arms: Exposures whose arm is neither control nor treatment.
        other_plan: Exposures under another plan, on days of this one.
        before_start: Exposures under this plan, before its start.
        no_exposures: Days without an exposure.
        no_outcomes: Days without an outcome.
        join: How many units have outcomes; None: not counted.
    """

    units: dict[str, int]
    unit_days: float
    sums: dict[str, Aggregates]
    two_arms: int
    misassigned: int
    not_admitted: int
    early: int
    unknown_arms: int
    other_plan: int
    before_start: int
    no_exposures: tuple[date, ...]
    no_outcomes: tuple[date, ...]
    join: Join | None = None


def read(spark: SparkSession, plan: ExperimentPlan, exposures: EventLog, outcomes: EventLog, day: date) -> Log:
    """Aggregate an experiment's logs up to the end of a day.

    Three passes: exposures by day, outcomes by day, and both per unit, which shuffles the exposures of the experiment
    and the outcomes of its days by unit; and, where units have no outcomes, one over the ids of both. A row per day and
    three rows of sums reach the driver.

    Args:
        spark: A session.
        plan: The experiment.
        exposures: Folder of Parquet files, or a table that Spark reads.
        outcomes: Likewise.
        day: The last day that counts.

    Raises:
        InputError: A folder cannot be read, a column is missing or of another type, or a value is absent, NaN or
            infinite.
    """
    before = _midnight(plan.start, -plan.covariate.days if plan.covariate else 0)
    first = plan.start - timedelta(days=plan.covariate.days if plan.covariate else 0)
    window = Interval(datetime.combine(first, time(), UTC), datetime.combine(day + timedelta(days=1), time(), UTC))
    exposed = _until(read_log(spark, exposures, EXPOSURES, window), "exposed_at", day)
    measured = _until(read_log(spark, outcomes, _outcomes(plan), window), "at", day)
    measured = measured.where(F.col("at").isNull() | (F.col("at") >= before))
    with readable(exposures):
        exposure_days = _exposures_by_day(exposed, plan)
    refuse_flaws(exposure_days, exposures, EXPOSURES)
    with readable(outcomes):
        outcome_days = _outcomes_by_day(measured, plan)
    refuse_flaws(outcome_days, outcomes, _outcomes(plan))
    with readable(outcomes), _kept(_per_unit(_units(exposed, plan, day), measured, plan)) as per_unit:
        per_arm = _per_arm(per_unit, plan)
        joined = _join(per_unit, per_arm, measured.where(F.col("at") >= _midnight(plan.start)))
    arms = {arm: row for arm, row in per_arm.items() if arm in _ARMS}
    return Log(
        units={arm: arms[arm]["units"] if arm in arms else 0 for arm in _ARMS},
        unit_days=float(sum(row["unit_days"] for row in arms.values())),
        sums={arm: _aggregates(row, plan) for arm, row in arms.items()},
        two_arms=per_arm["both"]["units"] if "both" in per_arm else 0,
        misassigned=_total(per_arm.values(), "misassigned"),
        not_admitted=_total(per_arm.values(), "not_admitted"),
        early=_total(per_arm.values(), "early"),
        unknown_arms=_total(exposure_days, "unknown_arms"),
        other_plan=_total(exposure_days, "other_plan"),
        before_start=_total((row for row in exposure_days if row["day"] is None), "own"),
        no_exposures=_missing(plan, day, {row["day"] for row in exposure_days if row["own"]}),
        no_outcomes=_missing(plan, day, {row["day"] for row in outcome_days}),
        join=joined,
    )


def _until(frame: DataFrame, time: str, day: date) -> DataFrame:
    """Keep rows up to the end of a day, and those without a time, which are to be counted as flaws."""
    return frame.where(F.col(time).isNull() | (F.col(time) < _midnight(day, 1)))


def _total(rows: Iterable[Any], name: str) -> int:
    return sum(row[name] for row in rows)


def _outcomes(plan: ExperimentPlan) -> dict[str, Kind]:
    kinds: dict[str, Kind] = {"unit_id": "text", "at": "time"}
    for name in columns(plan).values:
        kinds[name] = "number"
    return kinds


def expected_arm(plan: ExperimentPlan) -> Column:
    """Express `assignment.arm_of` of the column `unit_id` in Spark."""
    treated = bucket(f"{plan.salt}/arm") < round(plan.treatment_share * BUCKETS)
    return F.when(treated, F.lit("treatment")).otherwise(F.lit("control"))


def admission(plan: ExperimentPlan, last: date) -> Column:
    """Return the day, counted from 1970, on which the ramp admits the unit of `unit_id`; null: not until `last`."""
    days = [plan.start + timedelta(days=number) for number in range((last - plan.start).days + 1)]
    shares = {plan.traffic_share(day): day for day in reversed(days)}
    traffic, admitted = bucket(f"{plan.salt}/traffic"), F.lit(None).cast("long")
    # From the last step to the first, so that the first one that admits a unit is outermost, and wins.
    for share, day in shares.items():
        admitted = F.when(traffic < round(share * BUCKETS), _number(day)).otherwise(admitted)
    return admitted


def bucket(salt: str) -> Column:
    """Express `assignment.bucket` of the column `unit_id` in Spark."""
    digits = F.substring(F.sha2(F.concat(F.lit(f"{salt}:"), F.col("unit_id")), 256), 1, 12)
    return F.conv(digits, 16, 10).cast("long") % BUCKETS


def _exposures_by_day(exposed: DataFrame, plan: ExperimentPlan) -> list[Row]:
    """Count exposures in a row per day, and one, without a day, for this plan's exposures before the experiment."""
    own, day = F.col("plan_digest") == plan.digest, _day("exposed_at", plan)
    return (
        exposed.where(day.isNotNull() | own | F.col("exposed_at").isNull())
        .groupBy(day.alias("day"))
        .agg(
            F.count_if(own).alias("own"),
            F.count_if(~own & day.isNotNull()).alias("other_plan"),
            F.count_if(own & ~F.col("arm").isin(*_ARMS)).alias("unknown_arms"),
            *flaws(EXPOSURES),
        )
        .collect()
    )


def _outcomes_by_day(measured: DataFrame, plan: ExperimentPlan) -> list[Row]:
    """Count outcomes in a row per day, and one, without a day, for the days before the experiment."""
    return (
        measured.groupBy(_day("at", plan).alias("day"))
        .agg(F.count("*").alias("rows"), *flaws(_outcomes(plan)))
        .collect()
    )


def _units(exposed: DataFrame, plan: ExperimentPlan, day: date) -> DataFrame:
    """Return a row per unit exposed under this plan: arm (`both` if it was seen in both), first exposure, faults."""
    mine = (F.col("plan_digest") == plan.digest) & (F.col("exposed_at") >= _midnight(plan.start))
    arm = F.when(F.col("low") == F.col("high"), F.col("low")).otherwise("both")
    since = F.col("since")
    return (
        exposed.where(mine & F.col("arm").isin(*_ARMS))
        .groupBy("unit_id")
        .agg(F.min("exposed_at").alias("first"), F.min("arm").alias("low"), F.max("arm").alias("high"))
        .withColumn("arm", arm)
        .withColumn("since", admission(plan, day))
        .select(
            "unit_id",
            "arm",
            "first",
            ((F.col("arm") != "both") & (F.col("arm") != expected_arm(plan))).alias("misassigned"),
            (since.isNull() | (_number_of("first") < since)).alias("not_admitted"),
            (_number(day) - _number_of("first") + 1).alias("days"),
            F.coalesce(since, _number(plan.start)).alias("since"),
        )
    )


def _per_unit(units: DataFrame, measured: DataFrame, plan: ExperimentPlan) -> DataFrame:
    """Return a row per unit, with the sums of its outcomes before the experiment and since its exposure.

    Sums are named `sum 0`, `sum 1` ... in the order of `columns(plan).names`: columns of a log may be called anything.
    """
    wanted, at = columns(plan), F.col("at")
    since, before = at >= F.col("first"), at < _midnight(plan.start)
    early = (F.unix_micros("at") >= F.col("since") * _DAY_MICROSECONDS) & (
        F.unix_micros("at") < F.unix_micros("first") - EARLY_SECONDS * 1_000_000
    )
    values = [column(value).cast("double").alias(f"value {place}") for place, value in enumerate(wanted.values)]
    sums = []
    for place, name in enumerate(wanted.names):
        value = F.col(f"value {wanted.values.index(name.removeprefix(BEFORE))}")
        total = F.sum(F.when(before if name.startswith(BEFORE) else since, value))
        sums.append(F.coalesce(total, F.lit(0.0)).alias(f"sum {place}"))
    return (
        units.join(measured.select("unit_id", "at", *values), "unit_id", "left")
        .groupBy(*units.columns)
        .agg(
            F.coalesce(F.bool_or(early), F.lit(False)).alias("early"),
            F.coalesce(F.bool_or(since), F.lit(False)).alias("joined"),
            (F.count("at") > 0).alias("seen"),
            *sums,
        )
    )


def _per_arm(per_unit: DataFrame, plan: ExperimentPlan) -> dict[str, dict[str, Any]]:
    """Sum over the units of each arm, and of those in both; moments are named by the places of their columns."""
    wanted = columns(plan)
    sums = {name: F.col(f"sum {place}") for place, name in enumerate(wanted.names)}
    rows = (
        per_unit.groupBy("arm")
        .agg(
            F.count("*").alias("units"),
            F.sum("days").alias("unit_days"),
            *(F.count_if(F.col(fault)).alias(fault) for fault in ("misassigned", "not_admitted", "early", "joined")),
            F.count_if(F.col("seen") & ~F.col("joined")).alias("before"),
            *(F.avg(sums[name]).alias(f"mean {place}") for place, name in enumerate(wanted.names)),
            *(F.var_samp(sums[name]).alias(f"var {place}") for place, name in enumerate(wanted.names)),
            *(F.covar_samp(sums[a], sums[b]).alias(f"cov {place}") for place, (a, b) in enumerate(wanted.pairs)),
        )
        .collect()
    )
    return {row["arm"]: row.asDict() for row in rows}


@contextmanager
def _kept(frame: DataFrame) -> Iterator[DataFrame]:
    """Keep a frame that is read more than once: on disk where memory does not hold it."""
    kept = frame.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        yield kept
    finally:
        kept.unpersist()


def _join(per_unit: DataFrame, per_arm: Mapping[str, Mapping[str, Any]], measured: DataFrame) -> Join:
    """Count units that have outcomes, and units whose outcomes stand under an id that is spelt otherwise.

    Args:
        per_unit: One row per unit.
        per_arm: The same, counted.
        measured: Outcomes in the days of the experiment.
    """
    arms = {arm: per_arm[arm] for arm in _ARMS if arm in per_arm}
    units, joined = _total(arms.values(), "units"), _total(arms.values(), "joined")
    found = Join({arm: arms[arm]["joined"] if arm in arms else 0 for arm in _ARMS}, _total(arms.values(), "before"))
    if units - joined <= ALIKE_SHARE * units:
        return found
    ids = per_unit.where(F.col("arm").isin(*_ARMS)).select("unit_id", "joined")
    others = measured.select("unit_id").distinct().join(per_unit.select("unit_id"), "unit_id", "left_anti")
    alike = (
        ids.select("joined", F.explode(spellings()).alias("spelling"))
        .join(others.select(F.explode(spellings()).alias("spelling")).distinct(), "spelling", "left_semi")
        .groupBy("spelling.kind")
        .agg(F.count_if(~F.col("joined")).alias("lacking"), F.count_if("joined").alias("having"))
        .collect()
    )
    return found._replace(alike={row["kind"]: (row["lacking"], row["having"]) for row in alike})


def spellings() -> Column:
    """Return spellings of `unit_id` by kind, each without what ids of one log have and those of another lack."""
    plain = F.lower(F.regexp_replace("unit_id", r"^\s+|\s+$", ""))
    without = {
        "case": plain,
        "quotes": F.regexp_replace(plain, "^[\"']+|[\"']+$", ""),
        "decimals": F.regexp_replace(plain, r"\.0+$", ""),
        "zeros": F.regexp_replace(plain, "^0+(?=.)", ""),
        "prefix": F.regexp_extract(plain, "([^:/|]*)$", 1),
    }
    return F.array(*(F.struct(F.lit(kind).alias("kind"), without[kind].alias("id")) for kind in LIKENESSES))


def _aggregates(row: Mapping[str, Any], plan: ExperimentPlan) -> Aggregates:
    """Return tea-tasting's aggregates; what a single unit leaves undefined is 0, and concludes nothing."""
    wanted = columns(plan)
    return Aggregates(
        count_=row["units"],
        mean_={name: row[f"mean {place}"] for place, name in enumerate(wanted.names)},
        var_={name: row[f"var {place}"] or 0.0 for place, name in enumerate(wanted.names)},
        cov_={pair: row[f"cov {place}"] or 0.0 for place, pair in enumerate(wanted.pairs)},
    )


def _missing(plan: ExperimentPlan, day: date, there: set[int | None]) -> tuple[date, ...]:
    days = (plan.start + timedelta(days=number) for number in range((day - plan.start).days + 1))
    return tuple(each for each in days if _days_since_1970(each) not in there)


def _day(name: str, plan: ExperimentPlan) -> Column:
    """Return the day of a time, counted from 1970; null before the plan's start."""
    return F.when(F.col(name) >= _midnight(plan.start), _number_of(name))


def _number_of(name: str) -> Column:
    """Return the day (UTC) of a time, counted from 1970, whatever the session's zone."""
    return F.floor(F.unix_micros(name) / _DAY_MICROSECONDS)


def _number(day: date) -> Column:
    return F.lit(_days_since_1970(day)).cast("long")


def _days_since_1970(day: date) -> int:
    return day.toordinal() - date(1970, 1, 1).toordinal()


def _midnight(day: date, later: int = 0) -> Column:
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=later)
    return F.lit(moment)
