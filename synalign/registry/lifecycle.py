"""Start, promote, end and roll back: in the store and in the registry, in an order that a second try completes."""

from __future__ import annotations

from datetime import date, datetime

from synalign.experiment import store
from synalign.experiment.plan import ExperimentPlan
from synalign.registry import serving
from synalign.registry.record import Event
from synalign.registry.serving import Registered


def start(plan: ExperimentPlan, by: str, at: datetime, uri: str) -> Registered:
    """Register both arms and keep the plan from now on as it is. The same call again changes nothing.

    Args:
        plan: The experiment.
        by: Who starts it.
        at: When, with time zone.
        uri: MLflow's address.

    Raises:
        RunError: The id stands for another plan, or another experiment is planned for these days.
        RegistryError: The control is not what serves, or MLflow refuses; nothing was kept then.
    """
    # Refused before anything is written to MLflow, where nothing can be taken back.
    store.check(plan)
    registered = serving.register_arms(plan, uri, by=by, at=at)
    store.start(plan)
    return registered


def promote(plan: ExperimentPlan, by: str, at: datetime, reason: str, uri: str) -> Event:
    """Let the treatment serve and end the experiment; errors as in `registry.serving.promote`."""
    event = serving.promote(plan, by, at, reason, uri)
    store.end(plan, f"promoted by {event.by}: {event.reason}", event.at)
    return event


def end(plan: ExperimentPlan, by: str, at: datetime, reason: str, uri: str) -> Event:
    """End the experiment without a promotion; errors as in `registry.serving.end`."""
    event = serving.end(plan, by, at, reason, uri)
    store.end(plan, f"{event.kind} by {event.by}: {event.reason}", event.at)
    return event


def roll_back(retriever: str, by: str, at: datetime, reason: str, uri: str) -> Event:
    """Let the former champion serve again, and end what runs: its control serves no longer.

    Errors as in `registry.serving.roll_back`.
    """
    event = serving.roll_back(retriever, by, at, reason, uri)
    running = store.running(retriever, event.at.date())
    if running is not None:
        store.end(running, f"rolled back by {event.by}: {event.reason}", event.at)
    return event


def state(plan: ExperimentPlan, today: date) -> str:
    """Say in words where an experiment stands on a day."""
    note = store.ended(plan)
    if note is not None:
        return f"ended {note.at:%Y-%m-%d}, {note.reason}"
    if today < plan.start:
        return f"begins {plan.start}"
    return f"running until {plan.stop}" if today <= plan.stop else f"over since {plan.stop}, not ended"
