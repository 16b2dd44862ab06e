"""Whether outcomes belong to the units that were exposed: ids that differ turn every metric into zeros.

A unit without outcomes counts as 0, since a log may hold nothing but orders. So a log whose ids never match reads like
an experiment in which nobody did anything. What tells the two apart: that nobody at all has an outcome, that the
share of units that have one is many times smaller in one arm, that ids match once case, spaces or zeros in front are
ignored, or that the metric is a small part of what the plan's baseline says.

No id is quoted: what is said here reaches Airflow and MLflow, and an id may be somebody's e-mail address.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from scipy import stats

if TYPE_CHECKING:
    from tea_tasting.aggr import Aggregates

    from synalign.experiment.plan import ExperimentPlan

LIKENESSES = {
    "case": "upper and lower case or spaces around them",
    "quotes": "quotation marks around them",
    "decimals": "a '.0' at their end",
    "zeros": "zeros in front of them",
    "prefix": "what stands before a colon, a slash or a bar",
}
"""In which ways ids of one log are known to differ from those of another, and how that is said."""

ALIKE_SHARE = 0.01
"""Share of all units whose outcomes may stand under another spelling of their id before the result is void."""

_TIMES = 5.0
# Two arms that differ by chance so much are one in ten thousand; read daily, and only beside a fivefold difference.
_CHANCE = 1e-4
_BASELINE_SHARE = 0.05
_LEAST, _MOST = 500.0, 2_000.0


class Join(NamedTuple):
    """How many exposed units have outcomes.

    Attributes:
        units: By arm, units with an outcome since their exposure.
        before: Units that have outcomes before their exposure only.
        alike: By kind of `LIKENESSES`: units without any outcome, and units with one, for which an outcome stands under
            an id that is none of the experiment's and differs from theirs in this only.
    """

    units: dict[str, int]
    before: int = 0
    alike: Mapping[str, tuple[int, int]] = {}


def reasons(
    plan: ExperimentPlan, units: Mapping[str, int], join: Join, sums: Mapping[str, Aggregates], *, over: bool
) -> list[str]:
    """Return why outcomes cannot be those of the exposed units, each reason as a clause; at most one.

    Args:
        plan: The experiment.
        units: Units by arm.
        join: How many of them have outcomes.
        sums: By arm: mean of the primary metric's columns per unit.
        over: Whether the planned units or the last day are reached.
    """
    exposed, joined = sum(units.values()), sum(join.units.values())
    if exposed == 0:
        return []
    spelling = _spelling(exposed, joined, join)
    if joined == 0 and (over or spelling or exposed >= enough(plan)):
        return [f"no exposed unit has an outcome{_why(join, spelling)}"]
    found = _one_arm(units, join)
    if found:
        return [f"{found}: do the ids of its outcomes differ from those of its exposures?{_hint(spelling)}"]
    if spelling:
        return [f"ids differ between the logs: {spelling}"]
    return _far_below_baseline(plan, sums, joined, exposed) if over else []


def enough(plan: ExperimentPlan) -> float:
    """Return how many units of which none has a value other than 0 cannot be chance: one in 1,000 experiments.

    At least `mean**2 / (mean**2 + variance)` of units have one if the plan's baseline is right (Paley and Zygmund). Of
    skewed metrics that is little, so that 2,000 units are enough for any; baselines are rough, so that it takes 500.

    Args:
        plan: The experiment.
    """
    return min(_MOST, max(_LEAST, 7.0 / _least_share(plan)))


def _why(join: Join, spelling: str) -> str:
    if join.before:
        late = f"{join.before:,} of them have outcomes before it only"
        return f" since its exposure, and {late}: are exposures logged late, or times in another zone?"
    return f" since its exposure: do ids differ?{_hint(spelling)}"


def _hint(spelling: str) -> str:
    return f" {spelling[0].upper()}{spelling[1:]}" if spelling else ""


def _spelling(exposed: int, joined: int, join: Join) -> str:
    """Say how the ids of outcomes differ; empty where no more units than by chance have such a double."""
    kind = max(LIKENESSES, key=lambda kind: join.alike.get(kind, (0, 0))[0])
    lacking, having = join.alike.get(kind, (0, 0))
    if lacking <= ALIKE_SHARE * exposed:
        return ""
    # Ids of four characters have doubles by chance: then those with outcomes have as many.
    if having and lacking * joined <= _TIMES * having * (exposed - joined):
        return ""
    return f"{lacking:,} units have outcomes only under ids that differ in {LIKENESSES[kind]}"


def _least_share(plan: ExperimentPlan) -> float:
    square = plan.baseline.mean**2
    return square / (square + plan.baseline.variance)


def _one_arm(units: Mapping[str, int], join: Join) -> str:
    """Name the arm in which hardly a unit has an outcome while many in the other arm have one; empty: neither."""
    shares = {arm: join.units[arm] / count for arm, count in units.items() if count}
    if len(shares) < len(units):
        return ""
    fewer, more = sorted(shares, key=lambda arm: shares[arm])
    if _TIMES * shares[fewer] >= shares[more]:
        return ""
    chance = stats.hypergeom.cdf(join.units[fewer], sum(units.values()), sum(join.units.values()), units[fewer])
    if chance >= _CHANCE:
        return ""
    return (
        f"{join.units[fewer]:,} of {units[fewer]:,} units in {fewer} have an outcome, and {join.units[more]:,} of "
        f"{units[more]:,} in {more}"
    )


def _far_below_baseline(plan: ExperimentPlan, sums: Mapping[str, Aggregates], joined: int, exposed: int) -> list[str]:
    """Find a mean far below the plan's baseline in an experiment in which few units have outcomes."""
    if plan.primary.denominator is not None or exposed * _least_share(plan) < 20.0:
        return []
    counts = {arm: each.count() for arm, each in sums.items()}
    mean = sum(each.mean(plan.primary.numerator) * counts[arm] for arm, each in sums.items()) / sum(counts.values())
    if abs(mean) >= _BASELINE_SHARE * abs(plan.baseline.mean) or joined >= _least_share(plan) / 2.0 * exposed:
        return []
    return [
        f"{joined:,} of {exposed:,} units have an outcome, and {plan.primary.name} is {mean:.3g} where the plan's "
        f"baseline is {plan.baseline.mean:.3g}: do ids differ, or is it another column?"
    ]
