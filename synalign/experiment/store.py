"""Where started plans are kept on this side of MLflow, so that an experiment is found without asking a server.

    <home>/experiments/<retriever>/<id>/plan.json           the plan's canonical bytes, written once
    <home>/experiments/<retriever>/<id>/plan.json.sha256    their digest, as `sha256sum --check` reads it
    <home>/experiments/<retriever>/<id>/ended.json          reason and time, once it has ended before its last day

No other module knows these paths. Imported by light Airflow tasks, so it imports nothing heavier than pydantic.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from synalign.config import home
from synalign.errors import ArgumentError, ConfigurationError, RunError
from synalign.experiment.plan import ExperimentPlan, parse_plan

PLAN, DIGEST, ENDED = "plan.json", "plan.json.sha256", "ended.json"


class End(NamedTuple):
    """How an experiment ended.

    Attributes:
        reason: In words.
        at: When (UTC).
    """

    reason: str
    at: datetime


def folder(plan: ExperimentPlan) -> Path:
    """Return the experiment's folder, made or not."""
    return _folder(plan.retriever, plan.id)


def start(plan: ExperimentPlan) -> Path:
    """Keep a plan from now on as it is.

    Starting the same plan again changes nothing.

    Returns:
        The experiment's folder.

    Raises:
        RunError: The id stands for another plan already, the days overlap with those of another experiment of the
            retriever, or the plan that it replaces is not known or has not ended.
    """
    with _locked(plan.retriever):
        check(plan)
        place = folder(plan)
        if not (place / PLAN).exists():
            # Without a plan it is what a killed start left.
            (place / DIGEST).unlink(missing_ok=True)
            _write_once(place / DIGEST, f"{plan.digest}  {PLAN}\n".encode())
            _write_once(place / PLAN, plan.canonical)
    return place


def check(plan: ExperimentPlan) -> None:
    """Refuse a plan that `start` would not take.

    Raises:
        RunError: As in `start`.
    """
    place = folder(plan)
    if (place / PLAN).exists():
        _must_be(plan, place)
    else:
        _must_be_free(plan)


def plan(retriever: str, id: str) -> ExperimentPlan:
    """Read a started plan.

    Raises:
        RunError: No such experiment was started, or its file was changed by hand.
    """
    place = _folder(retriever, id)
    try:
        content = (place / PLAN).read_bytes()
    except OSError as error:
        known = ", ".join(started(retriever)) or "none"
        raise RunError(
            f"{retriever} has no experiment {id!r}; there are: {known}.", remedy="start it: `synalign experiment start`"
        ) from error
    found = _parsed(content, place / PLAN)
    noted = (place / DIGEST).read_bytes() if (place / DIGEST).exists() else b""
    if (
        f"{found.digest}  {PLAN}\n".encode() != noted
        or found.canonical != content
        or (found.retriever, found.id) != (retriever, id)
    ):
        raise RunError(
            f"{place / PLAN} is not the plan that was started: its bytes were changed.",
            remedy="put back the copy from the experiment's MLflow run; a change is a new plan with `replaces`",
        )
    return found


def started(retriever: str) -> list[str]:
    """List the ids of all experiments of a retriever that were ever started, sorted."""
    return sorted(path.parent.name for path in _folder(retriever).glob(f"*/{PLAN}"))


def running(retriever: str, day: date) -> ExperimentPlan | None:
    """Return the experiment that ran on the whole of a day (UTC), if any: not ended on that day or before.

    Raises:
        RunError: A plan's file was changed by hand.
    """
    for id in started(retriever):
        found = plan(retriever, id)
        if found.start <= day < _free_from(found):
            return found
    return None


def end(plan: ExperimentPlan, reason: str, at: datetime) -> End:
    """Note that an experiment has ended; the first note stays.

    Args:
        plan: A started plan.
        reason: Why, in words.
        at: When; must have a time zone.

    Returns:
        How it ended: this note, or an earlier one.

    Raises:
        RunError: It was not started, or as another plan.
        ArgumentError: `reason` is empty or `at` has no time zone.
    """
    if not reason.strip():
        raise ArgumentError("reason", reason, "must not be empty")
    if at.tzinfo is None:
        raise ArgumentError("at", at, "must have a time zone")
    with _locked(plan.retriever):
        place = folder(plan)
        if not (place / PLAN).exists():
            raise RunError(f"{plan.retriever} has not started {plan.id!r}.", remedy="start it first")
        _must_be(plan, place)
        if not (place / ENDED).exists():
            note = {"reason": reason, "at": at.astimezone(UTC).isoformat()}
            _write_once(place / ENDED, json.dumps(note, indent=2, ensure_ascii=False).encode())
    found = ended(plan)
    assert found is not None
    return found


def ended(plan: ExperimentPlan) -> End | None:
    """Return how an experiment ended before its last day; None: it did not.

    Raises:
        RunError: The note cannot be read.
    """
    path = folder(plan) / ENDED
    try:
        content = json.loads(path.read_bytes())
        return End(str(content["reason"]), datetime.fromisoformat(content["at"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} cannot be read: {error}.", remedy="remove it and end the experiment again") from error


def _free_from(plan: ExperimentPlan) -> date:
    """Return the first day on which a plan no longer runs."""
    note = ended(plan)
    after_stop = date.fromordinal(plan.stop.toordinal() + 1)
    return after_stop if note is None else min(after_stop, note.at.astimezone(UTC).date())


def _must_be(plan: ExperimentPlan, place: Path) -> None:
    content = (place / PLAN).read_bytes()
    if content == plan.canonical:
        return
    started = hashlib.sha256(content).hexdigest()
    raise RunError(
        f"experiment {plan.id!r} of {plan.retriever} has started as plan {started[:12]}, this is {plan.digest[:12]}: "
        "a started plan cannot change.",
        remedy=f"end it (`synalign experiment end`) and start a new plan under another id with `replaces: {plan.id}`",
    )


def _must_be_free(new: ExperimentPlan) -> None:
    if new.replaces is not None and new.replaces not in started(new.retriever):
        raise RunError(f"replaces == {new.replaces!r}, is no experiment of {new.retriever}.", remedy="mend `replaces`")
    for id in started(new.retriever):
        other = plan(new.retriever, id)
        if new.start < _free_from(other) and other.start <= new.stop:
            raise RunError(
                f"{new.retriever} has an experiment {id!r} from {other.start} to {other.stop}, {new.id!r} would run "
                f"from {new.start} to {new.stop}: two at once would disturb each other.",
                remedy=f"end {id!r} first (`synalign experiment end`), or choose later days",
            )


def _parsed(content: bytes, path: Path) -> ExperimentPlan:
    try:
        data = json.loads(content)
        return parse_plan(data if isinstance(data, dict) else {}, path)
    except (ValueError, ConfigurationError) as error:
        raise RunError(
            f"{path} is not the plan that was started: {error}.", remedy="put back the copy from MLflow"
        ) from error


def _folder(retriever: str, id: str = "") -> Path:
    for name in (retriever, id or "any"):
        if not name or name.startswith(".") or "/" in name or "\\" in name or "\0" in name:
            raise ArgumentError("name", name, "must be the name of a retriever or of an experiment")
    return home() / "experiments" / retriever / id


def _write_once(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, and never over another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}"
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(beside, path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def _locked(retriever: str) -> Iterator[None]:
    """One at a time per retriever; the operating system frees it however the process ends."""
    place = _folder(retriever)
    place.mkdir(parents=True, exist_ok=True)
    with open(place / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
