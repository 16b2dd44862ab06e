"""The order of intervals: what earlier ones left is known before a later one looks at it, however many run at once.

Airflow's backfill runs many intervals of one DAG beside each other, and its bound on them is not the DAG's own. Two
steps look at other intervals: *carry* at what they wrote and weighed, *sample* at what they showed. The first of them
that does waits for its turn: until the run of the interval before it has come that far, or is over. A night that failed
holds nobody up: later ones go on without what it would have left, and their manifests say what they knew. Nor does one
that cannot start: where every run at work waits for one that is queued behind them, as in a backfill that runs
backwards or is paused, the wait ends. Imported by DAG files and by the triggerer: nothing heavier than Airflow.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from airflow.sdk import BaseOperator
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from synalign.orchestration.alerts import WATCHED

TASK = "turn"
PAUSE = 10.0
"""Seconds between two looks."""

PATIENCE = 300.0
"""Seconds for which every run at work must be waiting before the one they wait for is taken not to start at all."""


class Order(NamedTuple):
    """What of an interval waits for the interval before it.

    Attributes:
        waits: The step that waits; those after it wait with it.
        until: The step of the run before that has to be over.
    """

    waits: str
    until: str


CARRIES, REMEMBERS = Order("carry", "align"), Order("sample", "sample")

RUN_IS_OVER = ("success", "failed")
TASK_IS_OVER = ("success", "failed", "upstream_failed", "skipped", "removed")


def order(nights: int, memory: int) -> Order | None:
    """Return the order that a retriever's intervals keep; None where none looks at another.

    Args:
        nights: The setting `pool.nights`.
        memory: The setting `sampling.memory`.
    """
    if nights:
        return CARRIES
    return REMEMBERS if memory else None


def settled(dag: str, run: str, until: str) -> bool:
    """Return whether a run, and all before it, have left whatever a later interval will look at.

    A run whose turn has come has seen that the ones before it are settled; so the nearest run is all there is to ask.

    Args:
        dag: Id of the DAG.
        run: Id of the run.
        until: The step of it that has to be over.
    """
    if RuntimeTaskInstance.get_dagrun_state(dag_id=dag, run_id=run) in RUN_IS_OVER:
        return True
    states = RuntimeTaskInstance.get_task_states(dag_id=dag, task_ids=[TASK, until], run_ids=[run]).get(run, {})
    return states.get(TASK) == "success" and states.get(until) in TASK_IS_OVER


def stuck(dag: str, run: str) -> bool:
    """Return whether a run is queued while every run at work waits for its turn: it may wait for their slots."""
    if RuntimeTaskInstance.get_dagrun_state(dag_id=dag, run_id=run) != "queued":
        return False
    waiting = RuntimeTaskInstance.get_ti_count(dag_id=dag, task_ids=[TASK], states=["deferred"])
    return RuntimeTaskInstance.get_dr_count(dag_id=dag, states=["running"]) <= waiting


class TurnTrigger(BaseTrigger):
    """Fires when a run is settled, or does not start.

    Args:
        dag: Id of the DAG.
        run: Id of the run.
        until: The step of it that has to be over.
        pause: Seconds between two looks.
        patience: Seconds for which it must have been stuck.
    """

    def __init__(
        self, dag: str, run: str, until: str = REMEMBERS.until, pause: float = PAUSE, patience: float = PATIENCE
    ) -> None:
        super().__init__()
        self.dag, self.before, self.until, self.pause, self.patience = dag, run, until, pause, patience

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Say where the triggerer finds the class, and what it makes a trigger from."""
        arguments = {
            "dag": self.dag, "run": self.before, "until": self.until, "pause": self.pause, "patience": self.patience,
        }  # fmt: skip
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event, once the run is settled or was stuck for long enough."""
        moved = time.monotonic()
        while not await sync_to_async(settled)(self.dag, self.before, self.until):
            if not await sync_to_async(stuck)(self.dag, self.before):
                moved = time.monotonic()
            elif time.monotonic() - moved >= self.patience:
                yield TriggerEvent({"stuck": self.before})
                return
            await asyncio.sleep(self.pause)
        yield TriggerEvent({"settled": self.before})


class TurnOperator(BaseOperator):
    """Waits, without a worker slot, until the run of the interval before this one is settled.

    Args:
        until: The step of that run that has to be over.
        **options: Those of any operator.
    """

    def __init__(self, *, until: str = REMEMBERS.until, **options: Any) -> None:
        super().__init__(**options)
        self.until = until

    def execute(self, context: Any) -> None:
        """Wait until the run before is settled, if it is not."""
        # One refresh at a terminal runs alone; one that was ended there long ago looks as if it still ran.
        before = None if os.environ.get(WATCHED, "") else context["ti"].get_previous_dagrun()
        if before is None or settled(self.dag_id, before.run_id, self.until):
            return
        self.log.info("waiting for %s, of which %s is not over yet", before.run_id, self.until)
        self.defer(trigger=TurnTrigger(self.dag_id, before.run_id, self.until), method_name="resume")

    def resume(self, context: Any, event: dict[str, Any] | None = None) -> None:
        """Continue with this interval, whose turn it is."""
        run = (event or {}).get("stuck")
        if run is None:
            self.log.info("go on: %s", event)
            return
        self.log.warning(
            "%s is queued and cannot start while this run waits for it: going on without what it would have left; the "
            "manifests of carry and sample say what was known. Once it is made, clear this run from turn on to make it "
            "anew.", run
        )  # fmt: skip
