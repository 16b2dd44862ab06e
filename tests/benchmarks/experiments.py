"""Do `stop for harm` and `ship` keep their error rates, and does a plan's size keep its promise? By simulation.

`python -m tests.benchmarks.experiments [--quick]`, or `make bench-experiments`. Experiments of 20 days are read out
every day by `synalign.experiment.readout.judge`, the function that the product calls, until it says `ship` or `stop for
harm`. What Spark adds up is added up by NumPy; a test holds that the sums are the same.

Looks at which the arms are less than two of their own standard errors apart are passed over, since no interval of the
product is narrower than 3.04 of them; one in fifty is judged all the same, and has to say neither.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from synalign.experiment import ExperimentPlan, sizing
from synalign.experiment.logs import Log
from synalign.experiment.readout import judge
from synalign.experiment.sample_ratio import p_value
from tests.benchmarks import experiment_rules
from tests.benchmarks.experiment_worlds import (
    DAYS,
    START,
    Floats,
    World,
    before,
    bought,
    clicks_per_search,
    log_normal,
    looks,
    plan,
)
from tests.benchmarks.measurement import Size, add_size

SMALLER, LARGER = 800, 2_000
_NUMBERS: dict[Size, tuple[int, int, int]] = {"smoke": (2, 2, 4), "quick": (100, 50, 400), "full": (500, 200, 4_000)}
"""Experiments of every A/A setting, of every power, and of every sample ratio."""

ALPHA = 0.05
SHARES = (0.5, 0.2, 0.1, 0.9)
REVENUES = tuple((sigma, buyers) for sigma in (1.0, 1.5, 2.2) for buyers in (0.02, 0.1, 1.0))
AT_ONCE = 25
"""Experiments in memory."""


class Outcome(NamedTuple):
    """What came of many experiments.

    Attributes:
        tests: Their number.
        harm: How many said "stop for harm".
        ship: How many said "ship".
        void: How many were void on any day.
        days: The mean day of the verdict, of those that had one.
    """

    tests: int
    harm: int
    ship: int
    void: int
    days: float


def aa_plan(world: World, share: float, smaller: int) -> ExperimentPlan:
    """A plan of that many units in the smaller arm in 20 days; an A/A test does not ask what its baseline is."""
    make = partial(plan, world, share, minimum_detectable_effect=0.5, stopping={})
    wanted = partial(sizing.closed_form, 1.0, effect=0.5, alpha=ALPHA, power=0.8, treatment_share=share)

    def size(variance: float) -> float:
        effective = sizing.effective_variance(1.0, variance, 0.5, ALPHA, 0.8, share, grows=True)
        return wanted(variance=effective)

    variance = _solve(size, smaller, 1e-3, 1e9)
    per_day = smaller / min(share, 1.0 - share) / DAYS
    return make(baseline={"mean": 1.0, "variance": variance, "units_per_day": per_day * 1.01})


def power_plan(world: World, share: float, smaller: int) -> ExperimentPlan | None:
    """A plan of that many units, with the baseline as it is and the effect that this size can find; None: none is."""
    assert world.moments is not None
    mean, variance = world.moments

    def size(effect: float) -> float:
        effective = sizing.effective_variance(mean, variance, effect, ALPHA, 0.8, share, grows=True)
        return sizing.closed_form(mean, effective, effect, ALPHA, 0.8, share)

    if size(5.0) > smaller:
        return None
    effect = _solve(lambda each: -size(each), -smaller, 1e-3, 5.0)
    baseline = {"mean": mean, "variance": variance, "units_per_day": smaller / min(share, 1.0 - share) / DAYS * 1.01}
    return plan(world, share, minimum_detectable_effect=effect, baseline=baseline)


def _solve(rising: Callable[[float], float], value: float, low: float, high: float) -> float:
    for _ in range(80):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if rising(middle) >= value else (middle, high)
    return high


def simulate(
    world: World, made: ExperimentPlan, smaller: int, tests: int, change: float = 0.0, seed: int = 1
) -> Outcome:
    """Read many experiments out every day, until the verdict is to stop."""
    units = round(smaller / min(made.treatment_share, 1.0 - made.treatment_share))
    stopped: list[tuple[str, int]] = []
    void = 0
    for batch in range(0, tests, AT_ONCE):
        size = min(AT_ONCE, tests - batch)
        rng, some = np.random.default_rng([seed, batch]), np.random.default_rng([seed, batch, 1])
        verdicts, voided = [""] * size, [False] * size
        for day, logs in looks(world, made, units, size, rng, change):
            for test, log in enumerate(logs):
                apart = abs(_apart(made, log)) >= 2.0
                if verdicts[test] or not (apart or some.random() < 0.02):
                    continue
                found = judge(made, log, START + timedelta(days=day - 1)).verdict
                voided[test] |= found == "void"
                if found in ("ship", "stop for harm"):
                    if not apart:
                        raise SystemExit(f"{world.name}: {found} at less than two standard errors")
                    verdicts[test] = found
                    stopped.append((found, day))
        void += sum(voided)
    days = [day for _, day in stopped]
    counts = {name: sum(verdict == name for verdict, _ in stopped) for name in ("stop for harm", "ship")}
    return Outcome(tests, counts["stop for harm"], counts["ship"], void, float(np.mean(days)) if days else math.nan)


def _apart(made: ExperimentPlan, log: Log) -> float:
    """How many own standard errors the arms are apart, without a covariate; infinite where that is not known."""
    if min(log.units.values()) < 2 or made.covariate is not None:
        return math.inf
    metric, (control, treatment) = made.primary, (log.sums[arm].with_zero_div() for arm in ("control", "treatment"))
    means = [arm.mean(metric.numerator) / arm.mean(metric.denominator) for arm in (control, treatment)]
    errors = [arm.ratio_var(metric.numerator, metric.denominator) / arm.count() for arm in (control, treatment)]
    error = math.sqrt(max(0.0, sum(errors)))
    return (means[1] - means[0]) / error if error > 0.0 else math.inf


def judged() -> list[tuple[World, float, int]]:
    """The settings that the rule was chosen for."""
    worlds = [*(log_normal(sigma, buyers) for sigma, buyers in REVENUES), clicks_per_search()]
    return [(world, share, SMALLER) for share in SHARES for world in worlds]


def held_out() -> list[tuple[World, float, int]]:
    """Settings that no choice was made by: other tails, other times, other sizes."""
    return [
        (_world("gamma 0.1", lambda rng, shape: rng.standard_gamma(0.1, shape)), 0.1, 400),
        (_world("Pareto 1.3, 5 % buy", lambda rng, shape: bought(rng, 1.0 + rng.pareto(1.3, shape), 0.05)), 0.1, 800),
        (_world("Pareto 2.5", lambda rng, shape: 1.0 + rng.pareto(2.5, shape)), 0.95, 300),
        (_world("costs: minus log-normal 1.5", lambda rng, shape: -np.exp(1.5 * rng.standard_normal(shape))), 0.1, 800),
        (_world("gains and losses, Pareto 1.5", _signed), 0.2, 400),
        (log_normal(3.0, 0.3), 0.03, 300),
        (log_normal(0.7, 0.01), 0.8, 1_500),
        (_world("1 % buy, for one price", lambda rng, shape: bought(rng, np.ones(shape), 0.01)), 0.3, 1_000),
        (log_normal(1.5, 0.1)._replace(name="log-normal 1.5, 10 %, days alike", returns=True), 0.1, 400),
        (_world("repeat buyers: Poisson x log-normal", _repeat)._replace(returns=True), 0.2, 400),
        (log_normal(1.5, 0.1)._replace(name="log-normal 1.5, 10 %, ramp", arrive="ramp"), 0.1, 800),
        (clicks_per_search(2.0)._replace(name="clicks per search, searches 2, days alike", returns=True), 0.1, 400),
        (World("revenue per visit, Pareto visits", _per_visit, ratio=True), 0.1, 800),
        (World("log-normal 1.5 with a covariate", _with_past, covariate=True), 0.1, 800),
    ]  # fmt: skip


def _world(name: str, values: Callable[[np.random.Generator, tuple[int, int]], Floats]) -> World:
    return World(name, lambda rng, shape: {"value": values(rng, shape)})


def _signed(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return np.asarray((1.0 + rng.pareto(1.5, shape)) * rng.choice([-1.0, 1.0], shape))


def _repeat(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return np.asarray(rng.poisson(0.1, shape) * np.exp(rng.standard_normal(shape)))


def _per_visit(rng: np.random.Generator, shape: tuple[int, int]) -> dict[str, Floats]:
    visits = np.ceil(1.0 + rng.pareto(1.5, shape))
    return {"value": visits * bought(rng, np.exp(rng.standard_normal(shape)), 0.1), "visits": visits}


def _with_past(rng: np.random.Generator, shape: tuple[int, int]) -> dict[str, Floats]:
    person = 1.2 * rng.standard_normal(shape)
    now, past = (np.exp(person + 0.9 * rng.standard_normal(shape)) for _ in range(2))
    return before(now, past)


def promised() -> list[tuple[World, float, int]]:
    """Settings whose power is measured."""
    revenues = [log_normal(sigma, buyers) for sigma, buyers in ((1.0, 1.0), (1.0, 0.1), (1.5, 1.0), (1.5, 0.1))]
    return [(world, share, LARGER) for share in SHARES for world in (*revenues, clicks_per_search())]


def _false_alarms(setting: tuple[World, float, int], tests: int) -> Outcome:
    world, share, smaller = setting
    return simulate(world, aa_plan(world, share, smaller), smaller, tests)


def _power(setting: tuple[World, float, int], tests: int) -> tuple[float, list[Outcome]]:
    world, share, smaller = setting
    made = power_plan(world, share, smaller)
    if made is None:
        return math.nan, []
    effect = made.minimum_detectable_effect
    return effect, [simulate(world, made, smaller, tests, factor * effect, seed=2) for factor in (1.0, 1.5)]


# Functions of a setting's place: what draws a world cannot be sent to another process.
def _false_alarms_at(place: int, which: str, tests: int) -> Outcome:
    return _false_alarms(_SETTINGS[which]()[place], tests)


def _power_at(place: int, tests: int) -> tuple[float, list[Outcome]]:
    return _power(promised()[place], tests)


_SETTINGS: dict[str, Callable[[], list[tuple[World, float, int]]]] = {"judged": judged, "held out": held_out}


def limit(tests: int) -> float:
    """The largest share that 5 % shows as in 99.9 % of simulations."""
    return float(stats.binom.ppf(0.999, tests, ALPHA)) / tests


def show_false_alarms(pool: ProcessPoolExecutor, which: str, places: list[int], tests: int) -> bool:
    """Print both error rates of A/A tests by setting; gives whether all are kept."""
    print(f"\n{tests} A/A tests, looked at daily for {DAYS} days, settings {which}; at most {limit(tests):.1%} is 5 %")
    print(f"{'metric':44} {'treated':>7} {'smaller arm':>11} {'harm':>6} {'ship':>6} {'void':>6}")
    kept, settings = True, _SETTINGS[which]()
    for place, found in zip(places, pool.map(partial(_false_alarms_at, which=which, tests=tests), places), strict=True):
        world, share, smaller = settings[place]
        rates = [each / found.tests for each in (found.harm, found.ship, found.void)]
        mark = "" if max(rates[:2]) <= limit(tests) else "  ABOVE"
        kept = kept and not mark
        print(
            f"{world.name:44} {share:7.0%} {smaller:11,} {rates[0]:6.1%} {rates[1]:6.1%} {rates[2]:6.1%}{mark}",
            flush=True,
        )
    return kept


def show_power(pool: ProcessPoolExecutor, places: list[int], tests: int) -> bool:
    """Print how often the planned effect, and 1.5 times it, is found; gives whether 80 % and 90 % are reached."""
    least = [float(stats.binom.ppf(0.001, tests, promise)) / tests for promise in (0.8, 0.9)]
    print(f"\nPower of {tests} tests of the planned size: at the minimum detectable effect (at least {least[0]:.0%} is")
    print(f"80 %), and at 1.5 times it (at least {least[1]:.0%} is 90 %); the mean day of the verdict; wrong verdicts")
    print(f"{'metric':34} {'treated':>7} {'effect':>7} {'power':>6} {'day':>5} {'1.5 x':>6} {'day':>5} {'wrong':>6}")
    kept, settings = True, promised()
    for place, (effect, found) in zip(places, pool.map(partial(_power_at, tests=tests), places), strict=True):
        world, share, _ = settings[place]
        if not found:
            print(f"{world.name:34} {share:7.0%}   refused: no effect up to 500 % is found with {LARGER:,} units")
            continue
        powers = [each.ship / each.tests for each in found]
        wrong = sum(each.harm for each in found)
        mark = "" if powers[0] >= least[0] and powers[1] >= least[1] else "  BELOW"
        kept = kept and not mark
        columns = " ".join(f"{power:6.1%} {each.days:5.1f}" for power, each in zip(powers, found, strict=True))
        print(f"{world.name:34} {share:7.0%} {effect:7.1%} {columns} {wrong:6}{mark}", flush=True)
    return kept


def show_sample_ratio(tests: int) -> bool:
    """Print how often each test of the sample ratio voids, at a threshold of 0.1 %, looked at daily."""
    print(f"\nSample ratio: void in {tests} tests looked at daily for {DAYS} days (last column: once)")
    print(f"{'planned':>8} {'true':>6} {'units':>8} {'sequential':>11} {'chi-square':>11} {'at the end':>11}")
    kept = True
    for planned, true in ((0.5, 0.5), (0.1, 0.1), (0.5, 0.52), (0.5, 0.55), (0.1, 0.11), (0.1, 0.08)):
        for units in (2_000, 20_000, 100_000):
            sequential, daily, once = _sample_ratio(planned, true, units, tests)
            kept = kept and (planned != true or sequential <= 1e-3 + 3.0 * math.sqrt(1e-3 / tests))
            print(f"{planned:8.0%} {true:6.0%} {units:8,} {sequential:11.2%} {daily:11.2%} {once:11.2%}", flush=True)
    return kept


def _sample_ratio(planned: float, true: float, units: int, tests: int) -> tuple[float, float, float]:
    rng = np.random.default_rng(4)
    arriving = rng.poisson(units / DAYS, (tests, DAYS))
    treated, total = np.cumsum(rng.binomial(arriving, true), axis=1), np.cumsum(arriving, axis=1)
    far = abs(treated - total * planned) / np.sqrt(total * planned * (1.0 - planned))
    voided = np.zeros(tests, bool)
    # Below three standard errors the sequential test never voids; most looks are spared.
    for test, day in zip(*np.nonzero(far > 3.0), strict=True):
        if not voided[test]:
            voided[test] = p_value(int(total[test, day] - treated[test, day]), int(treated[test, day]), planned) < 1e-3
    square = stats.chi2.sf(far**2, 1) < 1e-3
    return float(voided.mean()), float(square.any(1).mean()), float(square[:, -1].mean())


COMPARED = ((1.0, 1.0), (1.0, 0.1), (1.5, 0.1), (2.2, 0.02))
_RULED = [(number, share) for number in range(len(COMPARED)) for share in (0.1, 0.9)]
_BEYOND = [(sigma, share) for sigma in (0.5, 1.5, 2.0) for share in (0.5, 0.1, 0.9)]


def _compared(place: tuple[int, float], tests: int) -> tuple[dict[str, Any], dict[str, Any] | None]:
    world, share = log_normal(*COMPARED[place[0]]), place[1]
    null = experiment_rules.decided(
        world, aa_plan(world, share, SMALLER), round(SMALLER / min(share, 1 - share)), tests, 5, 0.0
    )
    made = power_plan(world, share, LARGER)
    if made is None:
        return null, None
    units = round(LARGER / min(share, 1.0 - share))
    change = 1.5 * made.minimum_detectable_effect
    return null, experiment_rules.decided(world, made, units, max(50, tests // 5), 6, change)


def show_rules(pool: ProcessPoolExecutor, places: list[tuple[int, float]], tests: int) -> None:
    """Print false alarms and power of the rules that were tried."""
    print(
        f"\nRules compared: harm / ship in {tests} A/A tests of {SMALLER} units in the smaller arm; found: ship at 1.5"
    )
    print(f"times the effect that {LARGER:,} units are planned for")
    for (number, share), (null, found) in zip(places, pool.map(partial(_compared, tests=tests), places), strict=True):
        print(f"{log_normal(*COMPARED[number]).name}, {share:.0%} treated")
        for rule, (harm, ship) in null.items():
            power = f"found {found[rule][1]:6.1%}" if found else "planned effect: none up to 500 %"
            print(f"    {rule:28} {harm:6.1%} / {ship:6.1%}   {power}", flush=True)


def _unlike(sigma: float) -> World:
    """Revenue of equal means, log-normal of 1 in the control and of another sigma in the treatment."""
    control, treatment = log_normal(1.0, 1.0), log_normal(sigma, 1.0)
    assert control.moments is not None
    assert treatment.moments is not None
    scale = control.moments[0] / treatment.moments[0]

    def other(rng: np.random.Generator, shape: tuple[int, int]) -> dict[str, Floats]:
        return {"value": treatment.draw(rng, shape)["value"] * scale}

    return control._replace(other=other)


def _beyond(place: tuple[float, float], tests: int) -> Outcome:
    sigma, share = place
    return _false_alarms((_unlike(sigma), share, SMALLER), tests)


def show_beyond(pool: ProcessPoolExecutor, places: list[tuple[float, float]], tests: int) -> None:
    """Print what is not promised: the means are equal, and the values of one arm have another tail."""
    print(f"\nNot promised, in {tests} tests: equal means, log-normal 1 in control and another sigma in treatment")
    for (sigma, share), found in zip(places, pool.map(partial(_beyond, tests=tests), places), strict=True):
        rates = f"harm {found.harm / tests:6.1%} ship {found.ship / tests:6.1%}"
        print(f"    log-normal {sigma:g} in treatment, {share:4.0%} treated: {rates}", flush=True)


def main(argv: list[str] | None = None) -> int:
    """Read the command line, simulate and print; gives 1 if a rate is not kept, except in the smoke form."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_size(parser, quick="few tests of few settings: seconds instead of minutes")
    size, began = parser.parse_args(argv).size, time.monotonic()
    tests, power_tests, ratios = _NUMBERS[size]
    some = {"smoke": slice(4, 5), "quick": slice(4, None, 10), "full": slice(None)}[size]
    kept = []
    with ProcessPoolExecutor(2) as pool:
        for which, settings in _SETTINGS.items():
            kept.append(show_false_alarms(pool, which, list(range(len(settings())))[some], tests))
        kept.append(show_power(pool, list(range(len(promised())))[some], power_tests))
        if size != "quick":
            show_beyond(pool, _BEYOND[some], tests)
            show_rules(pool, _RULED[some], min(tests, 300))
    kept.append(show_sample_ratio(ratios))
    print(f"\n{'every rate is kept' if all(kept) else 'a rate is NOT kept'}; {time.monotonic() - began:.0f} s")
    return 0 if all(kept) or size == "smoke" else 1


if __name__ == "__main__":
    sys.exit(main())
