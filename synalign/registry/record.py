"""The record of what served: started, promoted, rolled back, rejected, ended. Events are only ever added at its end.

Every event is one run of the MLflow experiment `record/<retriever>`, made in one call, so it is there whole or not at
all. It holds the SHA-256 of the event before it, and a tag of the experiment names the last one. Every reading checks
the whole chain.

The chain protects against accidents and single edits: an event whose text was changed, that is missing, or that was
put in between is found, and so is a record without its end. A deleted run hides nothing, as deleted runs are read too.

The chain does not protect against forgery. It has no key and no signature: whoever may write to MLflow can change an
event and all digests after it, or purge the experiment and write another record. It proves neither who wrote an event
(`by` is what the caller said) nor when. To notice a forged record, keep the last digest somewhere else
(`synalign lineage` prints it).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from mlflow import MlflowClient
from mlflow.entities import Run, ViewType

from synalign.config import home
from synalign.errors import ArgumentError, RegistryError
from synalign.experiment.plan import Arm, ExperimentPlan
from synalign.registry.connection import every, experiment
from synalign.registry.descriptions import of_record
from synalign.tables import content_id

Kind = Literal["started", "promoted", "rolled_back", "rejected", "ended"]
_EVENT, _HEAD = "synalign.event", "synalign.head"
_FIRST = "0" * 64
# MLflow's column for a tag's value holds 8,000 characters.
_LONGEST_EVENT = 8000
_LONGEST_REASON = 2000


class Served(NamedTuple):
    """A retriever that served.

    Attributes:
        version: Version of the registered model `<retriever>`.
        model_uri: Where the retriever is.
        training_set: What it was trained on: model, version and digest. None: it is older than SynAlign.
    """

    version: str
    model_uri: str
    training_set: dict[str, str] | None

    @classmethod
    def of(cls, arm: Arm, version: str) -> Served:
        """Return an arm of a plan as it was registered."""
        return cls(version, arm.model_uri, arm.training_set.model_dump() if arm.training_set else None)


class Event(NamedTuple):
    """A change of what serves, or a decision about it.

    Attributes:
        number: Place in the record, from 1; 0 before it is appended.
        previous: Digest of the event before it; 64 zeros for the first.
        key: What makes it this event: the same key is never written twice.
        kind: What happened.
        at: When it was decided (UTC).
        by: Who decided.
        reason: Why.
        experiment: Id of the experiment it belongs to.
        plan_digest: Digest of its plan.
        champion_before: Version that served before; None: none had the alias `champion`.
        champion: What serves after it.
        challenger: What serves to the treatment after it; None: no experiment runs.
    """

    number: int
    previous: str
    key: str
    kind: Kind
    at: datetime
    by: str
    reason: str
    experiment: str
    plan_digest: str
    champion_before: str | None
    champion: Served
    challenger: Served | None

    @property
    def content(self) -> str:
        """The event as JSON in one form only: keys sorted, no blanks."""
        fields = {**self._asdict(), "at": self.at.isoformat()}
        fields["champion"] = self.champion._asdict()
        fields["challenger"] = self.challenger._asdict() if self.challenger else None
        return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @property
    def digest(self) -> str:
        """SHA-256 of `content`, 64 hexadecimal digits."""
        return hashlib.sha256(self.content.encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """Return the event and its digest as plain data."""
        return {**json.loads(self.content), "digest": self.digest}


def happening(
    kind: Kind, plan: ExperimentPlan, by: str, at: datetime, reason: str, champion: Served, challenger: Served | None
) -> Event:
    """Return an event of an experiment, not yet in the record.

    A plan starts, is promoted and ends once; it can be rejected many times.

    Raises:
        ArgumentError: `by` or `reason` is empty or too long, or `at` has no time zone.
    """
    often = [by, _utc(at).isoformat()] if kind == "rejected" else []
    return happened(kind, (plan.id, plan.digest), [plan.digest, *often], by, at, reason, champion, challenger)


def happened(
    kind: Kind, experiment: tuple[str, str], key: Sequence[str], by: str, at: datetime, reason: str,
    champion: Served, challenger: Served | None,
) -> Event:  # fmt: skip
    """Return an event with a key of its own, of an experiment's id and plan digest; see `happening`."""
    for name, value, longest in (("by", by, 200), ("reason", reason, _LONGEST_REASON)):
        if not value.strip() or len(value) > longest:
            raise ArgumentError(name, value, f"must be text of 1 to {longest} characters")
    return Event(0, _FIRST, content_id(kind, *key), kind, _utc(at), by, reason, *experiment, None, champion, challenger)


def events(client: MlflowClient, retriever: str) -> list[Event]:
    """Return the whole record of a retriever, oldest first; empty where nothing ever started.

    Raises:
        RegistryError: The record is not what was written: an event was changed, removed or put in.
    """
    found = client.get_experiment_by_name(_name(retriever))
    if found is None:
        return []
    chain = _chain(_runs(client, found.experiment_id), retriever)
    head = found.tags.get(_HEAD)
    if head is not None:
        number, digest = head.split(" ")
        if int(number) > len(chain) or chain[int(number) - 1].digest != digest:
            raise _broken(retriever, f"its end was event {number} ({digest[:12]}), and that is not there")
    return chain


@contextmanager
def opened(client: MlflowClient, retriever: str) -> Iterator[list[Event]]:
    """Yield the record while no other process of this `$SYNALIGN_HOME` writes to it."""
    place = home() / "record" / f"{retriever}.lock"
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(place, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield events(client, retriever)


def append(
    client: MlflowClient, retriever: str, uri: str, chain: list[Event], new: Event, before: str | None = None
) -> Event:
    """Write an event at the end of the record, unless it is there.

    Args:
        client: Of MLflow.
        retriever: Whose record.
        uri: MLflow's address.
        chain: The record from `opened`; the event is added to it.
        new: The event, from `happening` or `happened`.
        before: Version that served before the first event; later ones know it from the record.

    Returns:
        The event: new, or the one with the same key that was there.

    Raises:
        RegistryError: A later decision about what serves is in the record.
        ArgumentError: The event is too long for MLflow.
    """
    known = written(chain, new.key)
    if known is not None:
        return known
    latest = max((event.at for event in chain if event.kind != "rejected"), default=None)
    # These change what serves; a rejection or an end may be noted late.
    moves = new.kind in ("started", "promoted", "rolled_back")
    if moves and latest is not None and new.at < latest:
        raise RegistryError(
            f"{new.kind} at {new.at.isoformat()} comes too late: the record of {retriever} has a decision of "
            f"{latest.isoformat()}.",
            remedy=f"look at it (`synalign lineage {retriever}`) and decide again",
        )
    event = new._replace(number=len(chain) + 1, champion_before=before)
    if chain:
        event = event._replace(previous=chain[-1].digest, champion_before=chain[-1].champion.version)
    _write(client, retriever, uri, event)
    chain.append(event)
    return event


def written(chain: Sequence[Event], key: str) -> Event | None:
    """Return the event with a key; None where the record has none."""
    return next((event for event in chain if event.key == key), None)


def running(past: Sequence[Event]) -> Event | None:
    """Return the start of the experiment that ran after these events; None: none did."""
    started = None
    for event in past:
        if event.kind == "started":
            started = event
        elif event.challenger is None:
            started = None
    return started


def _write(client: MlflowClient, retriever: str, uri: str, event: Event) -> None:
    content = event.content
    if len(content) > _LONGEST_EVENT:
        raise ArgumentError("event", f"{content[:100]}...", f"must have at most {_LONGEST_EVENT} characters as JSON")
    place = experiment(client, _name(retriever), uri, of_record(retriever))
    tags = {_EVENT: content, "number": str(event.number), "kind": event.kind, "by": event.by,
            "experiment": event.experiment, "champion": event.champion.version, "digest": event.digest}  # fmt: skip
    name = f"{event.number:04d} {event.kind} {event.experiment}"
    run = client.create_run(place, int(event.at.timestamp() * 1000), tags, name)
    client.set_experiment_tag(place, _HEAD, f"{event.number} {event.digest}")
    # Not `set_terminated`, which prints a link among the lines that programs read.
    client.update_run(run.info.run_id, "FINISHED")


def _runs(client: MlflowClient, experiment_id: str) -> list[Run]:
    found: Iterator[Run] = every(
        lambda token: client.search_runs([experiment_id], "", ViewType.ALL, 1000, page_token=token)
    )
    return [run for run in found if _EVENT in run.data.tags or "number" in run.data.tags]


def _chain(runs: list[Run], retriever: str) -> list[Event]:
    """Return the events of runs in their order, every link checked."""
    by_number: dict[int, list[tuple[Run, Event]]] = {}
    for run in runs:
        event = _read(run, retriever)
        by_number.setdefault(event.number, []).append((run, event))
    chain: list[Event] = []
    for number in range(1, len(by_number) + 1):
        if number not in by_number:
            raise _broken(retriever, f"event {number} is missing")
        event = _only(by_number[number], retriever)
        if event.previous != (chain[-1].digest if chain else _FIRST):
            raise _broken(retriever, f"event {number} does not follow the one before it")
        chain.append(event)
    return chain


def _only(rivals: list[tuple[Run, Event]], retriever: str) -> Event:
    """Return the one event of a number; of several, written by two homes at once, the one that was not deleted."""
    if len(rivals) > 1:
        rivals = [(run, event) for run, event in rivals if run.info.lifecycle_stage == "active"]
    # MLflow's client sends again what was not answered: the same event twice is one event.
    if rivals and len({event.digest for _, event in rivals}) == 1:
        return rivals[0][1]
    if len(rivals) != 1:
        runs = ", ".join(run.info.run_id for run, _ in rivals)
        raise _broken(retriever, f"two machines wrote at once (runs {runs}): delete the run that is not to count")
    return rivals[0][1]


def _read(run: Run, retriever: str) -> Event:
    tags = run.data.tags
    try:
        fields = json.loads(tags[_EVENT])
        fields["at"] = datetime.fromisoformat(fields["at"])
        fields["champion"] = Served(**fields["champion"])
        fields["challenger"] = Served(**fields["challenger"]) if fields["challenger"] else None
        event = Event(**fields)
    except (KeyError, ValueError, TypeError) as error:
        raise _broken(retriever, f"run {run.info.run_id} cannot be read: {error!r}") from error
    if event.digest != tags.get("digest"):
        raise _broken(retriever, f"event {event.number} (run {run.info.run_id}) was changed")
    return event


def _broken(retriever: str, what: str) -> RegistryError:
    return RegistryError(
        f"the record of {retriever} is not what was written: {what}.",
        cause=f"somebody edited the MLflow experiment {_name(retriever)}",
        remedy="restore it from a backup of MLflow's database",
    )


def _name(retriever: str) -> str:
    return f"record/{retriever}"


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ArgumentError("at", at, "must have a time zone")
    return at.astimezone(UTC)
