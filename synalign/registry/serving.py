"""Retrievers in MLflow: the registered model `<retriever>`, what serves (`champion`) and what is tried (`challenger`).

The record (`synalign.registry.record`) is the truth and is written first; the two aliases follow it. A call that was
killed anywhere is completed by the same call again, and one that was complete changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from synalign.errors import RegistryError
from synalign.experiment.plan import Arm, ExperimentPlan, TrainingSet
from synalign.registry import names, record
from synalign.registry.connection import (
    alias_of,
    connected,
    fluent,
    registered_model,
    source_of,
    version_of,
    versions_of,
)
from synalign.registry.descriptions import of_retriever
from synalign.registry.experiments import arm_folder, experiment_run
from synalign.registry.record import Event, Served

CHAMPION, CHALLENGER = "champion", "challenger"


class Registered(NamedTuple):
    """The arms of an experiment in MLflow.

    Attributes:
        model: Name of the registered model.
        control: Version of the control.
        treatment: Version of the treatment.
        run_id: The experiment's MLflow run.
        event: The record's event `started`.
    """

    model: str
    control: str
    treatment: str
    run_id: str
    event: Event


def register_arms(plan: ExperimentPlan, uri: str, *, by: str | None = None, at: datetime | None = None) -> Registered:
    """Register both arms of a plan and let `champion` and `challenger` name them.

    Args:
        plan: The experiment.
        uri: MLflow's address.
        by: Who starts it; default: the plan's owner.
        at: When; default: now.

    Returns:
        Where they stand.

    Raises:
        RegistryError: MLflow cannot be reached or refuses, another experiment runs, the champion is not the plan's
            control, an alias was moved by hand, or a training set has another digest than the plan says.
    """
    run_id = experiment_run(plan, uri)
    with _writing(plan.retriever, uri) as (client, chain):
        known = _start(plan, chain)
        if known is None:
            _may_start(client, plan, chain)
        # An arm may be at `models:/...`, as those that SynAlign trained.
        with fluent(uri):
            control, treatment = (_version(client, plan, arm, run_id, uri) for arm in plan.arms)
        if known is None:
            known = record.append(client, plan.retriever, uri, chain, record.happening(
                "started", plan, plan.owner if by is None else by, at or datetime.now(UTC), plan.hypothesis,
                Served.of(plan.arm("control"), control), Served.of(plan.arm("treatment"), treatment),
            ), before=_version_of(_at(client, plan.retriever, CHAMPION)))  # fmt: skip
        model = names.trained_of(client, plan.retriever)
    return Registered(model, control, treatment, run_id, known)


def promote(plan: ExperimentPlan, by: str, at: datetime, reason: str, uri: str) -> Event:
    """Let the treatment serve: `champion` moves to it, and the experiment is over.

    A plan is promoted once: the same call again, even after a roll-back, gives the event that was written.

    Args:
        plan: The experiment.
        by: Who decided.
        at: When it was decided, with time zone.
        reason: Why, such as the read-out's sentence.
        uri: MLflow's address.

    Raises:
        RegistryError: The experiment does not run, a later decision was recorded, an alias was moved by hand,
            or MLflow refuses.
        ArgumentError: `by` or `reason` is empty, or `at` has no time zone.
    """
    with _writing(plan.retriever, uri) as (client, chain):
        treatment = _started(plan, chain).challenger
        assert treatment is not None
        new = record.happening("promoted", plan, by, at, reason, treatment, None)
        if record.written(chain, new.key) is None:
            _must_run(plan, chain)
        return record.append(client, plan.retriever, uri, chain, new)


def reject(plan: ExperimentPlan, by: str, at: datetime, reason: str, uri: str) -> Event:
    """Note that the verdict `ship` was not followed; nothing changes, the experiment goes on.

    Arguments and errors as in `promote`; it need not run any more. By the same person at the same time: once.
    """
    with _writing(plan.retriever, uri) as (client, chain):
        _started(plan, chain)
        new = record.happening("rejected", plan, by, at, reason, chain[-1].champion, chain[-1].challenger)
        return record.append(client, plan.retriever, uri, chain, new)


def end(plan: ExperimentPlan, by: str, at: datetime, reason: str, uri: str) -> Event:
    """Note that an experiment has ended without a promotion: the champion goes on, the challenger goes.

    Arguments and errors as in `promote`. Ended or promoted before: gives the event that was written.
    """
    with _writing(plan.retriever, uri) as (client, chain):
        _started(plan, chain)
        over = [event for event in chain if event.plan_digest == plan.digest and event.kind in ("promoted", "ended")]
        if over:
            return over[0]
        others = chain[-1].challenger if _running(chain) != plan.digest else None
        new = record.happening("ended", plan, by, at, reason, chain[-1].champion, others)
        return record.append(client, plan.retriever, uri, chain, new)


def roll_back(retriever: str, by: str, at: datetime, reason: str, uri: str) -> Event:
    """Roll back the last promotion that still holds; a running experiment loses its control.

    Args:
        retriever: Whose champion.
        by: Who decided.
        at: When, with time zone.
        reason: Why.
        uri: MLflow's address.

    Raises:
        RegistryError: There is nothing to go back to, or as in `promote`.
        ArgumentError: As in `promote`.
    """
    moment = at if at.tzinfo is None else at.astimezone(UTC)
    with _writing(retriever, uri) as (client, chain):
        for event in chain:
            if event.kind == "rolled_back" and (event.at, event.by) == (moment, by):
                return event
        held = _promotions(chain)
        if not held:
            raise RegistryError(
                f"{retriever} has no champion to go back to: the record has no promotion that still holds.",
                remedy=f"`synalign lineage {retriever}` shows what serves",
            )
        before, undone = held[-1]
        experiment, key = (undone.experiment, undone.plan_digest), [retriever, moment.isoformat(), by]
        new = record.happened("rolled_back", experiment, key, by, at, reason, before, None)
        return record.append(client, retriever, uri, chain, new)


def champion(retriever: str, uri: str) -> Served | None:
    """Return what serves: by the record, or before the first experiment by the alias `champion`; None: neither."""
    with connected(uri, "do the same again") as client:
        chain = record.events(client, retriever)
        if chain:
            return chain[-1].champion
        version = _at(client, retriever, CHAMPION)
        return None if version is None else Served(str(version.version), _source(version), None)


def newest_training_set(retriever: str, uri: str) -> TrainingSet | None:
    """Return the training set that the alias `current` names, or else the newest; None: none is registered."""
    with connected(uri, "do the same again") as client:
        model = names.training_set_of(client, retriever)
        version = alias_of(client, model, "current")
        if version is None:
            found = [one for one in versions_of(client, model) if one.tags.get("digest")]
            version = max(found, key=lambda one: int(one.version), default=None)
        if version is None:
            return None
        return TrainingSet(model=model, version=str(version.version), digest=version.tags["digest"])


@contextmanager
def _writing(retriever: str, uri: str) -> Iterator[tuple[MlflowClient, list[Event]]]:
    """Open the record for writing; at the end the aliases follow it."""
    with connected(uri, "do the same again") as client, record.opened(client, retriever) as chain:
        if chain:
            _must_follow(client, retriever, chain)
        yield client, chain
        if chain:
            _follow(client, retriever, chain[-1])


def _may_start(client: MlflowClient, plan: ExperimentPlan, chain: list[Event]) -> None:
    running = _running(chain)
    if running is not None:
        raise RegistryError(
            f"{plan.retriever} has the experiment {chain[-1].experiment!r} running, plan {running[:12]}.",
            remedy="end it first: `synalign experiment end`",
        )
    control = plan.arm("control")
    version = None if chain else _at(client, plan.retriever, CHAMPION)
    serving = chain[-1].champion.model_uri if chain else _source(version)
    if serving and serving != control.model_uri:
        raise RegistryError(
            f"the control of plan {plan.id!r} is {control.model_uri}, but {serving} serves (alias {CHAMPION}).",
            remedy="compare with what serves: name that as the control",
        )
    for arm in plan.arms:
        _training_set_is(client, arm)


def _training_set_is(client: MlflowClient, arm: Arm) -> None:
    """Refuse a registered training set that has not the plan's digest; one from elsewhere cannot be checked."""
    if arm.training_set is None:
        return
    version = version_of(client, arm.training_set.model, arm.training_set.version)
    if version is None:
        return
    there = version.tags.get("digest")
    if there != arm.training_set.digest:
        raise RegistryError(
            f"arms.{arm.name}.training_set.digest == {arm.training_set.digest[:12]}..., but "
            f"{arm.training_set.model} version {arm.training_set.version} has {there}.",
            remedy="take version and digest from the registered training set",
        )


def _version(client: MlflowClient, plan: ExperimentPlan, arm: Arm, run_id: str, uri: str) -> str:
    """Return the version of an arm: found by the experiment's run, or made, tags and all, in one call."""
    model = names.trained_of(client, plan.retriever)
    about_model = of_retriever(plan.retriever, names.training_set_of(client, plan.retriever))
    registered_model(client, model, about_model, plan.retriever)
    tags = {"experiment": plan.id, "arm": arm.name, "plan_digest": plan.digest, "model_uri": arm.model_uri}
    if arm.training_set is not None:
        tags |= {f"training_set.{key}": value for key, value in arm.training_set.model_dump().items()}
    for version in versions_of(client, model, run_id=run_id):
        if version.tags.get("arm") == arm.name:
            return str(version.version)
    about = {"description": f"The {arm.name} of the experiment {plan.id}: {plan.hypothesis}", "tags": tags}
    # A version is ready at once: it only points somewhere.
    make = partial(client.create_model_version, model, run_id=run_id, await_creation_for=0, **about)
    try:
        made = make(arm.model_uri)
    except MlflowException as error:
        if error.error_code != "INVALID_PARAMETER_VALUE":
            raise
        # A server takes no path of its own disk, and no https, as a source: the run has a file that says where it is.
        made = make(source_of(client.get_run(run_id), arm_folder(arm), uri))
    return str(made.version)


def _start(plan: ExperimentPlan, chain: list[Event]) -> Event | None:
    return next((event for event in chain if event.kind == "started" and event.plan_digest == plan.digest), None)


def _started(plan: ExperimentPlan, chain: list[Event]) -> Event:
    start = _start(plan, chain)
    if start is None:
        raise RegistryError(
            f"experiment {plan.id!r} of {plan.retriever} was never started as plan {plan.digest[:12]}.",
            remedy="start it: `synalign experiment start`",
        )
    return start


def _running(chain: list[Event]) -> str | None:
    """Return the digest of the plan that runs."""
    started = record.running(chain)
    return started.plan_digest if started else None


def _promotions(chain: list[Event]) -> list[tuple[Served, Event]]:
    """Return the promotions that were not rolled back, oldest first, each with what served before it.

    An experiment's start registers what serves under a new version; going back gives the newest of them.
    """
    held: list[tuple[Served, Event]] = []
    serving: Served | None = None
    for event in chain:
        if event.kind == "promoted" and serving is not None:
            held.append((serving, event))
        elif event.kind == "rolled_back":
            held.pop()
        serving = event.champion
    return held


def _must_run(plan: ExperimentPlan, chain: list[Event]) -> None:
    if _running(chain) != plan.digest:
        last = chain[-1]
        raise RegistryError(
            f"experiment {plan.id!r} of {plan.retriever} does not run: {last.kind} on {last.at.isoformat()} "
            f"by {last.by}.",
            remedy="a retriever is promoted out of a running experiment; start a new one",
        )


def _must_follow(client: MlflowClient, retriever: str, chain: list[Event]) -> None:
    """Refuse where the champion was moved by hand; where a killed call left it behind, it is moved later."""
    stands = _version_of(_at(client, retriever, CHAMPION))
    last = chain[-1]
    if stands not in (last.champion.version, last.champion_before):
        raise RegistryError(
            f"the alias {CHAMPION} of {retriever} is at version {stands}, the record says {last.champion.version}.",
            cause="it was moved by hand, which leaves no record",
            remedy=f"move it back to version {last.champion.version} in MLflow; `synalign experiment promote` and "
            "`roll-back` move it and say so in the record",
        )


def _follow(client: MlflowClient, retriever: str, last: Event) -> None:
    """Move the aliases to where the record says they are."""
    model = names.trained_of(client, retriever)
    for alias, served in ((CHAMPION, last.champion), (CHALLENGER, last.challenger)):
        stands = alias_of(client, model, alias)
        if served is None:
            if stands is not None:
                client.delete_registered_model_alias(model, alias)
        elif stands is None or str(stands.version) != served.version:
            client.set_registered_model_alias(model, alias, served.version)


def _at(client: MlflowClient, retriever: str, alias: str) -> ModelVersion | None:
    """Return the version of a retriever that an alias names; None: it names none."""
    return alias_of(client, names.trained_of(client, retriever), alias)


def _source(version: ModelVersion | None) -> str:
    """Return where a version's retriever is: the tag, as a source may be another address of the same."""
    return "" if version is None else str(version.tags.get("model_uri", version.source))


def _version_of(version: ModelVersion | None) -> str | None:
    return None if version is None else str(version.version)
