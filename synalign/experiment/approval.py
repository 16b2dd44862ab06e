"""What a person is asked before a retriever is promoted, and whether the answer still holds when it comes.

Runs in Airflow's own Python, so it imports nothing heavier than pydantic.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import date
from pathlib import Path
from typing import NamedTuple

from synalign.errors import RunError
from synalign.experiment import findings, store
from synalign.experiment.findings import Bounds, Effect, Readout
from synalign.experiment.plan import ExperimentPlan

log = logging.getLogger(__name__)

AGAINST = ("void", "stop for harm")
"""Verdicts of a later day that take back an earlier `ship`. (An interval that is valid at all looks, once it excludes
0, has done so for good: `keep going` on a later day takes nothing back.)"""


class Seen(NamedTuple):
    """A read-out as it was read from its file.

    Attributes:
        readout: What it says.
        digest: SHA-256 of the file.
    """

    readout: Readout
    digest: str


def readout_file(plan: ExperimentPlan, day: date) -> Path:
    """Return the path of a day's read-out."""
    return findings.file(store.folder(plan), day)


def seen(plan: ExperimentPlan, day: date) -> Seen:
    """Read the read-out of a day.

    Raises:
        RunError: There is none, it is damaged, or it is of another plan.
    """
    path = readout_file(plan, day)
    readout = findings.read(path)
    if readout.plan_digest != plan.digest:
        raise RunError(
            f"{path} is of the plan {readout.plan_digest[:12]}, not {plan.digest[:12]}.",
            remedy="read the day out again",
        )
    return Seen(readout, hashlib.sha256(path.read_bytes()).hexdigest())


def question(retriever: str, experiment: str, day: str) -> dict[str, str] | None:
    """Return the question for a person after a day's read-out; None unless its verdict is `ship`.

    Args:
        retriever: Name of the retriever.
        experiment: Id of the experiment.
        day: Day (UTC), ISO 8601.

    Returns:
        `subject`, `body` (Markdown), and `readout`: the digest of what the person sees.

    Raises:
        RunError: The day was not read out.
    """
    plan = store.plan(retriever, experiment)
    readout, digest = seen(plan, date.fromisoformat(day))
    level = logging.WARNING if readout.verdict in AGAINST else logging.INFO
    log.log(level, "%s, %s, %s: %s", retriever, experiment, day, readout.sentence)
    if readout.verdict != "ship":
        return None
    return {"subject": f"Promote the treatment of {experiment} ({retriever})?", "body": body(plan, readout),
            "readout": digest}  # fmt: skip


def body(plan: ExperimentPlan, readout: Readout) -> str:
    """Write the read-out in Markdown: what a person should know before they say yes."""
    rows = [_row(effect) for effect in readout.effects]
    units = ", ".join(f"{count:,} in {arm}" for arm, count in sorted(readout.units.items()))
    return "\n".join(
        [
            readout.sentence,
            "",
            f"Hypothesis of {plan.owner}: {plan.hypothesis}",
            "",
            "| metric | role | control | treatment | change | valid at every look |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            f"Look {readout.look} ({readout.day}): {units}; planned {readout.planned_units:,} in the smaller arm. "
            f"Approve lets {plan.arm('treatment').model_uri} serve instead of {plan.arm('control').model_uri}.",
        ]
    )


def must_still_hold(plan: ExperimentPlan, day: date, digest: str) -> Readout:
    """Return the read-out that a person approved; refuse if it changed or a later day is against it.

    Args:
        plan: The experiment.
        day: Day of the read-out.
        digest: Of the read-out when the question was asked.

    Raises:
        RunError: It has changed since, its verdict is not `ship`, or a later day's verdict is against it.
    """
    readout, now = seen(plan, day)
    again = "answer the question of the newest read-out instead"
    if now != digest or readout.verdict != "ship":
        raise RunError(
            f"the read-out of {day} was made anew after the question: it says {readout.verdict}.", remedy=again
        )
    for later in findings.files(store.folder(plan)):
        found = findings.read(later)
        if found.day > day and found.verdict in AGAINST:
            raise RunError(
                f"the read-out of {found.day} speaks against that of {day}. {found.sentence}",
                remedy=again,
            )
    return readout


def _row(effect: Effect) -> str:
    role = effect.role if effect.margin is None else f"guardrail, margin {effect.margin:.1%}"
    means = " | ".join("-" if mean is None else f"{mean:.4g}" for mean in (effect.control, effect.treatment))
    change = "-" if effect.relative is None else f"{effect.relative:+.2%}"
    return f"| {effect.name} | {role} | {means} | {change} | {_interval(effect.relative_interval)} |"


def _interval(bounds: Bounds | None) -> str:
    return "-" if bounds is None else f"{bounds.lower:+.2%} to {bounds.upper:+.2%}"
