"""The examination: every check in turn, each on its own, so that one that fails keeps no other from being made."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from synalign.doctor import airflow, data, encoder, machine, model, spark, storage, tracking
from synalign.doctor.finding import Case, Finding, Skipped, State
from synalign.errors import SynAlignError


class Check(NamedTuple):
    """One line of the examination.

    Attributes:
        name: Its name.
        look: Says what it found, or raises: an error of ours, with what to do; `Skipped`, with why.
    """

    name: str
    look: Callable[[Case], str]


CHECKS = (
    Check("java", machine.java),
    Check("spark", spark.spark),
    Check("encoder", encoder.encoder),
    Check("data", data.data),
    Check("model", model.model),
    Check("mlflow", tracking.mlflow),
    Check("airflow", airflow.database),
    Check("storage", storage.home),
    Check("journal", storage.journal),
    Check("disk", machine.disk),
    Check("memory", machine.memory),
    # Last: it compares the times that the model's and MLflow's servers told.
    Check("clock", machine.clock),
)


def examine(case: Case, checks: tuple[Check, ...] = CHECKS) -> Iterator[tuple[str, Finding | None]]:
    """Make every check.

    Args:
        case: What is examined.
        checks: Which.

    Yields:
        A check's name and None as it begins, and the name and the finding when it has ended.
    """
    for check in checks:
        yield check.name, None
        yield check.name, _finding(check, case)


def _finding(check: Check, case: Case) -> Finding:
    started = time.monotonic()

    def ended(state: State, found: str, remedy: str = "") -> Finding:
        return Finding(check.name, state, found, remedy, round(time.monotonic() - started, 3))

    try:
        return ended("pass", check.look(case))
    except Skipped as reason:
        return ended("skipped", str(reason))
    except SynAlignError as error:
        found = f"{error.message} Likely cause: {error.cause}." if error.cause else error.message
        return ended("fail", found, error.remedy or "mend that and run `synalign doctor` again")
    except Exception as error:
        # Whatever a machine has come to: the other checks must still be made, and this one must say what it met.
        found = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return ended("fail", found, "nobody has met this yet; please report it with the line above")
