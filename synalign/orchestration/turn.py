"""The order of intervals: what earlier ones wrote and showed is known to a later one, however many run at once.

Airflow's backfill runs many intervals of one DAG beside each other, and its bound on them is not the DAG's own. Two
steps look at other intervals, and the first of them waits for its turn: *carry* until the run of the interval before
it has weighed what it wrote (`pool.nights`); where nothing is carried, *sample* until that run has sampled
(`sampling.memory`); or until it is over. A night that failed holds nobody up: later ones go on without what it would
have given, and their manifests say what they knew. Nor does one that cannot start: where every run at work waits for
one that is queued behind them, as in a backfill that runs backwards or is paused, the wait ends. Imported by DAG files
and by the triggerer: nothing heavier than Airflow.
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

RUN_IS_OVER = ("success", "failed")
TASK_IS_OVER = ("success", "failed", "upstream_failed", "skipped", "removed")


class Order(NamedTuple):
    """What keeps the intervals of a retriever in order.

    Attributes:
        step: The step that waits for its turn.
        until: The step of the run before that must be over.
    """

    step: str
    until: str


def order(pool_nights: int, memory: int) -> Order | None:
    """Return which step waits for which; None where no interval looks at another.

    Args:
        pool_nights: The setting `pool.nights`.
        memory: The setting `sampling.memory`.

    Examples:
        >>> order(28, 7), order(0, 7), order(0, 0)
        (Order(step='carry', until='align'), Order(step='sample', until='sample'), None)
    """
    if pool_nights:
        return Order("carry", "align")
    return Order("sample", "sample") if memory else None


def settled(dag: str, run: str, until: str) -> bool:
    """Return whether a run, and all before it, have made whatever a later interval will look at.

    A run whose turn has come has seen that the ones before it are settled; so the nearest run is all there is to ask.

    Args:
        dag: Id of the DAG.
        run: Id of the run.
        until: The step that must be over.
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
        until: The step of it that must be over.
        pause: Seconds between two looks.
        patience: Seconds for which it must have been stuck.
    """

    def __init__(self, dag: str, run: str, until: str, pause: float = PAUSE, patience: float = PATIENCE) -> None:
        super().__init__()
        self.dag, self.before, self.until, self.pause, self.patience = dag, run, until, pause, patience

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Say where the triggerer finds the class, and what it makes a trigger from."""
        arguments = {"dag": self.dag, "run": self.before, "until": self.until}
        arguments |= {"pause": self.pause, "patience": self.patience}
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
        until: The step of that run that must be over.
        options: Those of every operator.
    """

    def __init__(self, *, until: str, **options: Any) -> None:
        super().__init__(**options)
        self.until = until

    def execute(self, context: Any) -> None:
        """Wait until the run before is settled, if it is not."""
        # One refresh at a terminal runs alone; one that was ended there long ago looks as if it still ran.
        before = None if os.environ.get(WATCHED, "") else context["ti"].get_previous_dagrun()
        if before is None or settled(self.dag_id, before.run_id, self.until):
            return
        self.log.info("waiting for %s, whose step %s is not over yet", before.run_id, self.until)
        self.defer(trigger=TurnTrigger(self.dag_id, before.run_id, self.until), method_name="resume")

    def resume(self, context: Any, event: dict[str, Any] | None = None) -> None:
        """Continue with this interval, whose turn it is."""
        run = (event or {}).get("stuck")
        if run is None:
            self.log.info("go on: %s", event)
            return
        self.log.warning(
            "%s is queued and cannot start while this run waits for it: going on without what it would have given; the "
            "manifests of carry and sample say what was known. Once it is made, clear this run from turn on to make it "
            "anew.", run
        )  # fmt: skip
