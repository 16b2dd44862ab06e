"""From effects to what to do, and the sentence that a person would write about it.

- *ship*: the primary metric is shown to be better, and every guardrail to be no worse than its margin. All of them must
  hold, so each may use its own interval (an intersection-union test): no guardrail makes a wrong `ship` more likely.
- *stop for harm*: the primary metric is shown to be worse, or a guardrail to be worse than its margin.
- *no difference*: the planned number of units, or the last day, is reached, and neither was shown.
- *keep going*: none of these yet.

Secondary metrics decide nothing. A guardrail whose mean is 0 in an arm has no relative effect, so it cannot pass: an
experiment with such a guardrail is never shipped, which is for a person to see and not for a rule to overlook.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from synalign.experiment.findings import Bounds, Effect, Verdict
from synalign.experiment.sequential import BURN_IN

if TYPE_CHECKING:
    from synalign.experiment.plan import ExperimentPlan


def decide(plan: ExperimentPlan, effects: Sequence[Effect], units: Mapping[str, int], day: date) -> Verdict:
    """Return the verdict on a valid result.

    Args:
        plan: The experiment.
        effects: One per metric of the plan.
        units: Units by arm.
        day: The last day that is counted.
    """
    primary, guardrails = _deciding(effects)
    if primary.passed is False or any(guardrail.passed is False for guardrail in guardrails):
        return "stop for harm"
    if primary.passed and all(guardrail.passed for guardrail in guardrails):
        return "ship"
    return "no difference" if over(plan, units, day) else "keep going"


def sentence(
    plan: ExperimentPlan, verdict: Verdict, effects: Sequence[Effect], units: Mapping[str, int], day: date
) -> str:
    """Say the verdict in words, with the numbers that it rests on.

    Args:
        plan: The experiment.
        verdict: What `decide` says.
        effects: One per metric of the plan.
        units: Units by arm.
        day: The last day that is counted.
    """
    primary, guardrails = _deciding(effects)
    counts = f"{units['control']:,} units in control and {units['treatment']:,} in treatment"
    seen = f"after {_progress(plan, day)}, with {counts}"
    parts = [_said(primary), *(_said(guardrail) for guardrail in guardrails)]
    if verdict == "ship":
        return f"Ship: {seen}, {_and(parts)}."
    if verdict == "stop for harm":
        harmed = [_said(effect) for effect in (primary, *guardrails) if effect.passed is False]
        return f"Stop for harm: {seen}, {_and(harmed)}."
    if verdict == "no difference":
        why = "the planned number of units is reached" if _enough(plan, units) else "this was the last day"
        return f"No difference: {seen}, {why}; {_and(parts)}.{_missed(plan, primary)}"
    return f"Keep going: {seen}, {_and(parts)}. {_short(plan, units)}"


def over(plan: ExperimentPlan, units: Mapping[str, int], day: date) -> bool:
    """Return whether the planned number of units, or the last day, is reached.

    Args:
        plan: The experiment.
        units: Units by arm.
        day: The last day that is counted.
    """
    return day >= plan.stop or _enough(plan, units)


def void_sentence(reasons: Sequence[str]) -> str:
    """Say why a result is void."""
    told = "; ".join(reasons)
    return f"Void: {told}{'' if told.endswith('?') else '.'} No effect is reported until that is mended."


def _deciding(effects: Sequence[Effect]) -> tuple[Effect, list[Effect]]:
    (primary,) = (effect for effect in effects if effect.role == "primary")
    return primary, [effect for effect in effects if effect.role == "guardrail"]


def _enough(plan: ExperimentPlan, units: Mapping[str, int]) -> bool:
    return min(units.values()) >= plan.sample_size_per_arm


def _progress(plan: ExperimentPlan, day: date) -> str:
    return f"{(day - plan.start).days + 1} of {(plan.stop - plan.start).days + 1} days"


def _said(effect: Effect) -> str:
    """Write a clause on one metric: what is shown of it, or that nothing is yet."""
    if effect.margin is not None:
        return _guardrail(effect)
    if effect.interval is None:
        return f"nothing can be said of {effect.name} yet"
    if effect.passed is None:
        return f"{effect.name} shows no difference beyond chance ({_range(effect)})"
    moved, judged = "rose" if effect.interval.lower > 0.0 else "fell", "better" if effect.passed else "worse"
    return f"{effect.name} {moved} by {_amount(effect)} ({_range(effect)}), which is {judged}"


def _guardrail(effect: Effect) -> str:
    margin = _percent(effect.margin or 0.0)
    if effect.relative_interval is None:
        return f"nothing can be said of {effect.name} yet, of which a loss of {margin} is tolerated"
    if effect.passed is None:
        return f"{effect.name} is not shown to be within the {margin} that is tolerated ({_range(effect)})"
    if effect.passed:
        return f"{effect.name} is at most {_percent(_worst(effect))} worse, of {margin} tolerated"
    return f"{effect.name} is worse by {_amount(effect)} ({_range(effect)}), more than the {margin} that is tolerated"


def _worst(effect: Effect) -> float:
    """Return the largest relative loss within a guardrail's interval, not below 0."""
    assert effect.relative_interval is not None  # its caller has looked
    bounds = effect.relative_interval
    return max(0.0, -bounds.lower if effect.better == "higher" else bounds.upper)


def _amount(effect: Effect) -> str:
    if effect.relative is not None:
        return _percent(abs(effect.relative))
    return f"{abs(effect.difference or 0.0):.3g}"


def _range(effect: Effect) -> str:
    """Write the interval that is valid at every look: relative where it can be, else in the metric's own units."""
    if effect.relative_interval is not None:
        return f"between {_signed(effect.relative_interval)}"
    if effect.interval is not None:
        return f"a difference between {effect.interval.lower:+.3g} and {effect.interval.upper:+.3g}"
    return "no interval yet"


def _missed(plan: ExperimentPlan, primary: Effect) -> str:
    """Say whether the effect that was looked for is ruled out."""
    wanted, bounds = plan.minimum_detectable_effect, primary.relative_interval
    if bounds is None or primary.passed is not None:
        return ""
    sought = bounds.upper if primary.better == "higher" else -bounds.lower
    ruled_out = "is ruled out" if sought < wanted else "is not ruled out"
    return f" The improvement of {_percent(wanted)} that was looked for {ruled_out}."


def _short(plan: ExperimentPlan, units: Mapping[str, int]) -> str:
    """Say how many units are still missing."""
    least = min(units.values())
    if least < BURN_IN:
        return f"Nothing is concluded from fewer than {BURN_IN} units in an arm."
    return f"The smaller arm has {least:,} of {plan.sample_size_per_arm:,} planned units."


def _signed(bounds: Bounds) -> str:
    return f"{_digits(bounds.lower, sign='+')} % and {_digits(bounds.upper, sign='+')} %"


def _percent(share: float) -> str:
    return f"{_digits(share)} %"


def _digits(share: float, sign: str = "") -> str:
    """Format a share in per cent: one decimal from 1 % on, two below."""
    per_cent = 100.0 * share
    return f"{per_cent:{sign}.{1 if abs(per_cent) >= 1.0 else 2}f}"


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}, and {parts[-1]}"
