"""What makes a result void: signs that the two groups differ in more than the retriever, or that data are missing.

A void result has no effect at all, not one with a warning: whatever broke the split or the logs can be larger than any
effect of a retriever, and can have either sign.

References:
    Fabijan, A., Gupchup, J., Gupta, S., Omhover, J., Qin, W., Vermeer, L., & Dmitriev, P. (2019). Diagnosing sample
    ratio mismatch in online controlled experiments. KDD 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

import tea_tasting
from tea_tasting.aggr import Aggregates

if TYPE_CHECKING:
    from synalign.experiment.logs import Log
    from synalign.experiment.plan import ExperimentPlan

EARLY_SHARE = 0.01
"""Share of units with outcomes before their exposure that is tolerated.

Outcomes that no retriever can have caused, such as an order without a search, come first for a few. Many mean that
exposures are logged late, or only for those who did something: then people are compared who were chosen by what they
did. Nobody's outcomes before exposure are counted, however few; those before the ramp admitted a unit are no fault."""

_LISTED = 5


def void_reasons(plan: ExperimentPlan, log: Log) -> tuple[str, ...]:
    """Why a result is void, each reason as a clause; empty when it is valid.

    Args:
        plan: The experiment.
        log: What its logs show.
    """
    return tuple(
        reason
        for reason in (
            *_days(log),
            *_foreign(plan, log),
            *_moved(plan, log),
            _sample_ratio(plan, log),
            _early(log),
        )
        if reason
    )


def sample_ratio_p_value(plan: ExperimentPlan, units: dict[str, int]) -> float:
    """p-value of the numbers of units under the plan's split: exact below 1,000 units, above as Pearson's chi-square.

    It is not corrected for daily looks: at the usual threshold of 0.001 a month of them voids far fewer than 3 % of
    sound experiments, on some days, and the next day looks anew.

    Args:
        plan: The experiment.
        units: Units by arm; 1 or more in all.
    """
    check = tea_tasting.SampleRatio(plan.treatment_share / (1.0 - plan.treatment_share), correction=False)
    counts: dict[object, Aggregates] = {arm: Aggregates(count_=units[arm]) for arm in ("control", "treatment")}
    return check.analyze(counts, "control", "treatment").pvalue


def _days(log: Log) -> list[str]:
    found = []
    if log.no_exposures:
        found.append(f"no exposures on {_list(log.no_exposures)}")
    if log.no_outcomes:
        found.append(f"no outcomes on {_list(log.no_outcomes)}")
    return found


def _foreign(plan: ExperimentPlan, log: Log) -> list[str]:
    """Exposures that do not belong to the experiment."""
    found = []
    if log.other_plan:
        found.append(f"{log.other_plan:,} exposures under another plan than {plan.digest[:12]}")
    if log.before_start:
        found.append(f"{log.before_start:,} exposures before the start on {plan.start}")
    if log.unknown_arms:
        found.append(f"{log.unknown_arms:,} exposures to an arm that is neither control nor treatment")
    return found


def _moved(plan: ExperimentPlan, log: Log) -> list[str]:
    """Units that are not where their ids say."""
    found = []
    if log.two_arms:
        found.append(f"{_units(log.two_arms)} in both arms")
    if log.misassigned:
        found.append(f"{_units(log.misassigned)} in the other arm than the salt {plan.salt!r} assigns")
    if log.not_admitted:
        found.append(f"{_units(log.not_admitted)} exposed before the ramp admitted them")
    return found


def _sample_ratio(plan: ExperimentPlan, log: Log) -> str | None:
    control, treatment = log.units["control"], log.units["treatment"]
    if control + treatment == 0:
        return "no unit in either arm"
    p_value = sample_ratio_p_value(plan, log.units)
    if p_value >= plan.srm_threshold:
        return None
    return (
        f"sample ratio mismatch: {control:,} units in control and {treatment:,} in treatment, where "
        f"{plan.treatment_share:.4g} of them should be in treatment (p = {p_value:.2g}, threshold "
        f"{plan.srm_threshold:g})"
    )


def _early(log: Log) -> str | None:
    units = sum(log.units.values()) + log.two_arms
    if units == 0 or log.early <= EARLY_SHARE * units:
        return None
    return f"{_units(log.early)} of {units:,} with outcomes before exposure, more than {EARLY_SHARE:.0%}"


def _units(count: int) -> str:
    return "1 unit" if count == 1 else f"{count:,} units"


def _list(days: Sequence[date]) -> str:
    more = f" and {len(days) - _LISTED} more days" if len(days) > _LISTED else ""
    return ", ".join(day.isoformat() for day in days[:_LISTED]) + more
