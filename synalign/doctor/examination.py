"""The examination: every check in turn, each on its own, so that one that fails keeps no other from being made."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from synalign import installed
from synalign.doctor import airflow, data, machine, spark, storage, tracking
from synalign.doctor.finding import Case, Finding, Skipped, State
from synalign.errors import SynAlignError


class Check(NamedTuple):
    """One line of the examination.

    Attributes:
        name: Its name.
        look: Says what it found, or raises: an error of ours, with what to do; `Skipped`, with why.
        of_jobs: It concerns jobs alone: there is nothing to look at where none can run.
    """

    name: str
    look: Callable[[Case], str]
    of_jobs: bool = False


def _encoder(case: Case) -> str:
    from synalign.doctor import encoder

    return encoder.encoder(case)


def _model(case: Case) -> str:
    # Its libraries are not everywhere.
    from synalign.doctor import model

    return model.model(case)


CHECKS = (
    Check("packages", machine.packages),
    Check("java", machine.java, of_jobs=True),
    Check("spark", spark.spark, of_jobs=True),
    Check("data", data.data, of_jobs=True),
    # After the data: it embeds some of its texts.
    Check("encoder", _encoder, of_jobs=True),
    Check("model", _model, of_jobs=True),
    Check("mlflow", tracking.mlflow, of_jobs=True),
    Check("airflow", airflow.database),
    Check("storage", storage.home),
    Check("journal", storage.journal, of_jobs=True),
    Check("disk", machine.disk),
    Check("memory", machine.memory, of_jobs=True),
    # Last: it compares the times that the model's and MLflow's servers told.
    Check("clock", machine.clock),
)


_OF_THE_SYSTEM = (
    "the system refuses it: let this user write to $SYNALIGN_HOME and to the folder for temporary files (/tmp or "
    "$TMPDIR; a tmpfs where the rest is read-only), and look at the disk"
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

    if check.of_jobs and not installed.runs_jobs():
        return ended("skipped", "no jobs run here")
    try:
        return ended("pass", check.look(case))
    except Skipped as reason:
        return ended("skipped", str(reason))
    except SynAlignError as error:
        found = f"{error.message} Likely cause: {error.cause}." if error.cause else error.message
        return ended("fail", found, error.remedy or "fix that and run `synalign doctor` again")
    except ImportError as error:
        return ended("fail", f"{type(error).__name__}: {error}", "install what the check `packages` misses")
    except OSError as error:
        found = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return ended("fail", found, _OF_THE_SYSTEM)
    except Exception as error:
        # Whatever a machine has come to: the other checks must still be made, and this one must say what it met.
        found = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return ended("fail", found, "nobody has met this yet; please report it with the line above")
