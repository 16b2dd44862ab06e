"""Logs added up in Spark against a naive count in Python, each fault once, and every kind of file that is wrong."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign.config.location import TableFiles
from synalign.errors import InputError
from synalign.experiment import ExperimentPlan
from synalign.experiment.assignment import arm_of, assign, bucket
from synalign.experiment.effects import BEFORE, columns
from synalign.experiment.join import Join
from synalign.experiment.log_files import Kind, flaws, refuse_flaws
from synalign.experiment.logs import admission, expected_arm, read

Make = Callable[..., ExperimentPlan]
START = datetime(2026, 3, 1, tzinfo=UTC)
THIRD = date(2026, 3, 3)
METRICS: dict[str, Any] = {
    "primary": {"name": "ctr", "numerator": "clicks", "denominator": "the.searches"},
    "guardrails": [{"name": "latency", "numerator": "ms", "better": "lower", "margin": 0.02}],
    "covariate": {"days": 7},
}


class Folders(NamedTuple):
    """Where the logs of a test lie."""

    exposures: Path
    outcomes: Path


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders(tmp_path / "exposures", tmp_path / "outcomes")
    for folder in made:
        folder.mkdir()
    return made


def moment(days: float, seconds: float = 0.0) -> datetime:
    """Days after the start."""
    return START + timedelta(days=days, seconds=seconds)


def put(folder: Path, rows: list[dict[str, Any]], name: str = "a") -> None:
    """Times in microseconds: what Spark reads."""
    pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet", coerce_timestamps="us")


def exposure(plan: ExperimentPlan, unit: str, at: datetime, **fields: Any) -> dict[str, Any]:
    row = {"unit_id": unit, "arm": arm_of(plan, unit), "exposed_at": at, "plan_digest": plan.digest}
    return {**row, **fields}


def outcome(unit: str, at: datetime, clicks: int = 1, searches: int = 2, ms: float = 10.0) -> dict[str, Any]:
    return {"unit_id": unit, "at": at, "clicks": clicks, "the.searches": searches, "ms": ms, "other": "x"}


def daily(plan: ExperimentPlan) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Two units a day for three days, one in each arm, with outcomes an hour after their exposure."""
    names = [str(number) for number in range(100)]
    units = zip(
        *([name for name in names if arm_of(plan, name) == arm] for arm in ("control", "treatment")), strict=False
    )
    exposures, outcomes = [], []
    for day, pair in zip(range(3), units, strict=False):
        for unit in pair:
            exposures.append(exposure(plan, unit, moment(day, 3600)))
            outcomes.append(outcome(unit, moment(day, 7200)))
    return exposures, outcomes


def test_sums_are_those_of_a_naive_count(plan: Make, spark: Any, folders: Folders) -> None:
    made, rng = plan(**METRICS), np.random.default_rng(4)
    units = [f"unit {number}" for number in range(60)] + ["用户", "a'b", " lead"]
    first = {unit: moment(rng.uniform(0.0, 3.0)) for unit in units}
    exposures = [exposure(made, unit, first[unit]) for unit in units]
    # Seen again later, and twice in the same moment.
    exposures += [exposure(made, unit, moment(3.0, -1.0)) for unit in units[::2]] + exposures[:5]
    exposures += [exposure(made, "too late", moment(3.0)), exposure(made, "history", moment(-5.0), plan_digest="old")]
    outcomes = [
        outcome(str(rng.choice(units[5:])), at, int(rng.integers(0, 3)), int(rng.integers(1, 9)), float(rng.normal()))
        for at in (moment(rng.uniform(-9.0, 4.0)) for _ in range(1_000))
    ]
    # Those before the exposure are another test's business.
    outcomes = [row for row in outcomes if not START <= row["at"] < first[row["unit_id"]]]
    outcomes += [outcome("stranger", moment(0.5), 99), outcome(units[0], first[units[0]], 7), outcome("9", moment(3.0))]
    put(folders.exposures, exposures[::2], "a")
    put(folders.exposures, exposures[1::2], "b")
    put(folders.outcomes, outcomes)
    log = read(spark, made, *folders, THIRD)
    for arm in ("control", "treatment"):
        members = [unit for unit in units if arm_of(made, unit) == arm]
        assert log.units[arm] == log.sums[arm].count() == len(members)
        counted = {name: np.zeros(len(members)) for name in columns(made).names}
        for row in outcomes:
            if row["unit_id"] in members:
                if first[row["unit_id"]] <= row["at"] < moment(3.0):
                    prefix = ""
                elif moment(-7.0) <= row["at"] < START:
                    prefix = BEFORE
                else:
                    continue
                for name in columns(made).values:
                    counted[prefix + name][members.index(row["unit_id"])] += row[name]
        for name, values in counted.items():
            assert log.sums[arm].mean(name) == pytest.approx(values.mean())
            assert log.sums[arm].var(name) == pytest.approx(values.var(ddof=1))
        for left, right in columns(made).pairs:
            assert log.sums[arm].cov(left, right) == pytest.approx(np.cov(counted[left], counted[right])[0, 1])
    assert log.unit_days == sum((THIRD - first[unit].date()).days + 1 for unit in units)
    assert not any(log[3:10])
    assert (log.no_exposures, log.no_outcomes) == ((), ())


def test_every_fault_is_counted(plan: Make, spark: Any, folders: Folders) -> None:
    made = plan(**METRICS)
    exposures, outcomes = daily(made)
    moved = next(name for name in map(str, range(2000, 3000)) if arm_of(made, name) == "control")
    both = next(name for name in map(str, range(3000, 4000)) if arm_of(made, name) == "control")
    slow = [name for name in map(str, range(4000, 4002))]
    exposures += [
        exposure(made, moved, moment(0.5), arm="treatment"),
        exposure(made, both, moment(0.5)),
        exposure(made, both, moment(1.5), arm="treatment"),
        exposure(made, "lost", moment(0.5), arm="Control"),
        exposure(made, "foreign", moment(0.5), plan_digest="f" * 64),
        exposure(made, "too early", moment(0.0, -1.0)),
        *(exposure(made, unit, moment(1.0)) for unit in slow),
    ]
    # One a little more than a minute before its exposure, one a little less.
    outcomes += [outcome(slow[0], moment(1.0, -60.001)), outcome(slow[1], moment(1.0, -60.0))]
    put(folders.exposures, exposures)
    put(folders.outcomes, outcomes)
    log = read(spark, made, *folders, THIRD)
    assert sum(log.units.values()) == 6 + 1 + 2
    assert log._replace(units={}, sums={}, unit_days=0.0) == (
        {}, 0.0, {}, 1, 1, 0, 1, 1, 1, 1, (), (), Join({"control": 3, "treatment": 3}, before=2),
    )  # fmt: skip


def test_a_ramp_says_since_when_outcomes_are_early_and_who_may_be_exposed(
    plan: Make, spark: Any, folders: Folders
) -> None:
    ramp = [{"start": "2026-03-01", "share": 0.3}, {"start": "2026-03-03", "share": 0.6}]
    made = plan(**METRICS, ramp=ramp, minimum_detectable_effect=1.0)
    names = [str(number) for number in range(400)]
    at_once = [name for name in names if assign(made, name, date(2026, 3, 1))]
    later = [name for name in names if name not in at_once and assign(made, name, THIRD)]
    never = [name for name in names if assign(made, name, THIRD) is None]
    exposures = [exposure(made, name, moment(day, 60)) for day in range(3) for name in at_once]
    exposures += [
        exposure(made, later[0], moment(2.0)),
        exposure(made, later[1], moment(2.5)),
        exposure(made, later[2], moment(1.9)),
        exposure(made, never[0], moment(2.5)),
    ]
    outcomes = [outcome(name, moment(day, 120)) for day in range(3) for name in at_once]
    # Before their admission people do as they like; after it, an outcome without an exposure is a fault.
    outcomes += [outcome(later[0], moment(1.5)), outcome(later[1], moment(2.1))]
    put(folders.exposures, exposures)
    put(folders.outcomes, outcomes)
    log = read(spark, made, *folders, THIRD)
    assert (log.not_admitted, log.early, log.misassigned) == (2, 1, 0)
    # What came between start and exposure is in neither sum.
    counted = sum(log.units[arm] * log.sums[arm].mean("clicks") for arm in log.units)
    assert counted == pytest.approx(3 * len(at_once))


def test_days_without_rows_are_found(plan: Make, spark: Any, folders: Folders) -> None:
    made = plan(**METRICS)
    exposures, outcomes = daily(made)
    put(folders.exposures, exposures[:2] + exposures[4:])
    put(folders.outcomes, [*outcomes[:4], outcome("x", moment(3.0))])
    log = read(spark, made, *folders, date(2026, 3, 4))
    assert log.no_exposures == (date(2026, 3, 2), date(2026, 3, 4))
    assert log.no_outcomes == (THIRD,)


def test_arms_and_admission_are_those_of_the_assignment(plan: Make, spark: Any) -> None:
    ramp = [{"start": "2026-03-01", "share": 0.0001}, {"start": "2026-03-02", "share": 0.3},
            {"start": "2026-03-05", "share": 0.9}]  # fmt: skip
    made = plan(treatment_share=0.3, ramp=ramp, minimum_detectable_effect=1.0)
    units = [f"u{number}" for number in range(500)] + ["é", "e\u0301", " x", "日本", "😀", "x" * 5000]
    frame = spark.createDataFrame([(unit,) for unit in units], "unit_id string")
    rows = frame.select("unit_id", expected_arm(made).alias("arm"), admission(made, made.stop).alias("day")).collect()
    for row in rows:
        days = [made.start + timedelta(days=number) for number in range(6)]
        admitted = next((day for day in days if assign(made, row["unit_id"], day)), None)
        assert row["arm"] == arm_of(made, row["unit_id"])
        assert row["day"] == (None if admitted is None else (admitted - date(1970, 1, 1)).days)
    assert {row["day"] is None for row in rows} == {True, False}
    assert len({bucket("s", unit) for unit in units}) > 400


def test_times_without_a_zone_are_utc_whatever_the_session_says(plan: Make, spark: Any, folders: Folders) -> None:
    made = plan(**METRICS)
    exposures, outcomes = daily(made)
    put(folders.exposures, [{**row, "exposed_at": row["exposed_at"].replace(tzinfo=None)} for row in exposures])
    put(folders.outcomes, [{**row, "at": row["at"].replace(tzinfo=None)} for row in outcomes])
    expected = read(spark, made, *folders, THIRD)
    zone = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    try:
        elsewhere = read(spark, made, *folders, THIRD)
    finally:
        spark.conf.set("spark.sql.session.timeZone", zone)
    assert expected.units == elsewhere.units == {"control": 3, "treatment": 3}
    assert (elsewhere.unit_days, elsewhere.no_exposures) == (expected.unit_days, ()) == (12.0, ())
    assert elsewhere.sums["control"].mean("clicks") == 1.0


WRONG: list[tuple[str, dict[str, Any], list[str]]] = [
    ("exposures", {"unit_id": 7}, ["column 'unit_id' is bigint, must be text", "ids as numbers"]),
    ("exposures", {"exposed_at": "2026-03-01"}, ["column 'exposed_at' is string, must be time"]),
    ("exposures", {"plan_digest": None}, ["'plan_digest' is"]),
    ("outcomes", {"clicks": "3"}, ["column 'clicks' is string, must be number", "numbers as text"]),
    ("outcomes", {"clicks": True}, ["column 'clicks' is boolean, must be number"]),
    ("outcomes", {"at": date(2026, 3, 1)}, ["column 'at' is date, must be time"]),
]


@pytest.mark.parametrize(("log", "fields", "parts"), WRONG)
def test_a_column_of_another_type_is_told(
    plan: Make, spark: Any, folders: Folders, log: str, fields: dict[str, Any], parts: list[str]
) -> None:
    made = plan(**METRICS)
    exposures, outcomes = daily(made)
    put(folders.exposures, [{**row, **fields} for row in exposures] if log == "exposures" else exposures)
    put(folders.outcomes, [{**row, **fields} for row in outcomes] if log == "outcomes" else outcomes)
    with pytest.raises(InputError) as error:
        read(spark, made, *folders, THIRD)
    assert str(getattr(folders, log)) in str(error.value)
    for part in parts:
        assert part in str(error.value)


@pytest.mark.parametrize(("log", "column"), [("exposures", "plan_digest"), ("outcomes", "the.searches")])
def test_a_missing_column_is_told_with_those_that_are_there(
    plan: Make, spark: Any, folders: Folders, log: str, column: str
) -> None:
    made = plan(**METRICS)
    rows = dict(zip(("exposures", "outcomes"), daily(made), strict=True))
    rows[log] = [{key: value for key, value in row.items() if key != column} for row in rows[log]]
    for name, content in rows.items():
        put(getattr(folders, name), content)
    with pytest.raises(InputError, match=f"column '{column}' is missing; there are unit_id \\(string\\), ") as error:
        read(spark, made, *folders, THIRD)
    assert f"write '{column}'" in error.value.remedy


def test_values_that_are_none_are_counted_by_column(spark: Any) -> None:
    kinds: dict[str, Kind] = {"unit": "text", "at": "time", "a.b": "number", "c`d": "number"}
    rows = [("u", START, 1.0, 1), ("", START, float("nan"), 1), (None, None, float("-inf"), None),
            ("u", START, float("inf"), 0), (" ", START, 1e308, 1)]  # fmt: skip
    schema = "unit string, at timestamp, `a.b` double, `c``d` int"
    (row,) = spark.createDataFrame(rows, schema).agg(*flaws(kinds)).collect()
    assert tuple(row) == (2, 1, 3, 1)
    with pytest.raises(InputError, match="column 'unit' is absent, empty, NaN or infinite in 2 rows"):
        refuse_flaws([row], Path("log"), kinds)
    (none,) = spark.createDataFrame(rows[:1], schema).agg(*flaws(kinds)).collect()
    refuse_flaws([none], Path("log"), kinds)


@pytest.mark.parametrize(("log", "fields"), [("outcomes", {"clicks": None}), ("exposures", {"exposed_at": None})])
def test_a_value_that_is_none_is_an_error(
    plan: Make, spark: Any, folders: Folders, log: str, fields: dict[str, Any]
) -> None:
    made = plan(**METRICS)
    rows = dict(zip(("exposures", "outcomes"), daily(made), strict=True))
    rows[log][1] |= fields
    for name, content in rows.items():
        put(getattr(folders, name), content)
    (column,) = fields
    with pytest.raises(InputError, match=f"column '{column}' is absent, empty, NaN or infinite in 1 rows") as error:
        read(spark, made, *folders, THIRD)
    assert str(getattr(folders, log)) in error.value.message


def test_folders_that_cannot_be_read_are_told(plan: Make, spark: Any, folders: Folders, tmp_path: Path) -> None:
    made = plan(**METRICS)
    exposures, outcomes = daily(made)
    put(folders.exposures, exposures)
    with pytest.raises(InputError, match="cannot be read"):
        read(spark, made, folders.exposures, folders.outcomes, THIRD)
    with pytest.raises(InputError, match=str(tmp_path / "nowhere")):
        read(spark, made, tmp_path / "nowhere", folders.outcomes, THIRD)
    (folders.outcomes / "a.parquet").write_bytes(b"no Parquet at all")
    with pytest.raises(InputError, match="cannot be read"):
        read(spark, made, *folders, THIRD)
    # Files that do not agree with each other fail where they are read, not where they are opened.
    put(folders.outcomes, outcomes, "a")
    put(folders.outcomes, [{**row, "clicks": "many"} for row in outcomes], "b")
    with pytest.raises(InputError):
        read(spark, made, *folders, THIRD)


def test_files_of_other_writers_add_up_to_the_same(plan: Make, spark: Any, folders: Folders, tmp_path: Path) -> None:
    made = plan(**METRICS)
    exposures, outcomes = daily(made)
    put(folders.exposures, exposures)
    put(folders.outcomes, outcomes)
    expected = read(spark, made, *folders, THIRD)
    others = Folders(tmp_path / "a" / f"plan_digest={made.digest}", tmp_path / "b")
    for folder in others:
        folder.mkdir(parents=True)
    # Nanoseconds, columns in another order and others besides, a column in the folder's name, whole numbers as doubles.
    for number, row in enumerate(exposures):
        content = {name: row[name] for name in reversed(row) if name != "plan_digest"}
        unit = pa.timestamp("ns", "UTC") if number % 2 else pa.timestamp("ns")
        nanos = int(row["exposed_at"].timestamp() * 1e6) * 1000
        table = pa.Table.from_pylist([{**content, "page": number}])
        at = table.schema.get_field_index("exposed_at")
        pq.write_table(
            table.set_column(at, "exposed_at", pa.array([nanos], unit)), others.exposures / f"{number}.parquet"
        )
    put(others.outcomes, outcomes[: len(outcomes) // 2], "a")
    put(others.outcomes, [{**row, "clicks": float(row["clicks"])} for row in outcomes[len(outcomes) // 2 :]], "b")
    found = read(spark, made, tmp_path / "a", others.outcomes, THIRD)
    assert repr(found) == repr(expected)


def test_tables_and_queries_add_up_to_what_files_do(plan: Make, spark: Any, folders: Folders) -> None:
    made = plan(**METRICS)
    exposures, outcomes = daily(made)
    put(folders.exposures, exposures)
    put(folders.outcomes, outcomes)
    expected = read(spark, made, *folders, THIRD)
    spark.read.parquet(str(folders.exposures)).createOrReplaceTempView("lake_exposures")
    spark.read.parquet(str(folders.outcomes)).withColumnRenamed("at", "logged").createOrReplaceTempView("lake_outcomes")
    sql = "SELECT *, logged AS at FROM lake_outcomes WHERE logged >= '{start}' AND logged < '{end}'"
    tables = TableFiles(table="lake_exposures"), TableFiles(sql=sql)
    assert repr(read(spark, made, *tables, THIRD)) == repr(expected)
    with pytest.raises(InputError, match="the query of sql: column 'at' is missing; there are unit_id") as error:
        read(spark, made, tables[0], TableFiles(sql="SELECT * FROM lake_outcomes"), THIRD)
    assert "name it so in a query" in (error.value.remedy or "")


def test_damaged_pages_of_a_log_are_blamed_on_the_file(plan: Make, spark: Any, folders: Folders) -> None:
    made = plan(**METRICS)
    exposures, outcomes = daily(made)
    put(folders.exposures, exposures)
    put(folders.outcomes, outcomes)
    path = folders.outcomes / "a.parquet"
    content = path.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    path.write_bytes(content[:4] + bytes(byte ^ 0xFF for byte in content[4:footer]) + content[footer:])
    with pytest.raises(InputError, match=r"a\.parquet: cannot be read"):
        read(spark, made, *folders, THIRD)
