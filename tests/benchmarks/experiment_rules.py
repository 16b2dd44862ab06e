"""Rules that were tried for skewed metrics and arms of unequal size, beside the one that the product has.

All are vectorised over experiments, for metrics that are a mean per unit of units that come once. The one called
*wider of own and pooled* is the product's, written a second time; the benchmark proper calls the product itself.

References:
    Howard, S. R., Ramdas, A., McAuliffe, J., & Sekhon, J. (2021). Time-uniform, nonparametric, nonasymptotic confidence
    sequences. Annals of Statistics 49(2), 1055-1080 (gamma-Poisson mixture; the authors' package is confseq).
    Hall, P. (1992). On the removal of skewness by transformation. Journal of the Royal Statistical Society B 54(1).
    Kohavi, R., Deng, A., Longbotham, R., & Xu, Y. (2014). Seven rules of thumb for web site experimenters. KDD 2014
    (355 times the squared skewness).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from synalign.experiment import ExperimentPlan
from synalign.experiment.sequential import BURN_IN, planned_time, width
from synalign.experiment.sizing import tuned
from tests.benchmarks.experiment_worlds import DAYS, World, present

ALPHA = 0.05


class Look(NamedTuple):
    """What is known of many experiments on a day, arrays (tests,) or (2, tests): control, treatment."""

    units: Any
    mean: Any
    variance: Any
    skewness: Any
    pooled: Any
    largest: Any
    wide: float
    share_of_time: float

    @property
    def difference(self) -> Any:
        return self.mean[1] - self.mean[0]

    @property
    def own(self) -> Any:
        return np.sqrt((self.variance / self.units).sum(0))

    @property
    def both(self) -> Any:
        return np.maximum(self.own, np.sqrt(self.pooled * (1.0 / self.units).sum(0)))


def own(look: Look) -> Any:
    """Each arm's own variance: the rule of before."""
    return look.difference / look.own / look.wide


def wider(look: Look) -> Any:
    """The wider of own and pooled: the product's rule."""
    return look.difference / look.both / look.wide


def hall(look: Look) -> Any:
    """Own variance, and Hall's transformation of the statistic by the skewness of the arms (Cornish-Fisher)."""
    third = look.skewness * look.variance**1.5 / look.units**2
    skew = (third[1] - third[0]) / look.own**3
    t = look.difference / look.own
    return (t + skew * t**2 / 3.0 + skew**2 * t**3 / 27.0 + skew / 6.0) / look.wide


def burn_in(look: Look) -> Any:
    """Own variance, once the smaller arm has 355 times the squared skewness of its values."""
    enough = look.units.min(0) >= 355.0 * look.skewness.max(0) ** 2
    return np.where(enough, own(look), 0.0)


def bounded(look: Look) -> Any:
    """A sub-Poisson (empirical Bernstein) mixture, bounded by the largest value seen, on the wider error."""
    up = np.maximum(look.largest / look.units[1], look.mean.mean(0) / look.units[0])
    down = np.maximum(look.largest / look.units[0], look.mean.mean(0) / look.units[1])
    size = np.where(look.difference > 0.0, up, down) / look.both
    evidence = gamma_poisson(abs(look.difference) / look.both, size, 1.0 / (look.share_of_time * tuned(ALPHA)))
    return np.sign(look.difference) * np.where(evidence > np.log(2.0 / ALPHA), 2.0, 0.5)


def gamma_poisson(total: Any, size: Any, rho: float) -> Any:
    """Logarithm of the gamma-Poisson mixture martingale at variance 1, for steps up to `size`, from its integral."""
    size = np.maximum(size, 1e-3)
    shape, rate = rho / size**2, (1.0 + rho) / size**2
    power = total / size + rate
    constant = shape * np.log(shape) - special.gammaln(shape) - np.log(special.gammaincc(shape, shape))
    tail = np.log(np.maximum(special.gammaincc(power, rate), 1e-300))
    return constant + special.gammaln(power) + tail - power * np.log(rate) + 1.0 / size**2


RULES = {"own (before)": own, "wider of own and pooled": wider, "Hall's transformation": hall,
         "burn-in 355 skewness^2": burn_in, "sub-Poisson mixture": bounded}  # fmt: skip
CAPPED = "own, capped at 99.5 %"


def decided(world: World, made: ExperimentPlan, units: int, tests: int, seed: int, change: float) -> dict[str, Any]:
    """Return how often each rule says "stop for harm" and "ship" within 20 daily looks: pairs of shares.

    Args:
        world: A world whose units come once.
        made: The plan.
        units: Units of both arms by the last day.
        tests: Experiments.
        seed: Of the random numbers.
        change: What the treatment does.
    """
    rng = np.random.default_rng(seed)
    treated = rng.random((tests, units)) < made.treatment_share
    values = world.draw(rng, treated.shape)["value"].astype(float) * (1.0 + change * treated)
    # The cap is registered before: from values that are not the experiment's.
    cap = np.quantile(world.draw(np.random.default_rng(seed + 1), (1, 400_000))["value"], 0.995)
    found: dict[str, NDArray[np.int_]] = {name: np.zeros(tests, int) for name in (*RULES, CAPPED)}
    here = present(world, units)
    for day in range(1, DAYS + 1):
        so_far = slice(0, here[day - 1])
        time = sum(here[:day])
        look = _look(values[:, so_far], treated[:, so_far], made, float(time))
        capped = _look(np.minimum(values[:, so_far], cap), treated[:, so_far], made, float(time))
        enough = look.units.min(0) >= BURN_IN
        scores = {name: rule(look) for name, rule in RULES.items()} | {CAPPED: own(capped)}
        for name, score in scores.items():
            outside = enough & (abs(np.nan_to_num(score)) > 1.0) & (found[name] == 0)
            found[name][outside] = np.sign(score[outside]).astype(int)
    return {name: ((each < 0).mean(), (each > 0).mean()) for name, each in found.items()}


def _look(values: Any, treated: Any, made: ExperimentPlan, time: float) -> Look:
    units, mean, variance, skewness = [], [], [], []
    for members in (~treated, treated):
        count = members.sum(1)
        first = (values * members).sum(1) / count
        apart = (values - first[:, None]) * members
        second, third = (apart**2).sum(1) / (count - 1), (apart**3).sum(1) / count
        units.append(count)
        mean.append(first)
        variance.append(second)
        with np.errstate(invalid="ignore", divide="ignore"):
            skewness.append(third / second**1.5)
    planned = planned_time(made)
    return Look(
        np.array(units), np.array(mean), np.array(variance), np.array(skewness), values.var(1, ddof=1),
        values.max(1) - values.mean(1), width(time, planned, ALPHA), time / planned,
    )  # fmt: skip
