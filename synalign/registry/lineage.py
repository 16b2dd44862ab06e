"""The lineage of a retriever: what served at a moment, trained on which set, under which experiment."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple

from mlflow import MlflowClient

from synalign.errors import ArgumentError, RegistryError, RunError, listed, meant
from synalign.registry import names, record
from synalign.registry.connection import alias_of, connected, training_set_models, version_of, versions_of
from synalign.registry.experiments import stored_plan
from synalign.registry.record import Event, Served
from synalign.registry.training_sets import ALIAS

_NO_SET = "what it was trained on is not recorded: it is older than SynAlign"


class Lineage(NamedTuple):
    """What served a retriever's users at a moment.

    Attributes:
        retriever: The retriever.
        at: The moment (UTC).
        champion: What served.
        share: Share of all units that it served, in [0, 1].
        event: What made it serve: a promotion, a roll-back, or the first event of the record.
        challenger: What served the rest; None: nothing.
        experiment: Id of the experiment that ran then; None: none ran.
        plan_digest: Digest of its plan; None: none ran.
        intervals: Data interval of each training set that this MLflow has, by digest.
    """

    retriever: str
    at: datetime
    champion: Served
    share: float
    event: Event
    challenger: Served | None
    experiment: str | None
    plan_digest: str | None
    intervals: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        return {
            "retriever": self.retriever,
            "at": self.at.isoformat(),
            "champion": {**self._served(self.champion), "share": self.share},
            "since": self.event.as_json(),
            "challenger": {**self._served(self.challenger), "share": 1.0 - self.share} if self.challenger else None,
            "experiment": {"id": self.experiment, "plan_digest": self.plan_digest} if self.experiment else None,
        }

    def lines(self) -> list[str]:
        """Return the lines for a person."""
        event = self.event
        told = [
            f"{self.retriever} at {self.at:%Y-%m-%d %H:%M:%S} UTC",
            f"  served      {_retriever(self.champion)}"
            + ("" if self.share == 1.0 else f", {self.share:.2%} of units"),
            f"  trained on  {self._trained_on(self.champion)}",
            f"  since       {event.at:%Y-%m-%d %H:%M:%S} UTC, "
            f"{event.kind.replace('_', ' ')} by {event.by}: {event.reason}",
            f"  under       experiment {event.experiment}, plan {event.plan_digest}",
        ]
        if self.challenger is not None:
            told += [
                f"  tried       {_retriever(self.challenger)}, {1.0 - self.share:.2%} of units, "
                f"experiment {self.experiment}, plan {self.plan_digest}",
                f"  trained on  {self._trained_on(self.challenger)}",
            ]
        return [*told, f"  record      event {event.number}, digest {event.digest}"]

    def _trained_on(self, served: Served) -> str:
        if served.training_set is None:
            return _NO_SET
        trained = served.training_set
        interval = self.intervals.get(trained["digest"], "not in this MLflow")
        return f"{trained['model']} version {trained['version']} ({interval}), SHA-256 {trained['digest']}"

    def _served(self, served: Served) -> dict[str, Any]:
        trained = served.training_set
        found = {**trained, "interval": self.intervals.get(trained["digest"])} if trained else None
        return {**served._asdict(), "training_set": found}


class Unpromoted(NamedTuple):
    """A retriever that has training sets, and no promotion yet.

    Attributes:
        retriever: The retriever.
        current: The version that the alias `current` names; None where it names none.
        newest: The newest version.
        interval: Data interval of the current version, or else of the newest.
    """

    retriever: str
    current: str | None
    newest: str
    interval: str

    def as_json(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        return {"retriever": self.retriever, "champion": None, "current": self.current, "newest": self.newest}

    def lines(self) -> list[str]:
        """Return the lines for a person."""
        if self.current is None:
            told = f"no version is `current`; the newest is version {self.newest}"
        else:
            told = f"`current` is version {self.current}"
        return [
            f"{self.retriever}: nothing is promoted yet; {told} ({self.interval})",
            "  `synalign experiment draft FILE` begins the test that a promotion follows from",
        ]


def unpromoted(retriever: str, uri: str) -> Unpromoted | None:
    """Return the versions of a retriever that has no promotion yet; None where the record has events.

    Raises:
        RunError: This MLflow knows nothing of that retriever; the message names those it knows.
        RegistryError: MLflow cannot be reached.
    """
    with connected(uri, "ask again") as client:
        if record.events(client, retriever):
            return None
        model = names.training_set_of(client, retriever)
        versions = {str(one.version): one for one in versions_of(client, model)}
        if not versions:
            raise _unknown(client, retriever)
        current = alias_of(client, model, ALIAS)
        newest = max(versions, key=int)
        interval = (current or versions[newest]).tags.get("interval", "no interval")
        return Unpromoted(retriever, str(current.version) if current else None, newest, interval)


def _unknown(client: MlflowClient, retriever: str) -> RunError:
    known = sorted(names.retriever_of(model) for model in training_set_models(client))
    if not known:
        return RunError(
            f"MLflow has nothing of {retriever!r}, nor any training set.",
            cause="no refresh has registered one yet, or MLFLOW_TRACKING_URI names another MLflow",
            remedy="run `synalign refresh` first",
        )
    return RunError(
        f"MLflow has nothing of {retriever!r}.",
        cause="the name is misspelt, its first refresh has not ended, or MLFLOW_TRACKING_URI names another MLflow",
        remedy=f"{meant(retriever, known)}it has training sets of {listed(known)}",
    )


def lineage(retriever: str, at: datetime | date, uri: str) -> Lineage:
    """Return what served at a moment, what it was trained on, and under which experiment.

    Args:
        retriever: The retriever.
        at: The moment, with time zone; a date means the end of that day (UTC).
        uri: MLflow's address.

    Raises:
        RegistryError: Nothing was recorded before, the record was tampered with, or MLflow cannot be reached.
        ArgumentError: `at` is a time without time zone.
    """
    moment = _moment(at)
    with connected(uri, "ask again") as client:
        chain = record.events(client, retriever)
        past = [event for event in chain if event.at <= moment]
        if not past:
            first = f"the first event is of {chain[0].at.isoformat()}" if chain else "there is none"
            raise RegistryError(
                f"the record of {retriever} has nothing before {moment.isoformat()}: {first}.",
                cause="it served before its first experiment" if chain else "nothing of it was promoted yet",
                remedy="what served before the first experiment is the control of that one",
            )
        last = max(past, key=lambda event: event.number)
        since = _made_it_serve(past)
        running = record.running(past)
        intervals = _intervals(client, [served for served in (last.champion, last.challenger) if served])
    treated = 0.0
    if last.challenger is not None and running is not None:
        plan = stored_plan(retriever, running.plan_digest, uri)
        treated = plan.traffic_share(moment.date()) * plan.treatment_share
    if running is None or not treated:
        return Lineage(retriever, moment, last.champion, 1.0, since, None, None, None, intervals)
    tried = last.challenger, running.experiment, running.plan_digest
    return Lineage(retriever, moment, last.champion, 1.0 - treated, since, *tried, intervals)


def _retriever(served: Served) -> str:
    return f"{served.model_uri} (version {served.version})"


def _moment(at: datetime | date) -> datetime:
    if not isinstance(at, datetime):
        return datetime.combine(at, time.max, UTC)
    if at.tzinfo is None:
        raise ArgumentError("at", at, "must have a time zone")
    return at.astimezone(UTC)


def _made_it_serve(past: list[Event]) -> Event:
    """Return the event that brought the champion; an experiment's start only registers it under a new version."""
    return next(event for event in reversed(past) if event.kind in ("promoted", "rolled_back") or event.number == 1)


def _intervals(client: MlflowClient, served: list[Served]) -> dict[str, str]:
    """Return the data intervals of training sets that this MLflow has, by digest."""
    found = {}
    for trained in (one.training_set for one in served if one.training_set):
        version = version_of(client, trained["model"], trained["version"])
        if version is not None and version.tags.get("digest") == trained["digest"]:
            found[trained["digest"]] = version.tags.get("interval", "no interval")
    return found
