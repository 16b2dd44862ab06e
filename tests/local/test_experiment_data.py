"""Made logs: their truth is what the parameters say, and the same seed gives the same bytes."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from synalign.errors import ArgumentError
from synalign.experiment.assignment import assign
from synalign.experiment.plan import Arm, Baseline, Covariate, ExperimentPlan, Metric, TrainingSet
from synalign.local import experiment_data
from synalign.local.experiment_data import Made, World

START = date(2026, 3, 2)


@pytest.fixture(scope="module")
def plan() -> Callable[..., ExperimentPlan]:
    def new(**changes: Any) -> ExperimentPlan:
        treatment = TrainingSet(model="shop-training-set", version="1", digest="0" * 64)
        content = {
            "id": "one",
            "retriever": "shop",
            "hypothesis": "more clicks",
            "owner": "search",
            "salt": "one",
            "start": START,
            "stop": START + timedelta(days=6),
            "arms": (
                Arm(name="control", model_uri="models:/shop/1"),
                Arm(name="treatment", model_uri="models:/shop/2", training_set=treatment),
            ),
            "primary": Metric(name="clicks_per_search", numerator="clicks", denominator="searches"),
            "covariate": Covariate(days=7),
            "minimum_detectable_effect": 0.1,
            "baseline": Baseline(mean=0.35, variance=0.05, units_per_day=1000),
        }
        return ExperimentPlan(**{**content, **changes})

    return new


def bytes_of(logs: Made) -> dict[str, bytes]:
    return {f"{place.name}/{path.name}": path.read_bytes() for place in logs for path in sorted(place.iterdir())}


def in_period(logs: Made) -> pd.DataFrame:
    """Sums per unit and arm from the start on, found without the code under test."""
    exposures, outcomes = pd.read_parquet(logs.exposures), pd.read_parquet(logs.outcomes)
    first = exposures.groupby("unit_id").agg(arm=("arm", "first"), at=("exposed_at", "min"))
    rows = outcomes.join(first, on="unit_id", rsuffix="_first", how="inner")
    rows = rows[rows["at"] >= rows["at_first"]]
    sums = rows.groupby(["unit_id", "arm"])[["searches", "clicks", "orders", "latency_ms"]].sum()
    return sums.reset_index("arm")


@pytest.fixture(scope="module")
def lifted(plan: Callable[..., ExperimentPlan], tmp_path_factory: pytest.TempPathFactory) -> Made:
    return experiment_data.make(plan(), tmp_path_factory.mktemp("lifted"), World(units=20_000, uplift=0.1, seed=3))


def difference(logs: Made) -> tuple[float, float]:
    """Relative difference of clicks per search, and its standard error by the delta method."""
    sums = in_period(logs)
    found = []
    for arm in ("control", "treatment"):
        part = sums[sums["arm"] == arm]
        clicks, searches = part["clicks"].to_numpy(float), part["searches"].to_numpy(float)
        ratio = clicks.mean() / searches.mean()
        (vy, cov), (_, vx) = np.cov(clicks, searches)
        variance = (vy - 2 * ratio * cov + ratio**2 * vx) / searches.mean() ** 2 / len(part)
        found.append((ratio, variance))
    (control, control_variance), (treatment, treatment_variance) = found
    return treatment / control - 1, float(np.sqrt(control_variance + treatment_variance)) / control


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(
    plan: Callable[..., ExperimentPlan], tmp_path: Path
) -> None:
    logs = [
        bytes_of(experiment_data.make(plan(), tmp_path / str(n), World(units=300, seed=seed)))
        for n, seed in enumerate((5, 5, 6))
    ]
    assert len(logs[0]) == 7 + 14
    assert logs[0] == logs[1]
    assert all(logs[0][name] != logs[2][name] for name in logs[0])


def test_days_made_later_leave_earlier_ones_as_they_are(plan: Callable[..., ExperimentPlan], tmp_path: Path) -> None:
    world = World(units=300)
    short = bytes_of(experiment_data.make(plan(), tmp_path / "short", world, until=START + timedelta(days=2)))
    whole = bytes_of(experiment_data.make(plan(), tmp_path / "whole", world))
    assert short
    assert short.items() <= whole.items()
    assert f"exposures/{START + timedelta(days=3)}.parquet" in whole.keys() - short.keys()


def test_arms_are_those_of_the_assignment_and_files_hold_their_day(
    plan: Callable[..., ExperimentPlan], lifted: Made
) -> None:
    one = plan()
    exposures = pd.read_parquet(lifted.exposures)
    assert set(exposures["plan_digest"]) == {one.digest}
    seen = exposures.groupby("unit_id")["arm"].unique()
    assert all(list(arms) == [assign(one, unit, START)] for unit, arms in seen.items())
    for place, column in zip(lifted, ("exposed_at", "at"), strict=True):
        for path in place.iterdir():
            assert set(pd.read_parquet(path)[column].dt.date.astype(str)) == {path.stem}


def test_nobody_has_an_outcome_of_the_period_before_the_first_exposure(lifted: Made) -> None:
    first = pd.read_parquet(lifted.exposures).groupby("unit_id")["exposed_at"].min()
    outcomes = pd.read_parquet(lifted.outcomes)
    outcomes = outcomes[outcomes["at"] >= pd.Timestamp(START, tz="UTC")]
    assert (outcomes["at"] >= outcomes["unit_id"].map(first)).all()


def test_the_uplift_is_the_one_asked_for_and_touches_nothing_else(lifted: Made) -> None:
    found, error = difference(lifted)
    assert error < 0.02
    assert abs(found - 0.1) < 3 * error
    sums = in_period(lifted)
    arms = [sums[sums["arm"] == arm]["latency_ms"] for arm in ("control", "treatment")]
    assert stats.ttest_ind(*arms, equal_var=False).pvalue > 0.01


def test_without_uplift_arms_do_not_differ(plan: Callable[..., ExperimentPlan], tmp_path: Path) -> None:
    found, error = difference(experiment_data.make(plan(), tmp_path, World(units=10_000, seed=1)))
    assert abs(found) < 3 * error


@pytest.mark.parametrize(("lost", "broken"), [(0.0, False), (0.1, True)])
def test_lost_exposures_break_the_sample_ratio(
    plan: Callable[..., ExperimentPlan], tmp_path: Path, lost: float, broken: bool
) -> None:
    exposures = pd.read_parquet(experiment_data.make(plan(), tmp_path, World(units=20_000, lost=lost)).exposures)
    counts = exposures.groupby("arm")["unit_id"].nunique()
    assert (stats.chisquare(counts.to_numpy()).pvalue < 1e-3) == broken
    assert (counts["treatment"] < 0.95 * counts["control"]) == broken


def test_what_people_did_before_says_something_about_what_they_do(lifted: Made) -> None:
    outcomes = pd.read_parquet(lifted.outcomes)
    earlier = outcomes["at"] < pd.Timestamp(START, tz="UTC")
    before, after = (outcomes[part].groupby("unit_id")["clicks"].sum() for part in (earlier, ~earlier))
    both = pd.concat([before, after], axis=1).fillna(0)
    assert both.corr().iloc[0, 1] > 0.2


def test_a_ramp_admits_people_and_moves_nobody(plan: Callable[..., ExperimentPlan], tmp_path: Path) -> None:
    ramp = ({"start": START, "share": 0.1}, {"start": START + timedelta(days=3), "share": 0.6})
    ramped = plan(ramp=ramp, stop=START + timedelta(days=30))
    logs = experiment_data.make(ramped, tmp_path, World(units=3_000), until=START + timedelta(days=4))
    exposures = pd.read_parquet(logs.exposures)
    daily = exposures.groupby(exposures["exposed_at"].dt.date)["unit_id"].nunique().to_list()
    assert min(daily[3:]) > 4 * max(daily[:3])
    assert (exposures.groupby("unit_id")["arm"].nunique() == 1).all()
    for row in exposures.itertuples():
        assert row.arm == assign(ramped, row.unit_id, row.exposed_at.date())


@pytest.mark.parametrize(
    ("world", "name"),
    [
        (World(units=0), "units"),
        (World(visits=0.0), "visits"),
        (World(visits=0.95), "visits"),
        (World(uplift=0.3), "uplift"),
        (World(uplift=float("nan")), "uplift"),
        (World(lost=1.0), "lost"),
    ],
)
def test_a_world_that_cannot_be_drawn_is_refused(
    plan: Callable[..., ExperimentPlan], tmp_path: Path, world: World, name: str
) -> None:
    with pytest.raises(ArgumentError, match=f"^{name} == "):
        experiment_data.make(plan(), tmp_path, world)


def test_the_baseline_is_that_of_the_days_before(plan: Callable[..., ExperimentPlan], tmp_path: Path) -> None:
    world = World(units=5_000)
    found = experiment_data.baseline(world, START, 7, None)
    outcomes = pd.read_parquet(experiment_data.make(plan(), tmp_path, world, until=START).outcomes)
    before = outcomes[outcomes["at"] < pd.Timestamp(START, tz="UTC")]
    sums = before.groupby("unit_id")[["searches", "clicks"]].sum()
    ratio = sums["clicks"].sum() / sums["searches"].sum()
    (vx, cov), (_, vy) = sums.cov().to_numpy()
    variance = (vy - 2 * ratio * cov + ratio**2 * vx) / sums["searches"].mean() ** 2
    assert found.mean == pytest.approx(ratio)
    assert found.variance == pytest.approx(variance)
    assert found.units_per_day == pytest.approx(len(sums) / 7)
    assert 0.5 < experiment_data.baseline(world, START, 7, Covariate(days=7)).variance / found.variance < 0.99
