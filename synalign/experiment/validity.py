"""What makes a result void: signs that the two groups differ in more than the retriever, or that data are missing.

A void result has no effect at all, not one with a warning: whatever broke the split or the logs can be larger than any
effect of a retriever, and can have either sign.

References:
    Fabijan, A., Gupchup, J., Gupta, S., Omhover, J., Qin, W., Vermeer, L., & Dmitriev, P. (2019). Diagnosing sample
    ratio mismatch in online controlled experiments. KDD 2019.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from synalign.experiment import join, sample_ratio
from synalign.experiment.sequential import BURN_IN
from synalign.experiment.verdict import over

if TYPE_CHECKING:
    from synalign.experiment.findings import Effect
    from synalign.experiment.logs import Log
    from synalign.experiment.plan import ExperimentPlan

EARLY_SHARE = 0.01
"""Share of units with outcomes before their exposure that is tolerated.

Outcomes that no retriever can have caused, such as an order without a search, come first for a few. Many mean that
exposures are logged late, or only for those who did something: then people are compared who were chosen by what they
did. Nobody's outcomes before exposure are counted, however few; those before the ramp admitted a unit are no fault."""

_LISTED = 5


def void_reasons(plan: ExperimentPlan, log: Log, day: date | None = None) -> tuple[str, ...]:
    """List why a result is void, each reason as a clause; empty when it is valid.

    Args:
        plan: The experiment.
        log: What its logs show.
        day: The last day that is counted; None: not the last one of the experiment.
    """
    return (
        *_days(log),
        *_foreign(plan, log),
        *_moved(plan, log),
        *_sample_ratio(plan, log),
        *_early(log),
        *_joined(plan, log, day or plan.start),
    )


def undecided(plan: ExperimentPlan, effects: Sequence[Effect], units: Mapping[str, int], day: date) -> tuple[str, ...]:
    """List why a metric that decides says nothing, though the logs look sound; empty when it does.

    Nothing said is not "no difference": it is void, at the latest when the experiment is over; at once where a metric
    is 0 for so many units that this is no chance.

    Args:
        plan: The experiment.
        effects: One per metric of the plan.
        units: Units by arm.
        day: The last day that is counted.
    """
    unknown = [effect for effect in effects if effect.role != "secondary" and effect.interval is None]
    few = min(units, key=lambda arm: units[arm])
    if units[few] >= BURN_IN:
        constant = [reason for effect in unknown if (reason := _constant(effect))]
        if constant:
            return tuple(constant)
    primary = next((effect for effect in unknown if effect.role == "primary"), None)
    if primary is None:
        return ()
    nothing = primary.control == primary.treatment == 0.0 and sum(units.values()) >= join.enough(plan)
    if not (nothing or over(plan, units, day)):
        return ()
    if units[few] < BURN_IN:
        return (f"{_units(units[few])} in {few} at the end, and nothing is concluded from fewer than {BURN_IN}",)
    return (_no_metric(primary),)


def _constant(effect: Effect) -> str | None:
    """Find a metric that is one number in the control and another in the treatment: not what people did."""
    control, treatment = effect.control, effect.treatment
    if control is None or treatment is None or math.isclose(control, treatment, rel_tol=1e-6, abs_tol=1e-12):
        return None
    return (
        f"{effect.name} is {control:.6g} for every unit in control and {treatment:.6g} for every unit in treatment: "
        "what does not vary between units is set for the arm, and is no measurement"
    )


def _no_metric(effect: Effect) -> str:
    if effect.control is None or effect.treatment is None:
        return f"{effect.name} cannot be computed: its denominator is 0 for every unit of an arm"
    return f"{effect.name} is {effect.control:.6g} for every unit of both arms: is it the right column?"


def _joined(plan: ExperimentPlan, log: Log, day: date) -> list[str]:
    if log.join is None:
        return []
    return join.reasons(plan, log.units, log.join, log.sums, over=over(plan, log.units, day))


def _days(log: Log) -> list[str]:
    found = []
    if log.no_exposures:
        found.append(f"no exposures on {_list(log.no_exposures)}")
    if log.no_outcomes:
        found.append(f"no outcomes on {_list(log.no_outcomes)}")
    return found


def _foreign(plan: ExperimentPlan, log: Log) -> list[str]:
    """List exposures that do not belong to the experiment."""
    found = []
    if log.other_plan:
        found.append(f"{log.other_plan:,} exposures under another plan than {plan.digest[:12]}")
    if log.before_start:
        found.append(f"{log.before_start:,} exposures before the start on {plan.start}")
    if log.unknown_arms:
        found.append(f"{log.unknown_arms:,} exposures to an arm that is neither control nor treatment, to the letter")
    return found


def _moved(plan: ExperimentPlan, log: Log) -> list[str]:
    """List units that are not where their ids say."""
    found = []
    if log.two_arms:
        found.append(f"{_units(log.two_arms)} in both arms")
    if log.misassigned:
        found.append(f"{_units(log.misassigned)} in the other arm than the salt {plan.salt!r} assigns")
    if log.not_admitted:
        found.append(f"{_units(log.not_admitted)} exposed before the ramp admitted them")
    return found


def _sample_ratio(plan: ExperimentPlan, log: Log) -> list[str]:
    control, treatment = log.units["control"], log.units["treatment"]
    if control + treatment == 0:
        return ["no unit in either arm"]
    p_value = sample_ratio.p_value(control, treatment, plan.treatment_share)
    if p_value < plan.srm_threshold:
        return [
            f"sample ratio mismatch: {control:,} units in control and {treatment:,} in treatment, where "
            f"{plan.treatment_share:.4g} of them should be in treatment (p = {p_value:.2g}, valid at every daily look; "
            f"threshold {plan.srm_threshold:g})"
        ]
    return [f"no unit in {arm}" for arm, count in log.units.items() if count == 0]


def _early(log: Log) -> list[str]:
    units = sum(log.units.values()) + log.two_arms
    if units == 0 or log.early <= EARLY_SHARE * units:
        return []
    return [f"{_units(log.early)} of {units:,} with outcomes before exposure, more than {EARLY_SHARE:.0%}"]


def _units(count: int) -> str:
    return "1 unit" if count == 1 else f"{count:,} units"


def _list(days: Sequence[date]) -> str:
    more = f" and {len(days) - _LISTED} more days" if len(days) > _LISTED else ""
    return ", ".join(day.isoformat() for day in days[:_LISTED]) + more
