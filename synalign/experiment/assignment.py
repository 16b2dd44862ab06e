"""Which units are in an experiment, and in which arm: a salted hash, the same in any language.

`ASSIGNMENT.md` beside this file says it in prose, `assignment_vectors.json` has examples to check another
implementation against.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Any

from synalign.errors import ArgumentError
from synalign.experiment.plan import BUCKETS, ArmName, ExperimentPlan

# 48 bits: exact in a double, so in JavaScript and in every SQL dialect's bigint; uneven by 4e-11.
_DIGITS = 12


def bucket(salt: str, unit: str) -> int:
    """Return the bucket of a unit: the first 48 bits of SHA-256 of `salt:unit` in UTF-8, modulo 10,000.

    Args:
        salt: Without a colon, not empty.
        unit: The unit's id, exactly as it is logged: nothing is trimmed, folded or normalised.

    Returns:
        0 ... 9999.

    Raises:
        ArgumentError: The salt is empty or has a colon, or the unit is empty, no text, or not valid Unicode.

    Examples:
        >>> bucket("checkout", "user-1")
        5753
    """
    if not isinstance(salt, str) or not salt or ":" in salt:
        raise ArgumentError("salt", salt, "must be text without a colon")
    if not isinstance(unit, str) or not unit:
        raise ArgumentError("unit", unit, "must be the unit's id as text", remedy="write numbers in decimal digits")
    try:
        content = f"{salt}:{unit}".encode()
    except UnicodeEncodeError as error:
        raise ArgumentError("unit", unit, "must be valid Unicode") from error
    return int(hashlib.sha256(content).hexdigest()[:_DIGITS], 16) % BUCKETS


def arm_of(plan: ExperimentPlan, unit: str) -> ArmName:
    """Return the arm of a unit, whether or not it is in the experiment yet.

    Raises:
        ArgumentError: The unit is empty or not valid Unicode.
    """
    return "treatment" if bucket(f"{plan.salt}/arm", unit) < round(plan.treatment_share * BUCKETS) else "control"


def assign(plan: ExperimentPlan, unit: str, day: date) -> ArmName | None:
    """Return the arm that a unit sees on a day.

    Whether it takes part and in which arm are decided by two hashes that know nothing of each other, so more traffic
    admits units and moves none from one arm to another.

    Args:
        plan: The experiment.
        unit: The unit's id.
        day: Day (UTC).

    Returns:
        Its arm; None: it is not in the experiment on that day, sees what the control sees, and is not to be logged.

    Raises:
        ArgumentError: The unit is empty or not valid Unicode.
    """
    if bucket(f"{plan.salt}/traffic", unit) >= round(plan.traffic_share(day) * BUCKETS):
        return None
    return arm_of(plan, unit)


def description() -> str:
    """Read `ASSIGNMENT.md`: the assignment in prose, for those who implement it elsewhere."""
    return files("synalign.experiment").joinpath("ASSIGNMENT.md").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def vectors() -> dict[str, Any]:
    """Read `assignment_vectors.json`: published examples of buckets and of assignments."""
    content: dict[str, Any] = json.loads(
        files("synalign.experiment").joinpath("assignment_vectors.json").read_text(encoding="utf-8")
    )
    return content
