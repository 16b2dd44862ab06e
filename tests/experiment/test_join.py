"""Logs whose ids do not join: from files, in every spelling that is known; and what is legal and must not be void."""

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pytest

from synalign.experiment import ExperimentPlan
from synalign.experiment.assignment import arm_of
from synalign.experiment.findings import Readout
from synalign.experiment.join import LIKENESSES, Join, reasons
from synalign.experiment.logs import read, spellings
from synalign.experiment.readout import judge
from tests.experiment.test_effects import sums
from tests.experiment.test_logs import Folders, exposure, folders, moment, outcome, put

Make = Callable[..., ExperimentPlan]
Change = Callable[[str, str], str | None]
__all__ = ["folders"]
UNITS = 400
LAST: dict[str, Any] = {
    "stop": "2026-03-03",
    "minimum_detectable_effect": 1.0,
    "primary": {"name": "clicks", "numerator": "clicks"},
}


def read_out(
    spark: Any,
    plan: ExperimentPlan,
    folders: Folders,
    change: Change,
    *,
    ids: str = "user-{}",
    late: float = 0.1,
    doubles: bool = False,
) -> Readout:
    """The last day of an experiment whose outcomes are written under ids that are changed by arm."""
    rng = np.random.default_rng(3)
    exposures, outcomes = [], []
    for number in range(UNITS):
        unit = ids.format(number)
        exposures.append(exposure(plan, unit, moment(number % 3)))
        written = change(unit, arm_of(plan, unit))
        if doubles:
            outcomes.append(outcome(unit.upper(), moment(number % 3 + late), 5))
        if written is not None:
            outcomes.append(outcome(written, moment(number % 3 + late), int(rng.poisson(1.0))))
    put(folders.exposures, exposures)
    put(folders.outcomes, [*outcomes, *(outcome(f"stranger {day}", moment(day + 0.5)) for day in range(3))])
    last = date(2026, 3, 3)
    return judge(plan, read(spark, plan, *folders, last), last)


SPELLINGS = [
    ("user-1", "USER-1", "case"),
    ("Käufer 7", "kÄUFER 7", "case"),
    ("user-1", " user-1\t", "case"),
    ("1", "1.0", "decimals"),
    ("17.00", "17", "decimals"),
    ("17", "00017", "zeros"),
    ("0", "000", "zeros"),
    ("17", '"17"', "quotes"),
    ("it's", "'IT'S'", "quotes"),
    ("17", "app:17", "prefix"),
    ("tenant/a/17", "17", "prefix"),
    ("web|17", "app|17", "prefix"),
    ("17", "18", None),
    ("1.05", "1.5", None),
    ("user-1", "user_1", None),
]


def test_every_likeness_is_seen_and_nothing_else(spark: Any) -> None:
    rows = [(place, unit) for place, pair in enumerate(SPELLINGS) for unit in pair[:2]]
    frame = spark.createDataFrame(rows, "place int, unit_id string").select("place", spellings().alias("found"))
    seen: dict[int, list[dict[str, str]]] = {}
    for row in frame.collect():
        seen.setdefault(row["place"], []).append({each["kind"]: each["id"] for each in row["found"]})
    for place, (left, right, kind) in enumerate(SPELLINGS):
        one, other = seen[place]
        alike = [name for name in LIKENESSES if one[name] == other[name]]
        assert alike == ([] if kind is None else alike), (left, right)
        assert kind is None or kind in alike, (left, right)
        assert kind in (None, "case") or "case" not in alike, (left, right)


CHANGES: list[tuple[str, Change, str]] = [
    ("user-{}", lambda unit, _: unit.upper(), "upper and lower case or spaces around them"),
    ("1{}", lambda unit, _: f"000{unit}", "zeros in front of them"),
    # No likeness that is known: the question is put all the same.
    ("user-{}", lambda unit, _: f"x{unit[::-1]}", "do ids differ?"),
    ("user-{}", lambda unit, _: None, "do ids differ?"),
]


@pytest.mark.parametrize(("ids", "change", "told"), CHANGES)
def test_ids_that_never_join_are_void(
    plan: Make, spark: Any, folders: Folders, ids: str, change: Change, told: str
) -> None:
    found = read_out(spark, plan(**LAST), folders, change, ids=ids)
    assert (found.verdict, found.effects) == ("void", ())
    assert "no exposed unit has an outcome since its exposure: do ids differ?" in found.sentence
    assert told in found.sentence
    # Ids may be addresses of people, and sentences reach Airflow and MLflow.
    assert not any(ids.format(number) in found.sentence for number in (17, 399))


@pytest.mark.parametrize(("arm", "half"), [("control", False), ("treatment", True)])
def test_ids_that_do_not_join_in_one_arm_are_void(
    plan: Make, spark: Any, folders: Folders, arm: str, half: bool
) -> None:
    def change(unit: str, of: str) -> str:
        return unit.upper() if of == arm and (not half or unit[-1] in "02468") else unit

    found = read_out(spark, plan(**LAST), folders, change)
    assert found.verdict == "void"
    assert "upper and lower case" in found.sentence
    assert half or f"units in {arm} have an outcome" in found.sentence


def test_ids_that_do_not_join_in_one_arm_are_void_in_whichever_way_they_differ(
    plan: Make, spark: Any, folders: Folders
) -> None:
    found = read_out(spark, plan(**LAST), folders, lambda unit, arm: f"{unit}x" if arm == "treatment" else unit)
    assert found.verdict == "void"
    assert "0 of " in found.sentence
    assert "units in treatment have an outcome" in found.sentence


def test_outcomes_before_exposure_are_told_as_such(plan: Make, spark: Any, folders: Folders) -> None:
    # A second before each exposure: clocks may differ so much, and yet none of it counts.
    found = read_out(spark, plan(**LAST), folders, lambda unit, _: unit, late=-1e-5)
    assert found.verdict == "void"
    assert "266 of them have outcomes before it only: are exposures logged late" in found.sentence


def test_a_log_of_buyers_only_is_legal(plan: Make, spark: Any, folders: Folders) -> None:
    rare = plan(**LAST, baseline={"mean": 0.05, "variance": 0.06, "units_per_day": 100_000})
    found = read_out(spark, rare, folders, lambda unit, _: unit if unit.endswith("7") else None)
    assert found.verdict == "no difference", found.sentence


def test_ids_that_have_doubles_by_chance_are_no_sign(plan: Make, spark: Any, folders: Folders) -> None:
    # Short ids of a service that tells case apart: every id has a double, with or without an outcome of its own.
    rare = plan(**LAST, baseline={"mean": 0.5, "variance": 1.0, "units_per_day": 100_000})

    def some(unit: str, _: str) -> str | None:
        return unit if unit.endswith(("1", "4", "7")) else None

    found = read_out(spark, rare, folders, some, ids="u{}", doubles=True)
    assert found.verdict == "no difference", found.sentence


CASES: list[tuple[dict[str, Any], str]] = [
    ({"units": {"control": 0, "treatment": 0}}, "no exposed unit has an outcome"),
    ({"units": {"control": 600, "treatment": 600}}, ""),
    # A third of the other arm is an effect that somebody may have; a sixth is not.
    ({"units": {"control": 600, "treatment": 200}}, ""),
    ({"units": {"control": 600, "treatment": 100}}, "100 of 1,000 units in treatment have an outcome, and 600 of"),
    ({"units": {"control": 0, "treatment": 20}}, "0 of 1,000 units in control have an outcome"),
    # By chance.
    ({"units": {"control": 5, "treatment": 0}}, ""),
    ({"units": {"control": 6, "treatment": 5}}, ""),
    # Under another spelling: more than one in a hundred, and not as many as have a double anyway.
    ({"units": {"control": 900, "treatment": 900}, "alike": {"case": (21, 0)}}, "21 units have outcomes only under"),
    ({"units": {"control": 900, "treatment": 900}, "alike": {"case": (20, 0)}}, ""),
    ({"units": {"control": 900, "treatment": 900}, "alike": {"prefix": (100, 900)}}, ""),
    ({"units": {"control": 900, "treatment": 900}, "alike": {"zeros": (190, 30), "case": (3, 0)}}, "zeros in front"),
]  # fmt: skip


@pytest.mark.parametrize(("join", "told"), CASES)
def test_what_tells_a_log_that_does_not_join(plan: Make, join: dict[str, Any], told: str) -> None:
    arms = {arm: sums(1_000, clicks=(0.4, 0.24)) for arm in ("control", "treatment")}
    found = reasons(plan(), {"control": 1_000, "treatment": 1_000}, Join(**join), arms, over=False)
    assert told in "".join(found)
    assert len(found) == bool(told)


@pytest.mark.parametrize(
    ("variance", "units", "over", "void"),
    [(0.24, 249, False, False), (0.24, 250, False, True), (0.24, 1, True, True), (0.24, 249, True, True),
     # A tenth of a per cent of the units has a value, or more: nobody can tell before 2,000 of them.
     (160.0, 999, False, False), (160.0, 1_000, False, True),
     # 1.5 %: 7 are expected of 475 units, or more.
     (10.5, 250, False, True), (16.0, 250, False, False), (16.0, 360, False, True)],
)  # fmt: skip
def test_units_without_any_outcome_are_told_when_the_baseline_says_so_or_at_the_end(
    plan: Make, variance: float, units: int, over: bool, void: bool
) -> None:
    made = plan(baseline={"mean": 0.4, "variance": variance, "units_per_day": 1e9})
    nobody = Join({"control": 0, "treatment": 0})
    assert bool(reasons(made, {"control": units, "treatment": units}, nobody, {}, over=over)) is void


@pytest.mark.parametrize(
    ("mean", "joined", "over", "void"),
    [(0.019, 20, True, True), (0.019, 20, False, False), (0.021, 20, True, False), (0.0, 900, True, False)],
)
def test_a_mean_far_below_the_plans_is_told_at_the_end_if_few_units_have_outcomes(
    plan: Make, mean: float, joined: int, over: bool, void: bool
) -> None:
    arms = {arm: sums(1_000, clicks=(mean, 0.02)) for arm in ("control", "treatment")}
    join = Join({"control": joined, "treatment": joined})
    found = reasons(plan(), {"control": 1_000, "treatment": 1_000}, join, arms, over=over)
    assert bool(found) is void
    assert not void or "clicks is 0.019 where the plan's baseline is 0.4" in found[0]
