"""The rule by simulation, through the function that the product calls; `make bench-experiments` has all settings."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tea_tasting.aggr import read_aggregates

from synalign.experiment import ExperimentPlan
from synalign.experiment.effects import columns
from tests.benchmarks import experiment_rules
from tests.benchmarks.experiment_worlds import DAYS, World, clicks_per_search, log_normal, looks
from tests.benchmarks.experiments import SMALLER, aa_plan, limit, power_plan, simulate

# Simulations of a thousand experiments.
pytestmark = pytest.mark.slow

TESTS = 120


@pytest.mark.parametrize("world", [log_normal(1.5, 0.3), clicks_per_search()])
def test_what_is_simulated_has_the_sums_of_its_values(world: World) -> None:
    made, seen = aa_plan(world, 0.3, 200), []

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> dict[str, Any]:
        drawn = world.draw(rng, shape)
        seen.append({name: np.asarray(each, float).copy() for name, each in drawn.items()})
        return drawn

    rng = np.random.default_rng(3)
    treated = np.random.default_rng(3).random((2, 666)) < 0.3
    *_, (day, logs) = looks(world._replace(draw=draw), made, 666, 2, rng)
    assert day == DAYS
    for test, log in enumerate(logs):
        content = {name: each[test] for name, each in seen[0].items()}
        table = pa.table({"arm": np.where(treated[test], "treatment", "control"), **content})
        names, pairs = columns(made).names, columns(made).pairs
        expected = read_aggregates(table, "arm", has_count=True, mean_cols=names, var_cols=names, cov_cols=pairs)
        for arm, sums in expected.items():
            mine = log.sums[str(arm)]
            assert log.units[str(arm)] == mine.count() == sums.count()
            assert [mine.mean(name) for name in names] == pytest.approx([sums.mean(name) for name in names])
            assert [mine.var(name) for name in names] == pytest.approx([sums.var(name) for name in names])
            assert [mine.cov(*pair) for pair in pairs] == pytest.approx([sums.cov(*pair) for pair in pairs])


@pytest.mark.parametrize("share", [0.1, 0.9])
@pytest.mark.parametrize("world", [log_normal(1.5, 0.1), log_normal(2.2, 0.02)], ids=lambda world: world.name)
def test_a_tenth_of_the_traffic_and_skewed_revenue_cost_no_false_alarms(world: World, share: float) -> None:
    made = aa_plan(world, share, SMALLER)
    found = simulate(world, made, SMALLER, TESTS)
    assert max(found.harm, found.ship) <= limit(TESTS) * TESTS
    # Far fewer than 5 %, since looks are daily and values skewed.
    assert found.harm + found.ship <= 5


def test_the_simulation_would_notice() -> None:
    world = log_normal(1.5, 0.1)
    rates = experiment_rules.decided(world, aa_plan(world, 0.1, SMALLER), SMALLER * 10, 250, 1, 0.0)
    assert rates["own (before)"][0] > 0.07
    assert max(rates["wider of own and pooled"]) < 0.02


@pytest.mark.parametrize(("world", "share"), [(log_normal(1.0, 1.0), 0.1), (clicks_per_search(), 0.5)])
def test_a_planned_effect_is_found_as_often_as_promised(world: World, share: float) -> None:
    made = power_plan(world, share, 400)
    assert made is not None
    assert made.sample_size_per_arm == pytest.approx(400, rel=0.01)
    effect = made.minimum_detectable_effect
    once, more = (simulate(world, made, 400, 80, factor * effect, seed=2) for factor in (1.0, 1.5))
    assert (once.harm, more.harm) == (0, 0)
    assert once.ship >= 53
    assert more.ship >= 65
    assert more.days < once.days < DAYS
    # The same the other way is harm.
    assert simulate(world, made, 400, 20, -1.5 * effect, seed=4).harm >= 17


def test_a_plan_that_was_registered_before_is_the_same_plan(plan: Callable[..., ExperimentPlan]) -> None:
    # Its digest as the version before this rule computed it: a stored plan must not read as one that was edited.
    old = plan(stopping={"rule": "confidence_sequence"})
    assert old.digest == "04c4ef894a1e277eb4c5c39206db59b1881f4ff5feb455b89ec6598edf64399f"
    assert plan().digest != old.digest
